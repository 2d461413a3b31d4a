"""The order of hits, against numpy for vectors and against the official client's exact search for words."""

from pathlib import Path

import numpy as np
import pytest
from qdrant_client import AsyncQdrantClient

from chatkeep.index.edge import EdgeIndexes
from chatkeep.index.port import IndexSpec, Point, Query, TenantId
from chatkeep.index.qdrant import QdrantIndexes

pytestmark = [
    pytest.mark.filterwarnings("ignore:Payload indexes have no effect in the local Qdrant"),
    pytest.mark.filterwarnings("ignore:Local mode performs exact"),
]

SPEC = IndexSpec("tests/generated", 24)
TENANTS = [TenantId(f"u:{n}") for n in range(4)]
PASSAGES = 50
WORDS = [f"word{n}" for n in range(200)]


def unit(numbers: np.ndarray) -> np.ndarray:
    scaled: np.ndarray = numbers / np.linalg.norm(numbers, axis=-1, keepdims=True)
    return scaled


async def test_each_way_ranks_as_an_exact_search_does(tmp_path: Path) -> None:
    rng = np.random.default_rng(60)
    vectors = unit(rng.standard_normal((len(TENANTS), PASSAGES, SPEC.dimension)).astype(np.float32))
    embedded, local = EdgeIndexes(tmp_path / "index"), QdrantIndexes(AsyncQdrantClient(":memory:"))
    ours, theirs = embedded.open(SPEC), local.open(SPEC)
    # Each text has a length of its own: two that are equally good could stand in either order.
    lengths = rng.permutation(len(TENANTS) * PASSAGES).reshape(len(TENANTS), PASSAGES) + 1
    for tenant, held, sizes in zip(TENANTS, vectors, lengths, strict=True):
        texts = [" ".join(rng.choice(WORDS, size=size)) for size in sizes]
        points = [
            Point("d", n, text, vector.tolist()) for n, (text, vector) in enumerate(zip(texts, held, strict=True))
        ]
        await ours.put(tenant, points)
        await theirs.put(tenant, points)
    for number in range(20):
        own, vector = number % len(TENANTS), unit(rng.standard_normal(SPEC.dimension).astype(np.float32))
        found = await ours.search([TENANTS[own]], Query("", vector.tolist()), 20)
        assert [hit.n for hit in found] == np.argsort(-(vectors[own] @ vector))[:20].tolist()

        asked = list({TENANTS[own], TENANTS[number % 3]})
        words = Query(" ".join(rng.choice(WORDS, size=4)), None)
        found, exact = await ours.search(asked, words, 20), await theirs.search(asked, words, 20)
        assert [(hit.tenant, hit.n) for hit in found] == [(hit.tenant, hit.n) for hit in exact]

        both = Query(words.text, vector.tolist())
        assert await ours.search(asked, both, 10) == await theirs.search(asked, both, 10)
    await embedded.aclose()
    await local.aclose()

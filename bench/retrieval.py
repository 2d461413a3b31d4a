"""What it costs to find passages: a hybrid query beside an exact search by numpy over the asking tenant's own vectors.

One embedded index grows from 10 to 10,000 tenants; the tenants that ask have 100 passages each throughout, but for one
that has 10,000. Vectors and words are generated: words by Zipf's law, vectors in any direction.
"""

import asyncio
import itertools
import tempfile
import time
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import psutil

from chatkeep.index.edge import EdgeIndexes
from chatkeep.index.port import IndexSpec, Point, Query, StoredPoint, TenantId, VectorIndex
from chatkeep.index.vectors import packed
from chatkeep.index.words import WordWeights

DIMENSION = 384
PASSAGES = 100
LARGE = 10_000
WORDS = 20_000
WORDS_A_PASSAGE = 60
WORDS_A_QUESTION = 6
QUESTIONS = 400
LIMIT = 10
STEPS = (10, 100, 1_000)
MOST_TENANTS = 10_000
DOCUMENTS_AT_ONCE = 4

_VOCABULARY = np.array([f"word{n}" for n in range(WORDS)])
_FREQUENCY = 1 / np.arange(1, WORDS + 1)
_FREQUENCY /= _FREQUENCY.sum()


@dataclass(frozen=True)
class Asked:
    """How long each question took, in milliseconds, and the share of the true nearest ten that was among the hits."""

    hybrid: np.ndarray
    exact: np.ndarray
    recall: float


class Corpus:
    """Generated passages; the same for the same tenant."""

    def vectors(self, tenant: int, passages: int) -> np.ndarray:
        drawn = np.random.default_rng(tenant).standard_normal((passages, DIMENSION)).astype(np.float32)
        drawn /= np.linalg.norm(drawn, axis=1, keepdims=True)
        return drawn

    def points(self, tenant: int, passages: int) -> list[Point]:
        rng = np.random.default_rng(tenant)
        words = rng.choice(_VOCABULARY, size=(passages, WORDS_A_PASSAGE), p=_FREQUENCY)
        vectors = self.vectors(tenant, passages).tolist()
        return [
            Point(f"document-{n // 50}", n, " ".join(text), vector)
            for n, (text, vector) in enumerate(zip(words, vectors, strict=True))
        ]


def named(tenant: int) -> TenantId:
    return TenantId(f"u:{tenant:08}")


async def fill(index: VectorIndex, corpus: Corpus, tenants: Sequence[int], passages: int) -> float:
    """Put in what these tenants have, and say how many passages a second that was."""
    waiting = iter(tenants)

    async def put() -> None:
        for tenant in waiting:
            await index.put(named(tenant), corpus.points(tenant, passages))

    started = time.perf_counter()
    await asyncio.gather(*(put() for _ in range(DOCUMENTS_AT_ONCE)))
    return len(tenants) * passages / (time.perf_counter() - started)


async def restore(index: VectorIndex, corpus: Corpus, tenants: Sequence[int]) -> None:
    """Two passages for each of these tenants, as they are moved from another index: many tenants at a time."""
    weights = WordWeights("english")
    for start in range(0, len(tenants), 2_000):
        await index.restore(
            [
                StoredPoint(
                    named(tenant),
                    point.document_id,
                    point.n,
                    packed(point.dense, DIMENSION),
                    *weights.of_passage(point.text),
                )
                for tenant in tenants[start : start + 2_000]
                for point in corpus.points(tenant, 2)
                if point.dense is not None
            ]
        )


async def ask(index: VectorIndex, corpus: Corpus, tenants: Sequence[int], passages: int) -> Asked:
    """Ask as many questions, one after the other, of one tenant after the other."""
    hybrid, exact, recalled = [], [], []
    async for tenant, query, vector in questions(tenants):
        own = corpus.vectors(tenant, passages)
        started = time.perf_counter()
        nearest = np.argsort(-(own @ vector))[:LIMIT]
        exact.append(time.perf_counter() - started)
        started = time.perf_counter()
        await index.search([named(tenant)], query, LIMIT)
        hybrid.append(time.perf_counter() - started)
        dense = await index.search([named(tenant)], Query("", query.dense), LIMIT)
        recalled.append(len({hit.n for hit in dense} & set(nearest.tolist())) / LIMIT)
    return Asked(np.array(hybrid) * 1e3, np.array(exact) * 1e3, float(np.mean(recalled)))


async def questions(tenants: Sequence[int]) -> AsyncIterator[tuple[int, Query, np.ndarray]]:
    rng = np.random.default_rng(7)
    for tenant in itertools.islice(itertools.cycle(tenants), QUESTIONS):
        vector = rng.standard_normal(DIMENSION).astype(np.float32)
        vector /= np.linalg.norm(vector)
        text = " ".join(rng.choice(_VOCABULARY, size=WORDS_A_QUESTION, p=_FREQUENCY))
        yield tenant, Query(text, vector.tolist()), vector


def report(tenants: str, points: int, asked: Asked, memory: int) -> None:
    hybrid, exact = (np.percentile(each, [50, 95]) for each in (asked.hybrid, asked.exact))
    print(
        f"  {tenants:>20} {points:>9,} {hybrid[0]:8.2f} {hybrid[1]:8.2f} {exact[0]:8.2f} {exact[1]:8.2f}"
        f" {hybrid[1] / exact[1]:7.1f}x {asked.recall:8.3f} {memory:8} MB",
        flush=True,
    )


async def run(directory: Path) -> None:
    indexes, corpus = EdgeIndexes(directory), Corpus()
    index = indexes.open(IndexSpec("bench/generated", DIMENSION))
    head = ("tenants", "passages", "p50", "p95", "exact", "p95", "p95", "recall", "memory")
    print("\nA hybrid query, in milliseconds, and numpy's exact search over the tenant's own vectors\n")
    print("  {:>20} {:>9} {:>8} {:>8} {:>8} {:>8} {:>8} {:>8} {:>11}".format(*head))
    held, rates, filled = 0, [], 0

    async def measured(label: str, tenants: Sequence[int], passages: int) -> None:
        # What has been put in is tidied up when nobody has asked for a second.
        await asyncio.sleep(2)
        asked = await ask(index, corpus, tenants, passages)
        report(label, held, asked, psutil.Process(indexes.pid).memory_info().rss >> 20)

    for tenants in STEPS:
        rates.append(await fill(index, corpus, range(filled, tenants), PASSAGES))
        held, filled = tenants * PASSAGES, tenants
        await measured(f"{tenants:,}", range(min(tenants, QUESTIONS)), PASSAGES)
    await restore(index, corpus, range(filled, MOST_TENANTS))
    held += (MOST_TENANTS - filled) * 2
    await measured(f"{MOST_TENANTS:,}", range(QUESTIONS), PASSAGES)
    await fill(index, corpus, [MOST_TENANTS], LARGE)
    held += LARGE
    await measured(f"one with {LARGE:,}", [MOST_TENANTS], LARGE)
    print(
        f"\n  {rates[-1]:,.0f} passages a second put in, {DOCUMENTS_AT_ONCE} documents of {PASSAGES} at a time;",
        end=" ",
    )
    print(f"{megabytes(directory)} MB on the disk")
    await indexes.aclose()


def megabytes(directory: Path) -> int:
    return sum(file.stat().st_size for file in directory.rglob("*") if file.is_file()) >> 20


def main() -> None:
    """`make bench ARGS=retrieval`."""
    with tempfile.TemporaryDirectory() as directory:
        asyncio.run(run(Path(directory)))

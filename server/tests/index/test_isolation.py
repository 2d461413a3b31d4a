"""Whatever tenants do, in whatever order: nobody is ever shown a passage of a tenant that was not named."""

from collections import Counter
from dataclasses import dataclass, field

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from chatkeep.index.port import Point, Query, TenantId, VectorIndex

pytestmark = [
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.filterwarnings("ignore:Payload indexes have no effect in the local Qdrant"),
    pytest.mark.filterwarnings("ignore:Local mode performs exact"),
]

TENANTS = [TenantId(name) for name in ("u:a", "u:b", "u:ab", "c:a", "*", "u:a\x00", '"', "ü")]
DOCUMENTS = ["d", "dd", "u:a", "*", ""]
WORDS = ["apple", "pear", "plum"]
AXES = [None, (1.0, 0.0, 0.0, 0.0), (0.0, 1.0, 0.0, 0.0), (0.0, 0.0, 0.6, 0.8)]

tenants = st.sampled_from(TENANTS)
documents = st.sampled_from(DOCUMENTS)
points = st.builds(Point, documents, st.integers(1, 3), st.sampled_from(WORDS), st.sampled_from(AXES))
puts = st.tuples(st.just("put"), tenants, st.lists(points, max_size=4))
deletes = st.tuples(st.just("delete"), tenants, documents)
departures = st.tuples(st.just("leave"), tenants, st.none())
questions = st.tuples(st.lists(tenants, max_size=4, unique=True), st.sampled_from(WORDS), st.sampled_from(AXES))


@dataclass
class Model:
    """What the index should hold: the oracle is a dictionary."""

    held: dict[tuple[TenantId, str, int], Point] = field(default_factory=dict)

    def put(self, tenant: TenantId, points: list[Point]) -> None:
        self.held |= {(tenant, point.document_id, point.n): point for point in points}

    def delete(self, tenant: TenantId, document: str | None) -> None:
        gone = [key for key in self.held if key[0] == tenant and document in (None, key[1])]
        for key in gone:
            del self.held[key]

    def found(self, asked: list[TenantId], word: str | None, *, dense: bool) -> set[tuple[TenantId, str, int]]:
        return {
            key
            for key, point in self.held.items()
            if key[0] in asked and (point.text == word or (dense and point.dense is not None))
        }


async def carry_out(index: VectorIndex, model: Model, actions: list) -> None:
    for action, tenant, subject in actions:
        match action:
            case "put":
                await index.put(tenant, subject)
                model.put(tenant, subject)
            case "delete":
                await index.delete_document(tenant, subject)
                model.delete(tenant, subject)
            case "leave":
                await index.delete_tenant(tenant)
                model.delete(tenant, None)


@settings(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(puts | puts | deletes | departures, max_size=8), st.lists(questions, min_size=1, max_size=6))
async def test_nobody_is_shown_what_is_not_theirs(index: VectorIndex, actions: list, asked: list) -> None:
    model = Model()
    for tenant in {tenant async for tenant, _, _ in index.list_documents()}:
        await index.delete_tenant(tenant)
    await carry_out(index, model, actions)
    for asking, word, dense in asked:
        hits = await index.search(asking, Query(word, dense), 99)
        keys = [(hit.tenant, hit.document_id, hit.n) for hit in hits]
        assert len(keys) == len(set(keys))
        assert set(keys) == model.found(asking, word, dense=dense is not None)
    expected = Counter(key[:2] for key in model.held)
    assert {(tenant, document): n async for tenant, document, n in index.list_documents()} == expected
    for tenant in TENANTS:
        assert await index.count(tenant) == sum(n for (owner, _), n in expected.items() if owner == tenant)

"""What every index does, whoever holds it."""

import math
from collections.abc import Sequence
from dataclasses import replace

import pytest

from chatkeep.index.moving import copy_index
from chatkeep.index.port import Indexes, Point, Query, StoredPoint, TenantId, VectorIndex
from server.tests.index.conftest import SPEC

# The local mode says that it has no payload indexes, and searches exactly.
pytestmark = [
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.filterwarnings("ignore:Payload indexes have no effect in the local Qdrant"),
    pytest.mark.filterwarnings("ignore:Local mode performs exact"),
]

ALICE = TenantId("u:alice")
BOB = TenantId("u:bob")
NORTH, EAST, SOUTH = (1.0, 0.0, 0.0, 0.0), (0.0, 1.0, 0.0, 0.0), (-1.0, 0.0, 0.0, 0.0)


def named(hits: Sequence[object]) -> list[tuple[str, str, int]]:
    return [(hit.tenant, hit.document_id, hit.n) for hit in hits]  # type: ignore[attr-defined]  # they are hits


async def test_found_by_words_by_meaning_and_by_both(index: VectorIndex) -> None:
    await index.put(ALICE, [Point("d", 1, "Apples ripen late", EAST), Point("d", 2, "Of pears", NORTH)])
    await index.put(ALICE, [Point("d", 3, "An apple a day", NORTH)])
    by_words = await index.search([ALICE], Query("apple", None), 9)
    assert {hit.n for hit in by_words} == {1, 3}
    by_meaning = await index.search([ALICE], Query("", EAST), 1)
    assert [(hit.n, hit.ranks) for hit in by_meaning] == [(1, {"dense": 1})]
    best, *rest = await index.search([ALICE], Query("apples ripen", EAST), 9)
    assert (best.n, best.ranks) == (1, {"dense": 1, "bm25": 1})
    assert math.isclose(best.score, 2 / 61)
    assert [hit.score for hit in rest] == sorted((hit.score for hit in rest), reverse=True)
    assert all(hit.score < best.score for hit in rest)


async def test_a_passage_without_a_vector_is_found_by_its_words_alone(index: VectorIndex) -> None:
    await index.put(ALICE, [Point("d", 1, "Русский текст про яблоки", None), Point("d", 2, "A text", NORTH)])
    assert [hit.n for hit in await index.search([ALICE], Query("яблоки", None), 9)] == [1]
    assert [hit.n for hit in await index.search([ALICE], Query("", NORTH), 9)] == [2]


async def test_words_without_spaces_between_them_are_found(index: VectorIndex) -> None:
    await index.put(
        ALICE, [Point("d", 1, "今天天气很好我们去公园", None), Point("d", 2, "วันนี้อากาศดีมาก เราไปสวนสาธารณะ", None)]
    )
    assert [hit.n for hit in await index.search([ALICE], Query("公园", None), 9)] == [1]
    assert [hit.n for hit in await index.search([ALICE], Query("อากาศ", None), 9)] == [2]


async def test_put_again_it_replaces_itself(index: VectorIndex) -> None:
    await index.put(ALICE, [Point("d", 1, "apples", NORTH), Point("d", 1, "pears", EAST)])
    await index.put(ALICE, [Point("d", 1, "plums", SOUTH)])
    assert await index.count(ALICE) == 1
    assert await index.search([ALICE], Query("apples pears", None), 9) == []
    assert [hit.n for hit in await index.search([ALICE], Query("plums", None), 9)] == [1]


async def test_no_tenants_find_nothing(index: VectorIndex) -> None:
    await index.put(ALICE, [Point("d", 1, "apples", NORTH)])
    assert await index.search([], Query("apples", NORTH), 9) == []


async def test_a_question_without_words_or_vector_finds_nothing(index: VectorIndex) -> None:
    await index.put(ALICE, [Point("d", 1, "the apples", NORTH)])
    for text in ("", "  \n", "the", "?!", "\ud800"):
        assert await index.search([ALICE], Query(text, None), 9) == []


async def test_a_text_that_is_no_utf_8_is_taken(index: VectorIndex) -> None:
    await index.put(ALICE, [Point("d", 1, "apples \udcff \x00 pears", NORTH)])
    assert [hit.n for hit in await index.search([ALICE], Query("pears \ud800", None), 9)] == [1]


async def test_a_question_of_a_megabyte_costs_no_more_than_its_beginning(index: VectorIndex) -> None:
    await index.put(ALICE, [Point("d", 1, "apples", None)])
    assert len(await index.search([ALICE], Query("apples " + "word" * 250_000, None), 9)) == 1
    assert await index.search([ALICE], Query("pear " * 10_000 + "apples", None), 9) == []


NO_VECTORS: list[tuple[float, ...]] = [
    (),
    (1.0, 0.0),
    (1.0, 0.0, 0.0, 0.0, 0.0),
    (math.nan, 0.0, 0.0, 1.0),
    (math.inf, 0.0, 0.0, 0.0),
    (0.0, 0.0, 0.0, 0.0),
    (2.0, 0.0, 0.0, 0.0),
    (1e300, 0.0, 0.0, 0.0),
    (10**400, 0, 0, 0),
]


async def test_a_vector_that_is_none_is_refused_and_nothing_is_put(index: VectorIndex) -> None:
    for bad in NO_VECTORS:
        with pytest.raises(ValueError, match="a vector"):
            await index.put(ALICE, [Point("d", 1, "apples", NORTH), Point("d", 2, "pears", bad)])
        with pytest.raises(ValueError, match="a vector"):
            await index.search([ALICE], Query("apples", bad), 9)
    assert await index.count(ALICE) == 0


async def test_the_same_document_id_is_another_document_for_each_tenant(index: VectorIndex) -> None:
    await index.put(ALICE, [Point("d", 1, "apples of alice", NORTH)])
    await index.put(BOB, [Point("d", 1, "apples of bob", EAST), Point("d", 2, "pears", EAST)])
    assert (await index.count(ALICE), await index.count(BOB)) == (1, 2)
    await index.delete_document(BOB, "d")
    assert (await index.count(ALICE, "d"), await index.count(BOB, "d")) == (1, 0)
    assert named(await index.search([ALICE, BOB], Query("apples", NORTH), 9)) == [(ALICE, "d", 1)]


async def test_a_document_of_another_tenant_is_not_deleted(index: VectorIndex) -> None:
    await index.put(BOB, [Point("of-bob", 1, "apples", NORTH)])
    await index.delete_document(ALICE, "of-bob")
    await index.delete_tenant(ALICE)
    assert await index.count(BOB) == 1
    assert await index.count(ALICE, "of-bob") == 0


async def test_a_tenant_is_deleted_with_all_documents(index: VectorIndex) -> None:
    await index.put(ALICE, [Point(document, 1, "apples", NORTH) for document in ("a", "b", "c")])
    await index.put(BOB, [Point("a", 1, "apples", NORTH)])
    await index.delete_tenant(ALICE)
    await index.delete_tenant(ALICE)
    assert [found async for found in index.list_documents()] == [(BOB, "a", 1)]


WILD = ["*", "u:*", "u:", "u:bo?", ".*", "^u:bob$", "u:bob\x00", " u:bob", "u:bob ", "U:BOB", "u:alice,u:bob", "%"]
QUOTED = ['"u:bob"', '["u:bob"]', "' or 1=1 --", '{"any": ["u:bob"]}', "null"]
STRANGE = ["u:b\u043eb", "u:bo\u200bb", "u:" + "b" * 100_000, "\U0001f511"]


async def test_a_tenant_id_is_nothing_but_itself(index: VectorIndex) -> None:
    await index.put(BOB, [Point("d", 1, "apples", NORTH)])
    for tenant in map(TenantId, WILD + QUOTED + STRANGE):
        assert await index.search([tenant], Query("apples", NORTH), 9) == []
        assert await index.count(tenant) == 0
        await index.delete_document(tenant, "d")
        await index.delete_tenant(tenant)
        await index.put(tenant, [Point("d", 1, "apples", NORTH)])
        assert named(await index.search([tenant], Query("apples", NORTH), 9)) == [(tenant, "d", 1)]
    assert named(await index.search([BOB], Query("apples", NORTH), 9)) == [(BOB, "d", 1)]


async def test_a_document_id_is_nothing_but_itself(index: VectorIndex) -> None:
    await index.put(ALICE, [Point("d", 1, "apples", NORTH)])
    for attack in ("*", "", ".*", "d*", "d,e", "\x00", "D", " d", "d" * 100_000, '{"any": ["d"]}'):
        assert await index.count(ALICE, attack) == 0
        await index.delete_document(ALICE, attack)
    assert await index.count(ALICE) == 1


async def test_a_tenant_without_a_name_is_refused(index: VectorIndex) -> None:
    nobody = TenantId("")
    with pytest.raises(ValueError, match="tenants"):
        await index.put(nobody, [Point("d", 1, "apples", NORTH)])
    with pytest.raises(ValueError, match="tenants"):
        await index.search([ALICE, nobody], Query("apples", NORTH), 9)
    with pytest.raises(ValueError, match="tenants"):
        await index.delete_tenant(nobody)


async def test_what_others_write_does_not_change_the_order_of_ones_hits(index: VectorIndex) -> None:
    """Weighed by how rare words are among everybody, one's own hits would tell which words others use."""
    mine = [Point("d", 1, "merger", None), Point("d", 2, "apples", None), Point("d", 3, "apples", None)]
    await index.put(ALICE, [*mine, Point("d", 4, "pears", None)])
    before = await index.search([ALICE], Query("merger apples", None), 9)
    assert before[0].n == 1
    await index.put(BOB, [Point("secret", n, "merger", None) for n in range(60)])
    assert await index.search([ALICE], Query("merger apples", None), 9) == before


async def test_limits_hold(index: VectorIndex) -> None:
    await index.put(ALICE, [Point("d", n, f"apples {n}", NORTH) for n in range(150)])
    assert len(await index.search([ALICE], Query("apples", NORTH), 3)) == 3
    assert len(await index.search([ALICE], Query("apples", NORTH), 120)) == 120
    for limit in (0, -1):
        with pytest.raises(ValueError, match="limit"):
            await index.search([ALICE], Query("apples", NORTH), limit)


async def test_many_tenants_at_once(index: VectorIndex) -> None:
    tenants = [TenantId(f"c:{n}") for n in range(300)]
    for tenant in tenants[::30]:
        await index.put(tenant, [Point("d", 1, "apples", NORTH)])
    assert len(await index.search(tenants, Query("apples", NORTH), 99)) == 10
    assert len(await index.search(tenants[:31], Query("apples", NORTH), 99)) == 2


async def test_the_old_index_answers_while_the_new_one_is_filled(indexes: Indexes, index: VectorIndex) -> None:
    old, new = SPEC, replace(SPEC, model="tests/two-directions", dimension=2)
    await index.put(ALICE, [Point("d", 1, "apples", NORTH)])
    await indexes.open(new).put(ALICE, [Point("d", 1, "apples", (1.0, 0.0)), Point("d", 2, "pears", None)])
    assert (await indexes.open(old).count(ALICE), await indexes.open(new).count(ALICE)) == (1, 2)
    assert {spec.model for spec in await indexes.list_specs()} == {old.model, new.model}
    await indexes.drop(old)
    await indexes.drop(old)
    assert await indexes.list_specs() == [new]
    assert len(await indexes.open(new).search([ALICE], Query("pears", (1.0, 0.0)), 9)) == 2
    assert await indexes.open(old).count(ALICE) == 0


async def test_everything_is_moved_into_another_index(indexes: Indexes, index: VectorIndex) -> None:
    source, target = index, indexes.open(replace(SPEC, model="tests/moved"))
    await source.put(ALICE, [Point("d", n, f"apples {n}", NORTH if n % 2 else None) for n in range(300)])
    await source.put(BOB, [Point("d", 1, "pears", EAST)])
    progress: list[int] = []
    assert await copy_index(source, target, progress.append) == 301
    assert progress[-1] == 301
    assert set(await everything(source)) == set(await everything(target))
    for query in (Query("apples 7", None), Query("", NORTH), Query("pears", EAST)):
        assert named(await source.search([BOB], query, 5)) == named(await target.search([BOB], query, 5))


async def everything(index: VectorIndex) -> list[tuple[object, ...]]:
    return [frozen(point) async for points in index.export() for point in points]


def frozen(point: StoredPoint) -> tuple[object, ...]:
    words = frozenset(zip(point.words, point.weights, strict=True))
    return point.tenant, point.document_id, point.n, point.dense, words


async def test_a_moved_vector_is_looked_at_too(index: VectorIndex) -> None:
    for dense in (b"", b"\0" * 16, b"\0" * 15, b"\0\0\xc0\x7f" * 4):
        with pytest.raises(ValueError, match="a vector"):
            await index.restore([StoredPoint(ALICE, "d", 1, dense, [], [])])


async def test_it_says_that_it_answers(indexes: Indexes, index: VectorIndex) -> None:
    await index.check()
    await indexes.check()

"""From the queue to the index, whatever happens on the way: real parser, real embedded index, real databases."""

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from chatkeep.db import Database
from chatkeep.embedding.port import EmbeddingFailed, Vector
from chatkeep.embedding.selection import NoEmbedder
from chatkeep.identity import OwnerId
from chatkeep.index.edge import EdgeIndexes
from chatkeep.index.naming import index_name
from chatkeep.index.port import IndexSpec, IndexUnavailable, Point, TenantId
from chatkeep.parsing.limits import Limits
from chatkeep.rag.blobs import Blobs
from chatkeep.rag.documents import (
    NewFile,
    add_document,
    cancel_document,
    get_document,
    new_document_id,
    stored_bytes,
)
from chatkeep.rag.erasure import Eraser, delete_document, delete_documents_of, request_erasure
from chatkeep.rag.ingestion import ClaimLost, Equipment, Ingestion
from chatkeep.rag.ingestion_queue import Claimed, claim_next, disown_all
from chatkeep.rag.orphans import Doctor, Findings, Remains
from chatkeep.rag.records import Document, Status
from chatkeep.rag.reindexing import Reindexer
from chatkeep.rag.tenants import personal_tenant, tenant_of
from chatkeep.row_security import EVERYBODY

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
SPEC = IndexSpec("none", 1)


class Clock:
    def __init__(self) -> None:
        self.moment = NOW

    def now(self) -> datetime:
        return self.moment

    def advance(self, **by: float) -> None:
        self.moment += timedelta(**by)


class Flaky:
    """An index that is away while `away` is set."""

    def __init__(self, indexes: EdgeIndexes) -> None:
        self._indexes = indexes
        self.away = False

    def __getattr__(self, name: str) -> object:
        if self.away:
            raise IndexUnavailable("The index does not answer.")
        return getattr(self._indexes, name)


@pytest.fixture
async def indexes(tmp_path: Path) -> AsyncIterator[EdgeIndexes]:
    indexes = EdgeIndexes(tmp_path / "index")
    yield indexes
    await indexes.aclose()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def equipment(database: Database, indexes: EdgeIndexes, tmp_path: Path, clock: Clock) -> Equipment:
    index = indexes.open(SPEC)
    return Equipment(
        database, Blobs(tmp_path / "documents"), NoEmbedder(), index, index_name(SPEC), Limits(), clock.now
    )


async def upload(equipment: Equipment, owner: OwnerId, text: str = "The turnips are dug up in October.") -> Document:
    async with equipment.blobs.arriving() as arrival:
        await arrival.write(text.encode())
        await arrival.flush()
        file = NewFile(new_document_id(), arrival.sha256, "plan.txt", arrival.size)
        await equipment.blobs.keep(arrival, personal_tenant(owner), file.id)
    async with equipment.database.writing(owner) as db:
        return await add_document(db, owner, None, file, equipment.now())


async def claim(equipment: Equipment, per_owner: int = 9) -> Claimed | None:
    async with equipment.database.writing(EVERYBODY) as db:
        return await claim_next(db, equipment.now(), per_owner)


async def ingest(equipment: Equipment) -> Ingestion:
    claimed = await claim(equipment)
    assert claimed is not None
    ingestion = Ingestion(equipment, claimed)
    await ingestion.run()
    return ingestion


async def look(equipment: Equipment, document: Document) -> Document:
    async with equipment.database.reading(EVERYBODY) as db:
        return await get_document(db, OwnerId(document.owner), document.id)


async def points(equipment: Equipment, document: Document) -> int:
    return await equipment.index.count(tenant_of(document), document.id)


async def test_owners_take_turns(equipment: Equipment, clock: Clock, alice: OwnerId, bob: OwnerId) -> None:
    hers = [await upload(equipment, alice, f"{n}") for n in range(3)]
    clock.advance(seconds=1)
    his = await upload(equipment, bob, "his")
    order = []
    for _ in range(4):
        clock.advance(seconds=1)
        claimed = await claim(equipment)
        assert claimed is not None
        order.append(claimed.document.id)
    assert order == [hers[0].id, his.id, hers[1].id, hers[2].id]
    assert await claim(equipment) is None


async def test_one_owner_never_takes_all_places(equipment: Equipment, alice: OwnerId, bob: OwnerId) -> None:
    for n in range(3):
        await upload(equipment, alice, f"{n}")
    assert await claim(equipment, per_owner=1) is not None
    assert await claim(equipment, per_owner=1) is None
    his = await upload(equipment, bob)
    claimed = await claim(equipment, per_owner=1)
    assert claimed is not None
    assert claimed.document.id == his.id


async def test_instances_never_take_the_same_one(equipment: Equipment, alice: OwnerId) -> None:
    for n in range(4):
        await upload(equipment, alice, f"{n}")
    taken = await asyncio.gather(*(claim(equipment) for _ in range(6)))
    found = [claimed.document.id for claimed in taken if claimed]
    assert len(found) == len(set(found)) > 0


async def test_a_file_that_ends_its_process_three_times_is_given_up(
    equipment: Equipment, clock: Clock, alice: OwnerId
) -> None:
    document = await upload(equipment, alice)
    for _ in range(3):
        assert await claim(equipment) is not None
        # As a kill -9 leaves it.
        clock.advance(minutes=1)
    assert await claim(equipment) is None
    found = await look(equipment, document)
    assert (found.status, found.error and found.error["code"]) == (Status.FAILED, "gave_up")


async def test_a_killed_run_is_taken_up_where_it_was(equipment: Equipment, clock: Clock, alice: OwnerId) -> None:
    document = await upload(equipment, alice)
    claimed = await claim(equipment)
    assert claimed is not None
    # Killed between the chunks and their points; the original is needed no more.
    await Ingestion(equipment, claimed)._read()
    equipment.blobs.path(personal_tenant(alice), document.id).unlink()
    async with equipment.database.writing(EVERYBODY) as db:
        await disown_all(db, clock.now())
    await ingest(equipment)
    assert (await look(equipment, document)).status is Status.READY
    assert await points(equipment, document) == 1
    # The first one was not killed after all: it finds that the document is another's.
    with pytest.raises(ClaimLost):
        await Ingestion(equipment, claimed)._finish()


async def test_an_index_that_is_away_is_waited_for(equipment: Equipment, clock: Clock, alice: OwnerId) -> None:
    document = await upload(equipment, alice)

    class Away:
        async def delete_document(self, *_: object) -> None:
            raise IndexUnavailable("The index does not answer: http://qdrant.internal:6333")

    await ingest(replace(equipment, index=Away()))  # type: ignore[arg-type]  # all that is asked of it
    waiting = await look(equipment, document)
    assert (waiting.status, waiting.error and waiting.error["code"]) == (Status.QUEUED, "index_unavailable")
    assert "qdrant" not in str(waiting.error)
    assert await claim(equipment) is None
    clock.advance(seconds=6)
    await ingest(equipment)
    ready = await look(equipment, document)
    assert (ready.status, ready.error) == (Status.READY, None)


@pytest.mark.parametrize(("retryable", "status"), [(True, Status.QUEUED), (False, Status.FAILED)])
async def test_an_embedder_that_fails_is_waited_for_or_not(
    equipment: Equipment, alice: OwnerId, *, retryable: bool, status: Status
) -> None:
    class Failing(NoEmbedder):
        async def embed_passages(self, texts: Sequence[str]) -> list[Vector | None]:
            raise EmbeddingFailed("secret of the operator's", retryable=retryable)

    document = await upload(equipment, alice)
    await ingest(replace(equipment, embedder=Failing()))
    found = await look(equipment, document)
    assert found.status is status
    assert "secret" not in str(found.error)


async def test_vectors_that_are_none_fail_and_leave_nothing(equipment: Equipment, alice: OwnerId) -> None:
    class Rubbish(NoEmbedder):
        async def embed_passages(self, texts: Sequence[str]) -> list[Vector | None]:
            return [[float("nan")] for _ in texts]

    document = await upload(equipment, alice)
    await ingest(replace(equipment, embedder=Rubbish()))
    found = await look(equipment, document)
    assert (found.status, found.error and found.error["code"], found.chunks) == (Status.FAILED, "embedding_failed", 0)
    assert await points(equipment, document) == 0


async def test_what_cannot_be_read_fails_with_a_reason(equipment: Equipment, alice: OwnerId) -> None:
    document = await upload(equipment, alice, "MZ\0\0\0\0 no text")
    await ingest(equipment)
    found = await look(equipment, document)
    assert found.status is Status.FAILED
    assert found.error is not None
    assert found.error["message"]


async def test_deleted_or_cancelled_while_it_is_read_nothing_comes_of_it(
    equipment: Equipment, indexes: EdgeIndexes, clock: Clock, alice: OwnerId
) -> None:
    deleted, cancelled = await upload(equipment, alice, "one"), await upload(equipment, alice, "two")
    runs = [Ingestion(equipment, claimed) for _ in range(2) if (claimed := await claim(equipment))]
    for run in runs:
        await run._read()
    async with equipment.database.writing(alice) as db:
        await delete_document(db, alice, deleted.id, clock.now())
        await cancel_document(db, alice, cancelled.id, clock.now())
    eraser = Eraser(equipment.database, equipment.blobs, indexes, clock.now)
    await eraser.work_off()
    for run in runs:
        # It puts its points after all has been erased.
        with pytest.raises(ClaimLost):
            await run._finish()
        await run.let_go()
    await eraser.work_off()
    assert await points(equipment, deleted) == 0
    assert (await look(equipment, cancelled)).status is Status.FAILED


async def test_deleted_means_gone_also_when_the_index_is_away(
    equipment: Equipment, indexes: EdgeIndexes, clock: Clock, alice: OwnerId
) -> None:
    document = await upload(equipment, alice)
    await ingest(equipment)
    flaky = Flaky(indexes)
    flaky.away = True
    eraser = Eraser(equipment.database, equipment.blobs, flaky, clock.now)  # type: ignore[arg-type]  # as the real one
    async with equipment.database.writing(alice) as db:
        await delete_document(db, alice, document.id, clock.now())
    assert await eraser.work_off() == 1
    assert await points(equipment, document) == 1
    flaky.away = False
    clock.advance(seconds=10)
    assert await eraser.work_off() == 1
    assert await points(equipment, document) == 0
    assert not equipment.blobs.path(personal_tenant(alice), document.id).exists()
    # Once more when no run can be putting any more; then it is settled.
    clock.advance(minutes=3)
    assert await eraser.work_off() == 1
    clock.advance(hours=1)
    assert await eraser.work_off() == 0


async def test_an_owner_who_is_no_more_leaves_nothing(
    equipment: Equipment, indexes: EdgeIndexes, clock: Clock, alice: OwnerId, bob: OwnerId
) -> None:
    hers, his = await upload(equipment, alice, "hers"), await upload(equipment, bob, "his")
    for _ in range(2):
        await ingest(equipment)
    async with equipment.database.writing(EVERYBODY) as db:
        await delete_documents_of(db, alice, clock.now())
    await Eraser(equipment.database, equipment.blobs, indexes, clock.now).work_off()
    assert [document async for _, document, _ in equipment.index.list_documents()] == [his.id]
    assert [name for _, name, _ in equipment.blobs.list_files()] == [his.id]
    assert await points(equipment, hers) == 0


async def test_another_model_indexes_anew_while_the_old_index_answers(
    equipment: Equipment, indexes: EdgeIndexes, clock: Clock, alice: OwnerId
) -> None:
    await Reindexer(equipment, indexes, SPEC).open()
    document = await upload(equipment, alice)
    await ingest(equipment)
    spec = IndexSpec("none", 1, "german")
    other = replace(equipment, index=indexes.open(spec), index_name=index_name(spec))
    clock.advance(seconds=1)
    moving = Reindexer(other, indexes, spec)
    await moving.open()
    assert len(moving.searched()) == 2
    assert await moving.move_one()
    assert not await moving.move_one()
    await moving._look()
    assert len(moving.searched()) == 1
    assert await points(other, document) == 1
    assert await indexes.list_specs() == [spec]
    # An instance that still has the settings from before leaves things as they are.
    assert not await Reindexer(equipment, indexes, SPEC).move_one()


async def test_a_document_that_no_model_takes_keeps_no_other_from_being_indexed_anew(
    equipment: Equipment, indexes: EdgeIndexes, clock: Clock, alice: OwnerId, bob: OwnerId
) -> None:
    class Choosy(NoEmbedder):
        async def embed_passages(self, texts: Sequence[str]) -> list[Vector | None]:
            if "poison" in texts[0]:
                raise EmbeddingFailed("The embedding endpoint refuses the texts (400).", retryable=False)
            return [None for _ in texts]

    refused, good = await upload(equipment, bob, "poison"), await upload(equipment, alice)
    for _ in range(2):
        await ingest(equipment)
    spec = IndexSpec("none", 1, "german")
    other = replace(equipment, index=indexes.open(spec), index_name=index_name(spec), embedder=Choosy())
    moving = Reindexer(other, indexes, spec)
    await moving.open()
    for _ in range(2):
        with contextlib.suppress(EmbeddingFailed):
            await moving.move_one()
        clock.advance(seconds=30)
    assert (await look(equipment, good)).indexed_in == index_name(spec) != (await look(equipment, refused)).indexed_in


async def test_many_small_files_with_much_text_do_not_overspend_the_room(equipment: Equipment, alice: OwnerId) -> None:
    tight = replace(equipment, room=140_000)
    first, second = [await upload(equipment, alice, f"{n} " + "turnips " * 4_000) for n in range(2)]
    # Uploaded they fit; each has its text beside it once it is read.
    for _ in range(2):
        await ingest(tight)
    assert (await look(equipment, first)).status is Status.READY
    refused = await look(equipment, second)
    assert (refused.status, refused.error and refused.error["code"], refused.chunks) == (
        Status.FAILED,
        "storage_full",
        0,
    )
    async with equipment.database.reading(alice) as db:
        assert await stored_bytes(db, alice) <= tight.room


async def test_the_doctor_finds_and_repairs_what_does_not_agree(
    equipment: Equipment, indexes: EdgeIndexes, alice: OwnerId
) -> None:
    kept, lost = await upload(equipment, alice, "kept"), await upload(equipment, alice, "lost")
    for _ in range(2):
        await ingest(equipment)
    look_at = Doctor(equipment.database, equipment.blobs, indexes)
    assert await look_at.examine() == Findings(documents=2)
    mine, nobody = personal_tenant(alice), new_document_id()
    await equipment.index.delete_document(mine, lost.id)
    await equipment.index.put(mine, [Point(nobody, 1, "orphan", None)])
    file = equipment.blobs.path(mine, nobody)
    file.write_text("orphan")
    os.utime(file, (0, 0))
    assert await look_at.remains_of(nobody) == Remains(rows=0, chunks=0, points=1, files=1)
    found = Findings(documents=2, points_without_rows=1, files_without_rows=1, wrong_points=1)
    assert await look_at.examine() == found
    assert await Doctor(equipment.database, equipment.blobs, indexes, repair=True).examine() == found
    moving = Reindexer(equipment, indexes, SPEC)
    await moving.open()
    assert await moving.move_one()
    assert await look_at.examine() == Findings(documents=2)
    assert not await look_at.remains_of(nobody)
    assert (await look(equipment, kept)).indexed_in == (await look(equipment, lost)).indexed_in


@pytest.mark.parametrize("whole_tenant", [True, False])
async def test_the_doctor_tells_what_is_still_owed_from_what_nobody_knows_of(
    equipment: Equipment, indexes: EdgeIndexes, alice: OwnerId, whole_tenant: bool
) -> None:
    mine, owed, nobodys = personal_tenant(alice), new_document_id(), new_document_id()
    await equipment.index.put(mine, [Point(owed, 1, "owed", None)])
    async with equipment.database.writing(alice) as db:
        await request_erasure(db, mine, None if whole_tenant else owed, 1, datetime.now(UTC))
    look_at = Doctor(equipment.database, equipment.blobs, indexes)
    assert await look_at.examine() == Findings(erasures_owed=1)
    await equipment.index.put(TenantId("u:somebody"), [Point(nobodys, 1, "orphan", None)])
    assert await look_at.examine() == Findings(erasures_owed=1, points_without_rows=1)


def test_a_tenants_folder_does_not_tell_who_it_is(equipment: Equipment, alice: OwnerId) -> None:
    path = equipment.blobs.path(TenantId(f"u:{alice}"), "x")
    assert alice not in str(path)

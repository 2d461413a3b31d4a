"""Who sees what: by the queries, and by PostgreSQL's own wall where a query forgets to ask."""

import asyncio
from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import delete, func, insert, select, text, update
from sqlalchemy.exc import IntegrityError, ProgrammingError
from uuid_utils.compat import uuid7

from chatkeep.db import Database
from chatkeep.errors import NotFound
from chatkeep.identity import OwnerId
from chatkeep.paging import Cursor
from chatkeep.rag.collections import create_collection, get_collection, list_collections
from chatkeep.rag.documents import (
    NewFile,
    Shelf,
    add_document,
    find_chunks,
    find_document,
    get_writable_document,
    list_documents,
    new_document_id,
    stored_bytes,
)
from chatkeep.rag.erasure import request_erasure
from chatkeep.rag.errors import NotTheOwner, ReadOnly
from chatkeep.rag.members import list_members, share, unshare
from chatkeep.rag.records import EVERYONE, Document, Role, Status
from chatkeep.rag.tables import collection_members, collections, document_chunks, documents
from chatkeep.rag.tenants import collection_tenant, list_tenants, personal_tenant
from chatkeep.row_security import EVERYBODY

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
CAROL = OwnerId("0198c0de-0000-7000-8000-00000000000c")


async def add(database: Database, owner: OwnerId, collection_id: str | None = None, sha256: str = "") -> Document:
    """A ready document with one chunk."""
    file = NewFile(new_document_id(), sha256 or uuid7().hex * 2, "plan.txt", 3)
    async with database.writing(owner) as db:
        document = await add_document(db, owner, collection_id, file, NOW)
    async with database.writing(EVERYBODY) as db:
        await db.execute(update(documents).where(documents.c.id == document.id).values(status=Status.READY, chunks=1))
        chunk: dict[str, Any] = {"page": None, "headings": [], "start": 0, "end": 6, "tokens": 1}
        await db.execute(insert(document_chunks).values(document_id=document.id, n=1, text="secret", **chunk))
    return document


async def new_collection(database: Database, owner: OwnerId) -> str:
    async with database.writing(owner) as db:
        return (await create_collection(db, owner, "plans", "", NOW)).id


async def let_in(database: Database, owner: OwnerId, collection_id: str, member: str, role: Role) -> None:
    async with database.writing(owner) as db:
        await share(db, owner, collection_id, member, role, NOW)


async def seen(database: Database, owner: OwnerId, document: Document) -> bool:
    """Whether each way to the document says the same: by id, in lists, its passages, its tenant."""
    async with database.reading(owner) as db:
        by_id = await find_document(db, owner, document.id) is not None
        listed = document.id in [d.id for d in (await list_documents(db, owner, 200, None, Shelf())).items]
        passage = bool(await find_chunks(db, owner, [(document.id, 1)]))
        tenant = f"c:{document.collection_id}" if document.collection_id else f"u:{document.owner}"
        searched = tenant in await list_tenants(db, owner)
    assert by_id == listed == passage == searched
    return by_id


async def test_a_personal_document_is_its_owners_alone(database: Database, alice: OwnerId, bob: OwnerId) -> None:
    document = await add(database, alice)
    assert await seen(database, alice, document)
    assert not await seen(database, bob, document)


async def test_a_member_sees_a_collection_until_they_are_removed(
    database: Database, alice: OwnerId, bob: OwnerId
) -> None:
    collection_id = await new_collection(database, alice)
    document = await add(database, alice, collection_id)
    assert not await seen(database, bob, document)
    await let_in(database, alice, collection_id, bob, Role.READER)
    assert await seen(database, bob, document)
    assert not await seen(database, CAROL, document)
    async with database.writing(alice) as db:
        await unshare(db, alice, collection_id, bob)
    assert not await seen(database, bob, document)


async def test_a_removed_editor_does_not_see_what_they_uploaded(
    database: Database, alice: OwnerId, bob: OwnerId
) -> None:
    collection_id = await new_collection(database, alice)
    await let_in(database, alice, collection_id, bob, Role.EDITOR)
    document = await add(database, bob, collection_id)
    async with database.writing(bob) as db:
        await unshare(db, bob, collection_id, bob)
    assert not await seen(database, bob, document)
    assert await seen(database, alice, document)


async def test_who_is_taken_out_of_a_collection_has_no_room_for_nothing(
    database: Database, alice: OwnerId, bob: OwnerId
) -> None:
    """Two accounts would else store without an end: into one collection after the other."""
    collection_id = await new_collection(database, alice)
    await let_in(database, alice, collection_id, bob, Role.EDITOR)
    await add(database, bob, collection_id)
    async with database.reading(bob) as db:
        before = await stored_bytes(db, bob)
    async with database.writing(alice) as db:
        await unshare(db, alice, collection_id, bob)
    async with database.reading(bob) as db:
        assert await stored_bytes(db, bob) == before > 0


async def test_everyone_reads_and_nobody_writes(database: Database, alice: OwnerId, bob: OwnerId) -> None:
    collection_id = await new_collection(database, alice)
    document = await add(database, alice, collection_id)
    await let_in(database, alice, collection_id, EVERYONE, Role.EDITOR)
    assert await seen(database, bob, document)
    async with database.writing(bob) as db:
        with pytest.raises(ReadOnly):
            await get_writable_document(db, bob, document.id)
        with pytest.raises(NotTheOwner):
            await list_members(db, bob, collection_id, 10, None)
        assert (await get_collection(db, bob, collection_id)).role is Role.READER


async def test_a_stranger_is_told_what_is_told_of_nothing(database: Database, alice: OwnerId, bob: OwnerId) -> None:
    collection_id = await new_collection(database, alice)
    document = await add(database, alice, collection_id)
    async with database.writing(bob) as db:
        for refused in (
            get_collection(db, bob, collection_id),
            get_writable_document(db, bob, document.id),
            list_members(db, bob, collection_id, 10, None),
            share(db, bob, collection_id, bob, Role.EDITOR, NOW),
            unshare(db, bob, collection_id, bob),
            list_tenants(db, bob, [collection_id]),
        ):
            with pytest.raises(NotFound):
                await refused
        assert (await list_collections(db, bob, 10, None)).items == []


async def test_tenants_that_are_named_are_all_open_or_none(database: Database, alice: OwnerId, bob: OwnerId) -> None:
    hers, his = await new_collection(database, alice), await new_collection(database, bob)
    async with database.reading(alice) as db:
        assert await list_tenants(db, alice, [hers]) == [f"c:{hers}"]
        assert await list_tenants(db, alice, []) == []
        with pytest.raises(NotFound):
            await list_tenants(db, alice, [hers, his])


async def test_equal_bytes_of_two_are_two_documents(database: Database, alice: OwnerId, bob: OwnerId) -> None:
    hers, again = await add(database, alice, sha256="a" * 64), None
    his = await add(database, bob, sha256="a" * 64)
    async with database.writing(alice) as db:
        again = await add_document(db, alice, None, NewFile(new_document_id(), "a" * 64, "other.txt", 3), NOW)
    assert hers.id == again.id != his.id


async def test_members_are_paged_with_everyone_among_them(database: Database, alice: OwnerId, bob: OwnerId) -> None:
    collection_id = await new_collection(database, alice)
    for member in (bob, EVERYONE, CAROL):
        await let_in(database, alice, collection_id, member, Role.READER)
    found, cursor = [], None
    async with database.reading(alice) as db:
        for _ in range(3):
            page = await list_members(db, alice, collection_id, 1, cursor)
            found += [member.member for member in page.items]
            cursor = Cursor.decode(page.next_cursor) if page.next_cursor else None
    assert found == [EVERYONE, bob, CAROL]
    assert cursor is None


@pytest.mark.parametrize("kind", ["postgresql"], indirect=True)
async def test_the_second_wall_stands_where_a_query_forgets_to_ask(
    database: Database, alice: OwnerId, bob: OwnerId
) -> None:
    collection_id = await new_collection(database, alice)
    private, shared = await add(database, alice), await add(database, alice, collection_id)
    await let_in(database, alice, collection_id, bob, Role.READER)
    everything = select(func.count()).select_from(document_chunks)
    async with database.reading(bob) as db:
        assert set((await db.execute(select(documents.c.id))).scalars()) == {shared.id}
        assert set((await db.execute(select(document_chunks.c.document_id))).scalars()) == {shared.id}
    for nobody in (CAROL, ""):
        async with database.reading(nobody) as db:
            for table in (documents, document_chunks, collections, collection_members):
                assert (await db.execute(select(func.count()).select_from(table))).scalar() == 0
    async with database.writing(bob) as db:
        # A reader changes nothing, not even what they see.
        assert (await db.execute(update(documents).values(title="mine now"))).rowcount == 0
        assert (await db.execute(delete(document_chunks))).rowcount == 0
        assert (await db.execute(update(collections).values(name="mine now"))).rowcount == 0
        assert (await db.execute(delete(documents))).rowcount == 0
    async with database.reading(EVERYBODY) as db:
        assert (await db.execute(everything)).scalar() == 2
    assert await seen(database, alice, private)


@pytest.mark.parametrize("kind", ["postgresql"], indirect=True)
async def test_nobody_lets_themselves_into_anothers_collection(
    database: Database, alice: OwnerId, bob: OwnerId
) -> None:
    collection_id = await new_collection(database, alice)
    row = {"collection_id": collection_id, "member": bob, "role": "editor", "created_at": NOW}
    with pytest.raises(ProgrammingError, match="row-level security"):
        async with database.writing(bob) as db:
            await db.execute(insert(collection_members).values(owner=alice, **row))
    with pytest.raises(IntegrityError):
        async with database.writing(bob) as db:
            await db.execute(insert(collection_members).values(owner=bob, **row))
    with pytest.raises(ProgrammingError, match="row-level security"):
        async with database.writing(bob) as db:
            await add_document(db, bob, collection_id, NewFile(new_document_id(), "b" * 64, "x", 1), NOW)


@pytest.mark.parametrize("kind", ["postgresql"], indirect=True)
async def test_a_collection_that_everyone_reads_is_open_to_nobody_without_an_account(
    database: Database, alice: OwnerId
) -> None:
    collection_id = await new_collection(database, alice)
    await add(database, alice, collection_id)
    await let_in(database, alice, collection_id, EVERYONE, Role.READER)
    async with database.reading("") as db:
        for table in (documents, document_chunks, collections, collection_members):
            assert (await db.execute(select(func.count()).select_from(table))).scalar() == 0


@pytest.mark.parametrize("kind", ["postgresql"], indirect=True)
async def test_of_what_a_removed_editor_uploaded_the_second_wall_shows_the_row_and_no_text(
    database: Database, alice: OwnerId, bob: OwnerId
) -> None:
    collection_id = await new_collection(database, alice)
    await let_in(database, alice, collection_id, bob, Role.EDITOR)
    document = await add(database, bob, collection_id)
    async with database.writing(bob) as db:
        await unshare(db, bob, collection_id, bob)
    async with database.writing(bob) as db:
        assert list((await db.execute(select(documents.c.id))).scalars()) == [document.id]
        assert (await db.execute(select(func.count()).select_from(document_chunks))).scalar() == 0
        assert (await db.execute(update(documents).values(title="mine still"))).rowcount == 0
        assert (await db.execute(delete(documents))).rowcount == 0


@pytest.mark.parametrize("kind", ["postgresql"], indirect=True)
async def test_a_reader_makes_no_editor_of_themselves(database: Database, alice: OwnerId, bob: OwnerId) -> None:
    collection_id = await new_collection(database, alice)
    await let_in(database, alice, collection_id, bob, Role.READER)
    async with database.writing(bob) as db:
        assert (await db.execute(update(collection_members).values(role=Role.EDITOR))).rowcount == 0


@pytest.mark.parametrize("kind", ["postgresql"], indirect=True)
async def test_nobody_has_erased_what_they_may_not_delete(database: Database, alice: OwnerId, bob: OwnerId) -> None:
    collection_id = await new_collection(database, alice)
    await let_in(database, alice, collection_id, bob, Role.READER)
    for tenant in (personal_tenant(alice), collection_tenant(collection_id), collection_tenant(new_document_id())):
        with pytest.raises(ProgrammingError, match="row-level security"):
            async with database.writing(bob) as db:
                await request_erasure(db, tenant, None, 0, NOW)
    await let_in(database, alice, collection_id, bob, Role.EDITOR)
    for tenant in (personal_tenant(bob), collection_tenant(collection_id)):
        async with database.writing(bob) as db:
            await request_erasure(db, tenant, None, 0, NOW)


@pytest.mark.parametrize("kind", ["postgresql"], indirect=True)
async def test_equal_bytes_of_two_editors_at_once_are_one_document(
    database: Database, alice: OwnerId, bob: OwnerId
) -> None:
    collection_id = await new_collection(database, alice)
    await let_in(database, alice, collection_id, bob, Role.EDITOR)
    waits = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"

    async def of_alice() -> Document:
        async with database.writing(alice) as db:
            return await add_document(db, alice, collection_id, NewFile(new_document_id(), "a" * 64, "x", 3), NOW)

    async with database.writing(bob) as db:
        first = await add_document(db, bob, collection_id, NewFile(new_document_id(), "a" * 64, "x", 3), NOW)
        second = asyncio.create_task(of_alice())
        async with asyncio.timeout(20), database.reading(EVERYBODY) as looking:
            while not (await looking.execute(text(waits))).scalar():  # noqa: ASYNC110 - the database tells nobody
                await asyncio.sleep(0.01)
    assert (await second).id == first.id

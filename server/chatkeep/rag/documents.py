"""Documents in SQL, as persons see them. Every function takes the owner first: who asks; what `access` does not open to
them does not exist. How a document comes to be ready is the matter of `ingestion_queue`.
"""

import dataclasses
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, RowMapping, and_, delete, func, insert, or_, select, text, tuple_, update
from sqlalchemy.exc import IntegrityError
from uuid_utils.compat import uuid7

from chatkeep.db import Db
from chatkeep.errors import NotFound
from chatkeep.identity import OwnerId
from chatkeep.paging import Cursor, Page
from chatkeep.rag.access import may_read, may_write
from chatkeep.rag.errors import NotRetryable, ReadOnly
from chatkeep.rag.records import Document, Status, StoredChunk
from chatkeep.rag.tables import document_chunks, documents

_CHUNK_COLUMNS = ("document_id", "n", "text", "page", "headings", "start", "end", "tokens")
# What a document takes beside its bytes and its text: rows, a file, points.
_OVERHEAD = 16 * 1024
# Two that upload for one person at once would each find the room that the other takes, and two that upload equal bytes
# into one collection would both find none there. SQLite has one writer anyway.
_LOCK = text("SELECT pg_advisory_xact_lock(hashtextextended('chatkeep documents ' || :whose, 0))")


@dataclass(frozen=True, slots=True)
class NewFile:
    """A file that has arrived whole."""

    id: str
    sha256: str
    filename: str
    size: int


@dataclass(frozen=True, slots=True)
class Shelf:
    """Which documents a list is of: one collection's, those that are in none, or all; in this state, or any."""

    collection_id: str | None = None
    personal: bool = False
    status: Status | None = None


async def add_document(db: Db, owner: OwnerId, collection_id: str | None, file: NewFile, now: datetime) -> Document:
    """Queue a file to be read. The caller has seen to it that `owner` may write to the collection. Equal bytes that are
    there already are the same document, and the answer is that one; if it had failed, it is tried again.

    Raises:
        NotFound: the collection has just been deleted.
    """
    if not db.is_sqlite:
        for whose in filter(None, (owner, collection_id)):
            await db.execute(_LOCK, {"whose": whose})
    same = await _find_equal(db, owner, collection_id, file.sha256)
    if same is not None:
        return await retry_document(db, owner, same.id, now) if same.status is Status.FAILED else same
    values = {
        **dataclasses.asdict(file),
        "status": Status.QUEUED.value,
        "stage": None,
        "notices": [],
        **dict.fromkeys(("text_size", "done", "total", "chunks", "attempts", "delays"), 0),
        **dict.fromkeys(("created_at", "updated_at", "due_at"), now),
    }
    try:
        await db.execute(insert(documents).values(owner=owner, collection_id=collection_id, **values))
    except IntegrityError:
        raise NotFound from None
    return await get_document(db, owner, file.id)


def new_document_id() -> str:
    """Of a document that is about to arrive."""
    return str(uuid7())


async def find_document(db: Db, owner: OwnerId, document_id: str) -> Document | None:
    """One that `owner` may see, or None."""
    this = select(documents).where(documents.c.id == document_id, may_read(owner))
    row = (await db.execute(this)).mappings().first()
    return document_from(row) if row else None


async def get_document(db: Db, owner: OwnerId, document_id: str) -> Document:
    """One that `owner` may see.

    Raises:
        NotFound: not there, or not theirs to see.
    """
    found = await find_document(db, owner, document_id)
    if found is None:
        raise NotFound
    return found


async def get_writable_document(db: Db, owner: OwnerId, document_id: str) -> Document:
    """One that `owner` may delete; whoever else wants to, waits until this transaction ends.

    Raises:
        NotFound: not there, or not theirs to see.
        ReadOnly
    """
    this = select(documents).where(documents.c.id == document_id, may_write(owner)).with_for_update()
    row = (await db.execute(this)).mappings().first()
    if row is not None:
        return document_from(row)
    await get_document(db, owner, document_id)
    raise ReadOnly


async def list_documents(db: Db, owner: OwnerId, limit: int, cursor: Cursor | None, shelf: Shelf) -> Page[Document]:
    """What `owner` may see, the newest first. A collection that is not open to them has none."""
    statement = select(documents).where(may_read(owner), *_on(shelf))
    if cursor is not None:
        same = and_(documents.c.created_at == cursor.moment, documents.c.id < cursor.id)
        statement = statement.where(or_(documents.c.created_at < cursor.moment, same))
    statement = statement.order_by(documents.c.created_at.desc(), documents.c.id.desc()).limit(limit + 1)
    found = [document_from(row) for row in (await db.execute(statement)).mappings()]
    items, more = found[:limit], len(found) > limit
    return Page(items=items, next_cursor=Cursor(items[-1].created_at, items[-1].id).encode() if more else None)


async def retry_document(db: Db, owner: OwnerId, document_id: str, now: datetime) -> Document:
    """Read one anew that has failed.

    Raises:
        NotFound, ReadOnly, NotRetryable
    """
    document = await get_writable_document(db, owner, document_id)
    if document.status is not Status.FAILED:
        raise NotRetryable
    values = {
        "status": Status.QUEUED.value,
        **dict.fromkeys(("stage", "error", "claim"), None),
        **dict.fromkeys(("done", "total", "attempts", "delays"), 0),
        **dict.fromkeys(("updated_at", "due_at"), now),
    }
    await db.execute(update(documents).where(documents.c.id == document_id).values(values))
    return await get_document(db, owner, document_id)


async def cancel_document(db: Db, owner: OwnerId, document_id: str, now: datetime) -> Document:
    """End the reading of one; whoever works on it notices. Without effect when it has ended.

    Raises:
        NotFound, ReadOnly
    """
    document = await get_writable_document(db, owner, document_id)
    if document.status.is_unfinished:
        error = {"code": "cancelled", "message": "Reading it was cancelled."}
        values = {"status": Status.FAILED.value, "stage": None, "error": error, "claim": None, "updated_at": now}
        await db.execute(update(documents).where(documents.c.id == document_id).values(values))
    return await get_document(db, owner, document_id)


async def delete_row_of_document(db: Db, owner: OwnerId, document_id: str) -> Document:
    """The rows alone; `erasure` knows what else has to go. Returns what it was.

    Raises:
        NotFound, ReadOnly
    """
    document = await get_writable_document(db, owner, document_id)
    await db.execute(delete(documents).where(documents.c.id == document_id))
    return document


async def stored_bytes(db: Db, owner: OwnerId) -> int:
    """What all that `owner` uploaded takes, its text included, wherever it is."""
    takes = func.sum(documents.c.size + documents.c.text_size + _OVERHEAD)
    return int((await db.execute(select(takes).where(documents.c.owner == owner))).scalar_one() or 0)


async def get_chunk(db: Db, owner: OwnerId, document_id: str, n: int) -> StoredChunk:
    """One passage.

    Raises:
        NotFound: there is none, or the document is not theirs to see.
    """
    found = await find_chunks(db, owner, [(document_id, n)])
    if not found:
        raise NotFound
    return found[document_id, n]


async def find_chunks(db: Db, owner: OwnerId, named: Iterable[tuple[str, int]]) -> dict[tuple[str, int], StoredChunk]:
    """Of the passages that are `named` by document and number, those that `owner` may see at this moment, of documents
    that are ready. Whatever an index said, what is not in here is not shown.
    """
    wanted = list(named)
    if not wanted:
        return {}
    columns = [document_chunks.c[name] for name in _CHUNK_COLUMNS]
    names = [documents.c.title, documents.c.filename, documents.c.collection_id]
    statement = (
        select(*columns, *names)
        .join(documents, documents.c.id == document_chunks.c.document_id)
        .where(
            may_read(owner),
            documents.c.status == Status.READY,
            tuple_(document_chunks.c.document_id, document_chunks.c.n).in_(wanted),
        )
    )
    rows = (await db.execute(statement)).mappings()
    return {(row["document_id"], row["n"]): _chunk(row) for row in rows}


def document_from(row: RowMapping) -> Document:
    """Of a row of `documents`."""
    values = {field.name: row[field.name] for field in dataclasses.fields(Document)}
    return Document(**{**values, "status": Status(values["status"])})


async def _find_equal(db: Db, owner: OwnerId, collection_id: str | None, sha256: str) -> Document | None:
    where: Sequence[ColumnElement[bool]]
    if collection_id is None:
        where = (documents.c.collection_id.is_(None), documents.c.owner == owner)
    else:
        where = (documents.c.collection_id == collection_id,)
    row = (await db.execute(select(documents).where(*where, documents.c.sha256 == sha256))).mappings().first()
    return document_from(row) if row else None


def _on(shelf: Shelf) -> list[ColumnElement[bool]]:
    where: list[ColumnElement[bool]] = []
    if shelf.collection_id is not None:
        where.append(documents.c.collection_id == shelf.collection_id)
    elif shelf.personal:
        where.append(documents.c.collection_id.is_(None))
    if shelf.status is not None:
        where.append(documents.c.status == shelf.status.value)
    return where


def _chunk(row: Any) -> StoredChunk:
    values = {field.name: row[field.name] for field in dataclasses.fields(StoredChunk)}
    return StoredChunk(**{**values, "headings": tuple(values["headings"])})

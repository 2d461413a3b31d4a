"""Deleted means gone. Rows go at once, with the right to see them; what is outside of SQL follows, surely.

The transaction that deletes the rows writes what is owed: points of the index, originals on the disk. It stays written
until that has been done twice, some minutes apart, so that neither a crash, nor an index that is away, nor a run that
was just putting points leaves anything behind. Then it is the receipt, and is kept for a month.
"""

import asyncio
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import delete, func, insert, select, update
from uuid_utils.compat import uuid7

from chatkeep.db import Database, Db
from chatkeep.identity import OwnerId
from chatkeep.index.port import Indexes, IndexUnavailable, TenantId
from chatkeep.rag.blobs import Blobs
from chatkeep.rag.collections import delete_rows_of_collection, get_owned
from chatkeep.rag.documents import delete_row_of_document
from chatkeep.rag.members import forget_member
from chatkeep.rag.tables import collections, document_erasures, documents
from chatkeep.rag.tenants import collection_tenant, personal_tenant, tenant_of
from chatkeep.row_security import EVERYBODY

log = logging.getLogger(__name__)

# Beyond this no run that lost its document is still putting points of it.
SETTLED_AFTER = timedelta(minutes=2)
KEEP_RECEIPTS = timedelta(days=30)
_EVERY_SECONDS = 30.0
_LONGEST_DELAY = timedelta(minutes=10)
_AT_ONCE = 100


@dataclass(frozen=True, slots=True)
class Erasure:
    """What is owed, or was: all of a tenant, or one document of it, with what has been found and deleted so far."""

    id: str
    tenant: TenantId
    document_id: str | None
    requested_at: datetime
    attempts: int
    documents: int
    points: int
    files: int
    done_at: datetime | None


async def delete_document(db: Db, owner: OwnerId, document_id: str, now: datetime) -> None:
    """Delete a document with all that was made of it.

    Raises:
        NotFound, ReadOnly
    """
    document = await delete_row_of_document(db, owner, document_id)
    await request_erasure(db, tenant_of(document), document_id, 1, now)


async def delete_collection(db: Db, owner: OwnerId, collection_id: str, now: datetime) -> None:
    """Delete a collection with all documents in it, whoever uploaded them.

    Raises:
        NotFound, NotTheOwner
    """
    await get_owned(db, owner, collection_id)
    count = await _count(db, collection_id)
    # First: afterwards it is nobody's to have erased, and PostgreSQL's policy asks.
    await request_erasure(db, collection_tenant(collection_id), None, count, now)
    await delete_rows_of_collection(db, owner, collection_id)


async def delete_documents_of(db: Db, owner: OwnerId, now: datetime) -> None:
    """Delete everything of an owner who is no more: their documents, and their collections with what is in them. What
    they put into the collections of others belongs to those, and is theirs from here on.

    The transaction is one of EVERYBODY: others' rows are among them.
    """
    owned = (await db.execute(select(collections.c.id).where(collections.c.owner == owner))).scalars().all()
    for collection_id in owned:
        count = await _count(db, collection_id)
        await db.execute(delete(collections).where(collections.c.id == collection_id))
        await request_erasure(db, collection_tenant(collection_id), None, count, now)
    of_collection = select(collections.c.owner).where(collections.c.id == documents.c.collection_id).scalar_subquery()
    shared = update(documents).where(documents.c.owner == owner, documents.c.collection_id.is_not(None))
    await db.execute(shared.values(owner=of_collection))
    gone = (await db.execute(delete(documents).where(documents.c.owner == owner))).rowcount
    await forget_member(db, owner)
    await request_erasure(db, personal_tenant(owner), None, gone, now)


async def request_erasure(db: Db, tenant: TenantId, document_id: str | None, count: int, now: datetime) -> None:
    """Write down what is owed; `count` is how many documents have been deleted."""
    values = {"id": str(uuid7()), "tenant": tenant, "document_id": document_id, "requested_at": now, "due_at": now}
    counts = {"attempts": 0, "documents": count, "points": 0, "files": 0}
    await db.execute(insert(document_erasures).values(**values, **counts))


class Eraser:
    """Does what is owed, on any instance."""

    def __init__(self, database: Database, blobs: Blobs, indexes: Indexes, now: Callable[[], datetime]) -> None:
        self._database = database
        self._blobs = blobs
        self._indexes = indexes
        self._now = now
        self._wanted = asyncio.Event()

    def wake(self) -> None:
        """There is something to do; to be called once it is committed."""
        self._wanted.set()

    async def work_off(self) -> int:
        """Do what is due; returns how much there was."""
        due = await self._list_due()
        for erasure in due:
            await self._erase(erasure)
        return len(due)

    async def keep_erasing(self) -> None:
        """For the life of the process."""
        while True:
            self._wanted.clear()
            try:
                while await self.work_off():
                    pass
                await self._prune()
            except Exception:  # a database that is away for a while must not end all erasing after it
                log.exception("what was deleted is not gone everywhere yet; it will be tried again")
            try:
                async with asyncio.timeout(_EVERY_SECONDS):
                    await self._wanted.wait()
            except TimeoutError:
                continue

    async def _list_due(self) -> Sequence[Erasure]:
        columns = [document_erasures.c[name] for name in Erasure.__slots__]
        due = select(*columns).where(document_erasures.c.done_at.is_(None), document_erasures.c.due_at <= self._now())
        async with self._database.reading(EVERYBODY) as db:
            rows = (await db.execute(due.order_by(document_erasures.c.due_at).limit(_AT_ONCE))).all()
        return [Erasure(*row) for row in rows]

    async def _erase(self, erasure: Erasure) -> None:
        now = self._now()
        points = files = 0
        due_at, done_at = erasure.requested_at + SETTLED_AFTER, None
        try:
            files = await self._blobs.delete(erasure.tenant, erasure.document_id)
            points = await self._delete_points(erasure)
            if now >= due_at:
                done_at = now
        except (IndexUnavailable, OSError) as error:
            log.warning("what was deleted is not gone everywhere yet: %s", type(error).__name__)
            due_at = now + min(timedelta(seconds=5) * 2 ** min(erasure.attempts, 10), _LONGEST_DELAY)
        counted = document_erasures.c
        values = {
            "attempts": counted.attempts + 1,
            "points": counted.points + points,
            "files": counted.files + files,
            "due_at": due_at,
            "done_at": done_at,
        }
        async with self._database.writing(EVERYBODY) as db:
            await db.execute(update(document_erasures).where(counted.id == erasure.id).values(values))

    async def _delete_points(self, erasure: Erasure) -> int:
        points = 0
        for spec in await self._indexes.list_specs():
            index = self._indexes.open(spec)
            points += await index.count(erasure.tenant, erasure.document_id)
            if erasure.document_id is None:
                await index.delete_tenant(erasure.tenant)
            else:
                await index.delete_document(erasure.tenant, erasure.document_id)
        return points

    async def _prune(self) -> None:
        old = document_erasures.c.done_at <= self._now() - KEEP_RECEIPTS
        async with self._database.writing(EVERYBODY) as db:
            await db.execute(delete(document_erasures).where(old))


async def _count(db: Db, collection_id: str) -> int:
    count = select(func.count()).where(documents.c.collection_id == collection_id)
    return int((await db.execute(count)).scalar_one())

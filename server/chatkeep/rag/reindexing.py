"""What is in another index than the one that is wanted now is put into that, from the texts in SQL, in the background.

The others are searched meanwhile, by words alone, and dropped once nothing is found only there. Of instances with
different settings, as in a rolling change, the one that started last says which index is wanted.
"""

import asyncio
import logging
from collections.abc import Callable, Sequence
from datetime import datetime

from sqlalchemy import ColumnElement, RowMapping, and_, delete, or_, select, update
from sqlalchemy.dialects.postgresql import insert as postgresql_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert
from uuid_utils.compat import uuid7

from chatkeep.db import Database, Db
from chatkeep.embedding.port import EmbeddingFailed
from chatkeep.index.naming import index_name
from chatkeep.index.port import Indexes, IndexSpec, IndexUnavailable, VectorIndex
from chatkeep.rag.documents import document_from
from chatkeep.rag.erasure import request_erasure
from chatkeep.rag.ingestion import Equipment, put_points
from chatkeep.rag.ingestion_queue import STALE_AFTER, exists, keep_alive, list_texts
from chatkeep.rag.records import Document, Status
from chatkeep.rag.tables import document_indexes, documents
from chatkeep.rag.tenants import tenant_of
from chatkeep.row_security import EVERYBODY

log = logging.getLogger(__name__)

_EVERY_SECONDS = 30.0
_TEXTS_TOGETHER = 64


class Reindexer:
    """Moves documents into the index of `spec`, which is that of the equipment."""

    def __init__(self, equipment: Equipment, indexes: Indexes, spec: IndexSpec) -> None:
        self._with = equipment
        self._indexes = indexes
        self._spec = spec
        self._older: Sequence[VectorIndex] = ()

    @property
    def _database(self) -> Database:
        return self._with.database

    @property
    def _now(self) -> Callable[[], datetime]:
        return self._with.now

    def searched(self) -> Sequence[VectorIndex]:
        """The indexes that hold points: the one that is wanted first, then others, as long as there are some."""
        return [self._with.index, *self._older]

    async def open(self) -> None:
        """Say which index is wanted from here on."""
        async with self._database.writing(EVERYBODY) as db:
            await _want(db, self._with.index_name, self._spec, self._now())
        await self._look()

    async def keep_moving(self) -> None:
        """For the life of the process."""
        while True:
            try:
                while await self.move_one():
                    pass
                await self._look()
            except (EmbeddingFailed, IndexUnavailable) as error:
                log.warning("documents cannot be indexed anew now: %s", error)
            except Exception:  # a database that is away for a while must not end all moving after it
                log.exception("documents could not be indexed anew; it will be tried again")
            await asyncio.sleep(_EVERY_SECONDS)

    async def move_one(self) -> bool:
        """Put one document into the wanted index. False: there is none to move, or another instance knows better.

        Raises:
            EmbeddingFailed, IndexUnavailable
        """
        claim = str(uuid7())
        async with self._database.writing(EVERYBODY) as db:
            document = await self._claim(db, claim)
        if document is None:
            return False
        done = 0
        while True:
            async with self._database.reading(EVERYBODY) as db:
                rows = await list_texts(db, document.id, done, _TEXTS_TOGETHER)
            if not rows:
                break
            await put_points(self._with, tenant_of(document), document.id, rows)
            done = rows[-1][0]
            async with self._database.writing(EVERYBODY) as db:
                if await keep_alive(db, {claim: done}, self._now()):
                    await self._give_up(db, document)
                    return True
        async with self._database.writing(EVERYBODY) as db:
            await self._finish(db, claim, document)
        return True

    async def _claim(self, db: Db, claim: str) -> Document | None:
        newest = select(document_indexes.c.name).order_by(document_indexes.c.wanted_at.desc()).limit(1)
        if (await db.execute(newest)).scalar() != self._with.index_name:
            return None
        row = await self._next(db)
        if row is None:
            return None
        values = {"claim": claim, "heartbeat_at": self._now()}
        taken = await db.execute(update(documents).where(documents.c.id == row["id"], self._to_move()).values(values))
        return document_from(row) if taken.rowcount else None

    async def _next(self, db: Db) -> RowMapping | None:
        """What nobody has tried yet, then what was tried longest ago: one that cannot be moved is in no other's way."""
        untried = select(documents).where(self._to_move(), documents.c.claim.is_(None))
        tried = select(documents).where(self._to_move()).order_by(documents.c.heartbeat_at)
        for waiting in (untried, tried):
            row: RowMapping | None = (await db.execute(waiting.limit(1))).mappings().first()
            if row is not None:
                return row
        return None

    def _to_move(self) -> ColumnElement[bool]:
        free = or_(documents.c.claim.is_(None), documents.c.heartbeat_at <= self._now() - STALE_AFTER)
        elsewhere = documents.c.indexed_in != self._with.index_name
        return and_(documents.c.status == Status.READY, elsewhere, free)

    async def _finish(self, db: Db, claim: str, document: Document) -> None:
        values = {"indexed_in": self._with.index_name, "claim": None, "heartbeat_at": None, "done": documents.c.total}
        if not (await db.execute(update(documents).where(documents.c.claim == claim).values(values))).rowcount:
            await self._give_up(db, document)

    async def _give_up(self, db: Db, document: Document) -> None:
        """It was deleted meanwhile; what was put may have come after the deletion that took the rest."""
        if not await exists(db, document.id):
            await request_erasure(db, tenant_of(document), document.id, 0, self._now())

    async def _look(self) -> None:
        """Which other indexes hold points of documents that are found; those that hold none are dropped."""
        async with self._database.reading(EVERYBODY) as db:
            statement = select(documents.c.indexed_in).where(documents.c.status == Status.READY).distinct()
            used = set((await db.execute(statement)).scalars())
            known = (await db.execute(select(document_indexes))).all()
        others = {row.name: IndexSpec(row.model, row.dimension, row.language) for row in known}
        others.pop(self._with.index_name, None)
        self._older = [self._indexes.open(spec) for name, spec in others.items() if name in used]
        newest = max(known, key=lambda row: row.wanted_at, default=None)
        if newest is not None and newest.name == self._with.index_name:
            await self._drop({name: spec for name, spec in others.items() if name not in used})

    async def _drop(self, unused: dict[str, IndexSpec]) -> None:
        for name, spec in unused.items():
            await self._indexes.drop(spec)
            async with self._database.writing(EVERYBODY) as db:
                await db.execute(delete(document_indexes).where(document_indexes.c.name == name))
            log.info("the index %s is empty and was dropped", index_name(spec))


async def _want(db: Db, name: str, spec: IndexSpec, now: datetime) -> None:
    values = {"name": name, "model": spec.model, "dimension": spec.dimension, "language": spec.language}
    # Instances that start together are at the same. SQLAlchemy has this for each kind of database apart.
    upsert = (sqlite_insert if db.is_sqlite else postgresql_insert)(document_indexes).values(**values, wanted_at=now)
    await db.execute(upsert.on_conflict_do_update(index_elements=["name"], set_={"wanted_at": now}))

"""Documents that are ready, put where ingestion puts them, and an index that can be made to misbehave."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import insert
from uuid_utils.compat import uuid7

from chatkeep.db import Database
from chatkeep.identity import OwnerId
from chatkeep.index.port import Hit, IndexUnavailable, Point, Query, TenantId, VectorIndex
from chatkeep.rag.collections import create_collection
from chatkeep.rag.tables import document_chunks, documents
from chatkeep.rag.tenants import collection_tenant, personal_tenant
from chatkeep.row_security import EVERYBODY

NOW = datetime(2026, 11, 25, tzinfo=UTC)


class Library:
    """Of one test. `away` and `also` are what the index does wrong: it does not answer, or names what it must not."""

    def __init__(self, database: Database, index: VectorIndex) -> None:
        self.database = database
        self._index = index
        self.away = False
        self.also: list[Hit] = []

    async def search(self, tenants: Sequence[TenantId], query: Query, limit: int) -> list[Hit]:
        if self.away:
            raise IndexUnavailable("nobody there")
        return self.also + await self._index.search(tenants, Query(query.text, None), limit)

    async def collection(self, owner: OwnerId, name: str = "shared") -> str:
        async with self.database.writing(owner) as db:
            return (await create_collection(db, owner, name, "", NOW)).id

    async def add(self, owner: OwnerId, *texts: str, collection_id: str | None = None, title: str = "Handbook") -> str:
        """A document of these chunks, one on each page."""
        document_id = str(uuid7())
        values: dict[str, Any] = {
            "id": document_id, "owner": owner, "collection_id": collection_id, "sha256": document_id, "size": 1,
            "filename": f"{title}.pdf", "title": title, "text_size": 1, "status": "ready", "done": 0, "total": 0,
            "chunks": len(texts), "notices": [], "attempts": 0, "delays": 0, "due_at": NOW, "created_at": NOW,
            "updated_at": NOW,
        }  # fmt: skip
        chunks = []
        end = 0
        for n, text in enumerate(texts, 1):
            start, end = end + 2 * bool(end), end + 2 * bool(end) + len(text)
            chunks.append({"document_id": document_id, "n": n, "text": text, "page": n, "headings": [], "start": start,
                           "end": end, "tokens": 10})  # fmt: skip
        async with self.database.writing(EVERYBODY) as db:
            await db.execute(insert(documents).values(values))
            await db.execute(insert(document_chunks), chunks)
        tenant = personal_tenant(owner) if collection_id is None else collection_tenant(collection_id)
        await self._index.put(tenant, [Point(document_id, n, text, None) for n, text in enumerate(texts, 1)])
        return document_id

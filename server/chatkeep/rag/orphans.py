"""Whether database, index and disk agree about documents, and what to do where they do not. An operator's: it looks at
everybody's. The database has the last word.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Iterable, Sequence
from dataclasses import dataclass

from sqlalchemy import func, select, update

from chatkeep.db import Database
from chatkeep.index.naming import index_name
from chatkeep.index.port import Indexes, TenantId, VectorIndex
from chatkeep.rag.blobs import Blobs
from chatkeep.rag.documents import document_from
from chatkeep.rag.records import Document, Status
from chatkeep.rag.tables import document_chunks, document_erasures, documents
from chatkeep.rag.tenants import tenant_of
from chatkeep.row_security import EVERYBODY

_ROWS_TOGETHER = 500
# A file has its name before its row is committed: one that has just come is nobody's yet.
_YOUNG_SECONDS = 3600.0


@dataclass(slots=True)
class Findings:
    """How many documents there are, and of how many something does not agree.

    Attributes:
        points_without_rows: the index holds points of what is deleted, or failed, or another tenant's.
        files_without_rows: an original of what is deleted.
        wrong_points: ready, and the index holds more or fewer points than there are chunks.
        rows_without_files: the original is gone; what was made of it is still found.
        erasures_owed: the index holds points of what is deleted, and the server is still to delete them: no fault.
    """

    documents: int = 0
    points_without_rows: int = 0
    files_without_rows: int = 0
    wrong_points: int = 0
    rows_without_files: int = 0
    erasures_owed: int = 0


@dataclass(frozen=True, slots=True)
class Remains:
    """What there still is of a document."""

    rows: int
    chunks: int
    points: int
    files: int

    def __bool__(self) -> bool:
        return bool(self.rows or self.chunks or self.points or self.files)


class Doctor:
    """Compares; with `repair` it also deletes what belongs to nobody, and lets documents be indexed anew."""

    def __init__(self, database: Database, blobs: Blobs, indexes: Indexes, *, repair: bool = False) -> None:
        self._database = database
        self._blobs = blobs
        self._indexes = indexes
        self._repair = repair

    async def examine(self) -> Findings:
        """All documents, all points, all files.

        Raises:
            IndexUnavailable
        """
        findings = Findings()
        held: dict[str, str] = {}
        for spec in await self._indexes.list_specs():
            await self._examine_index(index_name(spec), self._indexes.open(spec), held, findings)
        await self._examine_rows(held, findings)
        await self._examine_files(findings)
        return findings

    async def remains_of(self, document_id: str) -> Remains:
        """What there is of a document, wherever it could be.

        Raises:
            IndexUnavailable
        """
        async with self._database.reading(EVERYBODY) as db:
            counts = [
                select(func.count()).where(documents.c.id == document_id),
                select(func.count()).where(document_chunks.c.document_id == document_id),
            ]
            rows, chunks = [(await db.execute(count)).scalar_one() for count in counts]
        points = 0
        for spec in await self._indexes.list_specs():
            async for _, found, count in self._indexes.open(spec).list_documents():
                points += count if found == document_id else 0
        files = await asyncio.to_thread(lambda: [name for _, name, _ in self._blobs.list_files()].count(document_id))
        return Remains(rows, chunks, points, files)

    async def _examine_index(self, name: str, index: VectorIndex, held: dict[str, str], findings: Findings) -> None:
        """`held` learns which documents have all their points in the index that their row names."""
        found = [each async for each in index.list_documents()]
        rows = {row.id: row async for row in self._rows(document_id for _, document_id, _ in found)}
        owed = await self._list_owed()
        for tenant, document_id, count in found:
            row = rows.get(document_id)
            if row is None or tenant_of(row) != tenant or row.status is Status.FAILED:
                if {(tenant, document_id), (tenant, None)} & owed:
                    findings.erasures_owed += 1
                else:
                    findings.points_without_rows += 1
                await self._delete_points(index, tenant, document_id)
            elif row.status is Status.READY and row.indexed_in == name and row.chunks == count:
                held[document_id] = name
            elif row.status is Status.READY and row.indexed_in == name:
                # Too many stay, else, when it is indexed anew.
                await self._delete_points(index, tenant, document_id)

    async def _examine_rows(self, held: dict[str, str], findings: Findings) -> None:
        after = ""
        while rows := await self._next_rows(after):
            after = rows[-1].id
            findings.documents += len(rows)
            for row in rows:
                path = self._blobs.path(tenant_of(row), row.id)
                findings.rows_without_files += not await asyncio.to_thread(path.is_file)
            wrong = [row.id for row in rows if row.status is Status.READY and row.chunks and row.id not in held]
            findings.wrong_points += len(wrong)
            if wrong and self._repair:
                async with self._database.writing(EVERYBODY) as db:
                    # In no index: the server puts it into the one that is wanted.
                    await db.execute(update(documents).where(documents.c.id.in_(wrong)).values(indexed_in=""))

    async def _examine_files(self, findings: Findings) -> None:
        before = time.time() - _YOUNG_SECONDS
        files = await asyncio.to_thread(lambda: list(self._blobs.list_files()))
        rows = {row.id: row async for row in self._rows(name for _, name, _ in files)}
        for folder, name, path in files:
            row = rows.get(name)
            known = row is not None and self._blobs.folder_name(tenant_of(row)) == folder
            if not known and (await asyncio.to_thread(path.stat)).st_mtime < before:
                findings.files_without_rows += 1
                if self._repair:
                    await asyncio.to_thread(path.unlink)

    async def _list_owed(self) -> set[tuple[str, str | None]]:
        """Of tenants whole, or of single documents of theirs."""
        of = document_erasures.c
        async with self._database.reading(EVERYBODY) as db:
            rows = (await db.execute(select(of.tenant, of.document_id).where(of.done_at.is_(None)))).all()
        return {(tenant, document_id) for tenant, document_id in rows}

    async def _delete_points(self, index: VectorIndex, tenant: TenantId, document_id: str) -> None:
        if self._repair:
            await index.delete_document(tenant, document_id)

    async def _rows(self, ids: Iterable[str]) -> AsyncIterator[Document]:
        wanted = sorted(set(ids))
        for start in range(0, len(wanted), _ROWS_TOGETHER):
            these = documents.c.id.in_(wanted[start : start + _ROWS_TOGETHER])
            async with self._database.reading(EVERYBODY) as db:
                found = (await db.execute(select(documents).where(these))).mappings().all()
            for row in found:
                yield document_from(row)

    async def _next_rows(self, after: str) -> Sequence[Document]:
        page = select(documents).order_by(documents.c.id).limit(_ROWS_TOGETHER)
        if after:
            page = page.where(documents.c.id > after)
        async with self._database.reading(EVERYBODY) as db:
            return [document_from(row) for row in (await db.execute(page)).mappings()]

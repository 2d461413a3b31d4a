"""The embedded index: Qdrant's own engine, in a process of its own, in the data directory. Needs no server."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import TypeVar

from chatkeep.index.edge_process import EdgeProcess
from chatkeep.index.edge_wire import (
    Count,
    Delete,
    Drop,
    ListSpecs,
    Page,
    Ping,
    Put,
    PutPoint,
    Restore,
    Scroll,
    Search,
    Update,
)
from chatkeep.index.fusion import Found, candidates, fuse
from chatkeep.index.port import Hit, IndexSpec, Point, Query, StoredPoint, TenantId, Way
from chatkeep.index.scope import scope
from chatkeep.index.texts import asked, encodable
from chatkeep.index.vectors import checked, packed

# Searches stand behind the updates that the process has begun with; these are therefore few, and small.
_POINTS_TOGETHER = 64
_UPDATES_AT_ONCE = 8
_PAGE = 1_000
_PAGE_WITH_WEIGHTS = 256

P = TypeVar("P")


class EdgeIndexes:
    """The indexes of a data directory. One server at a time has them open."""

    def __init__(self, directory: Path, *, restart_pause: float = 0.1) -> None:
        self._process = EdgeProcess(directory, pause=restart_pause)
        self._turn = asyncio.Semaphore(_UPDATES_AT_ONCE)

    @property
    def pid(self) -> int | None:
        """Of the process; None while it does not run."""
        return self._process.pid

    def open(self, spec: IndexSpec) -> "EdgeIndex":
        return EdgeIndex(self._process, self._turn, spec)

    async def list_specs(self) -> list[IndexSpec]:
        return await self._process.ask(None, ListSpecs(), list[IndexSpec])

    async def drop(self, spec: IndexSpec) -> None:
        await self._process.ask(spec, Drop(), type(None))

    async def check(self) -> None:
        """A process that nobody has needed yet is well."""
        if self._process.started:
            await self.list_specs()

    async def aclose(self) -> None:
        """End the process; what was acknowledged stays."""
        await self._process.aclose()


class EdgeIndex:
    """One of them. `process` and `turn` are shared with the others."""

    def __init__(self, process: EdgeProcess, turn: asyncio.Semaphore, spec: IndexSpec) -> None:
        self._process = process
        self._turn = turn
        self._spec = spec

    async def put(self, tenant: TenantId, points: Sequence[Point]) -> None:
        scope(tenant)
        ready = [
            PutPoint(point.document_id, point.n, encodable(point.text), self._packed(point.dense)) for point in points
        ]
        await self._update([Put(tenant, part) for part in _parts(ready)])

    async def search(self, tenants: Sequence[TenantId], query: Query, limit: int) -> list[Hit]:
        depth = candidates(limit)
        dense = self._packed(query.dense)
        if not tenants:
            return []
        search = Search(scope(*tenants), asked(query.text), dense, depth)
        return fuse(await self._process.ask(self._spec, search, dict[Way, list[Found]]), limit)

    async def delete_document(self, tenant: TenantId, document_id: str) -> None:
        await self._update([Delete(scope(tenant, document_id=document_id))])

    async def delete_tenant(self, tenant: TenantId) -> None:
        await self._update([Delete(scope(tenant))])

    async def count(self, tenant: TenantId, document_id: str | None = None) -> int:
        return await self._process.ask(self._spec, Count(scope(tenant, document_id=document_id)), int)

    async def list_documents(self) -> AsyncIterator[tuple[TenantId, str, int]]:
        passages: Counter[tuple[TenantId, str]] = Counter()
        async for points in self._scroll(_PAGE, weights=False):
            passages.update((point.tenant, point.document_id) for point in points)
        for (tenant, document_id), count in passages.items():
            yield tenant, document_id, count

    def export(self) -> AsyncIterator[Sequence[StoredPoint]]:
        return self._scroll(_PAGE_WITH_WEIGHTS, weights=True)

    async def restore(self, points: Sequence[StoredPoint]) -> None:
        for point in points:
            checked(point, self._spec.dimension)
        await self._update([Restore(part) for part in _parts(points)])

    async def check(self) -> None:
        await self._process.ask(self._spec, Ping(), type(None))

    def _packed(self, dense: Sequence[float] | None) -> bytes | None:
        return None if dense is None else packed(dense, self._spec.dimension)

    async def _update(self, calls: Sequence[Update]) -> None:
        async def one(call: Update) -> None:
            async with self._turn:
                await self._process.ask(self._spec, call, type(None))

        # All of them end before the first error is told: what comes after it, such as a deletion, comes after all.
        for outcome in await asyncio.gather(*(one(call) for call in calls), return_exceptions=True):
            if outcome is not None:
                raise outcome

    async def _scroll(self, limit: int, *, weights: bool) -> AsyncIterator[Sequence[StoredPoint]]:
        page = Page([], None)
        while True:
            page = await self._process.ask(self._spec, Scroll(page.after, limit, weights), Page)
            if page.points:
                yield page.points
            if page.after is None:
                return


def _parts(points: Sequence[P]) -> list[list[P]]:
    return [list(points[start : start + _POINTS_TOGETHER]) for start in range(0, len(points), _POINTS_TOGETHER)]

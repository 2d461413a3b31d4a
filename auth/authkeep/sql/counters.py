"""Counters in the database, for processes that share one and have no Valkey.

A batch is one transaction under one lock, so it is exact and cannot deadlock: some milliseconds, however many wait. In
PostgreSQL the table is unlogged: after a crash everybody may use their limits anew, and no disk is waited for.
"""

import hashlib
from collections.abc import Sequence
from typing import Any

from sqlalchemy import delete, func, literal, select, text
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine
from typing_extensions import override

from authkeep.clock import SystemClock
from authkeep.shared_counters import SharedCounters, Use
from authkeep.sql.engine import OnEngine
from authkeep.sql.tables import counters
from authkeep.throttle import buy

_LOCK = 0x6C696D69


class SqlCounters(OnEngine, SharedCounters):
    """Args:
    engine: as for `SqlStore`.
    options: of `SharedCounters`: `fallback`, `patience` (a second unless given), `retry`, `clock`.
    """

    place = "The database"

    def __init__(self, engine: AsyncEngine, *, patience: float = 1.0, **options: Any) -> None:
        OnEngine.__init__(self, engine)
        SharedCounters.__init__(self, patience=patience, **options)
        is_postgresql = engine.dialect.name == "postgresql"
        self._lock = self._lock_postgresql if is_postgresql else self._lock_sqlite
        self._insert: Any = postgresql.insert if is_postgresql else sqlite.insert

    @override
    async def _advance_all(self, uses: Sequence[Use]) -> Sequence[tuple[bool, float]]:
        keys = [hashlib.sha256(use.key.encode()).hexdigest() for use in uses]
        answers: list[tuple[bool, float]] = []
        async with self._engine.begin() as db:
            now = await self._lock(db)
            found = await db.execute(select(counters.c.key, counters.c.arrival).where(counters.c.key.in_(set(keys))))
            arrivals: dict[str, float] = {row.key: row.arrival for row in found}
            for key, use in zip(keys, uses, strict=True):
                allowed, ahead = buy(arrivals.get(key, now) - now, use.cost, use.ceiling)
                arrivals[key] = now + ahead
                answers.append((allowed, ahead))
            row = self._insert(counters)
            write = row.on_conflict_do_update(index_elements=["key"], set_={"arrival": row.excluded.arrival})
            await db.execute(write, [{"key": key, "arrival": arrival} for key, arrival in arrivals.items()])
        return answers

    async def _lock_postgresql(self, db: AsyncConnection) -> float:
        """The time by the server's clock, once nobody else is counting."""
        await db.execute(select(func.pg_advisory_xact_lock(literal(_LOCK))))
        now = float((await db.execute(text("SELECT extract(epoch FROM clock_timestamp())"))).scalar_one())
        await db.execute(delete(counters).where(counters.c.arrival < now))
        return now

    async def _lock_sqlite(self, db: AsyncConnection) -> float:
        # Whoever shares the file is on this machine, and has its clock.
        clock = SystemClock()
        await db.execute(delete(counters).where(counters.c.arrival < clock.seconds()))
        return clock.seconds()

    @override
    def _is_outage(self, error: Exception) -> bool:
        return isinstance(error, DBAPIError)

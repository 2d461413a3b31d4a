"""The revocation feed by PostgreSQL's LISTEN and NOTIFY.

The store notifies inside the transaction that revokes, so that the commit publishes, or nothing does.
"""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from typing import Any

from sqlalchemy.ext.asyncio import AsyncEngine

from authkeep.revocation_feed import CHANNEL
from authkeep.store import Revocation


class PostgresFeed:
    """Listens on a connection of its own, made as the engine makes them and taken out of its pool.

    It must reach the server itself or a pooler in session mode: in transaction mode those pass no notifications on.

    Args:
        quiet_seconds: how long silence is believed before the connection is asked for a sign of life, and how long that
            may take.
    """

    def __init__(self, engine: AsyncEngine, *, quiet_seconds: float = 2.0) -> None:
        self._engine = engine
        self._quiet_seconds = quiet_seconds

    async def publish(self, revocations: Sequence[Revocation]) -> None:
        """The commit has."""

    async def listen(self) -> AsyncGenerator[str | None]:
        inbox: asyncio.Queue[str | None] = asyncio.Queue()
        async with asyncio.timeout(self._quiet_seconds):
            db = await self._engine.connect()
        try:
            # asyncpg's own connection: SQLAlchemy has no words for LISTEN.
            driver: Any = (await db.get_raw_connection()).driver_connection
            await db.run_sync(lambda connection: connection.detach())
            try:
                driver.add_termination_listener(lambda _: inbox.put_nowait(None))
                async with asyncio.timeout(self._quiet_seconds):
                    await driver.add_listener(CHANNEL, lambda _, __, ___, payload: inbox.put_nowait(payload))
                yield None
                while True:
                    yield await self._next(inbox, driver)
            finally:
                # Before SQLAlchemy closes it, which would wait for an answer from a server that may be gone.
                driver.terminate()
        finally:
            await db.close()

    async def _next(self, inbox: "asyncio.Queue[str | None]", driver: Any) -> str:
        while True:
            try:
                async with asyncio.timeout(self._quiet_seconds):
                    payload = await inbox.get()
            except TimeoutError:
                async with asyncio.timeout(self._quiet_seconds):
                    await driver.execute("SELECT 1")
            else:
                if payload is None:
                    raise ConnectionError("PostgreSQL closed the connection")
                return payload

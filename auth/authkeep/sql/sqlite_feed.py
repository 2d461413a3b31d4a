"""The revocation feed for several processes over one SQLite file, which can tell that it changed but not to whom."""

import asyncio
import contextlib
import sqlite3
from collections.abc import AsyncGenerator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sqlalchemy.ext.asyncio import AsyncEngine

from authkeep.revocation_feed import encode
from authkeep.sql.tables import revocations
from authkeep.store import Revocation

# From the last known entry on. If that has been purged, its row number may be in use again, but with another id.
_SINCE = (
    f"SELECT rowid, id, sid, user_id, epoch, expires_at FROM {revocations.name} "  # noqa: S608 - our own table
    "WHERE rowid >= ? ORDER BY rowid"
)


def is_file(engine: AsyncEngine) -> bool:
    """Whether other processes could open the database too."""
    database = engine.url.database or ":memory:"
    return ":memory:" not in database and "mode=memory" not in database


class SqliteFeed:
    """Asks `PRAGMA data_version` and, when that moved, for the entries since the last one it knew.

    On the event loop itself, with a connection that waits for nobody: that takes 5 microseconds, and by way of a
    thread fifty times as much.

    Args:
        engine: of a database that is a file.
    """

    def __init__(self, engine: AsyncEngine, *, every_seconds: float = 0.02) -> None:
        database = engine.url.database or ""
        self._address = database if database.startswith("file:") else f"{Path(database).absolute().as_uri()}?mode=ro"
        self._every_seconds = every_seconds

    async def publish(self, revocations: Sequence[Revocation]) -> None:
        """The file has changed, which is all there is to say."""

    async def listen(self) -> AsyncGenerator[str | None]:
        with contextlib.closing(sqlite3.connect(self._address, uri=True, timeout=0)) as db:
            version: object = None
            last: tuple[int, str] | None = None
            yield None
            while True:
                await asyncio.sleep(self._every_seconds)
                try:
                    seen = db.execute("PRAGMA data_version").fetchone()
                    if seen == version:
                        continue
                    rows = db.execute(_SINCE, [last[0] if last else 0]).fetchall()
                except sqlite3.OperationalError as error:
                    if error.sqlite_errorcode & 0xFF == sqlite3.SQLITE_BUSY:
                        continue  # somebody is writing just now
                    raise
                if rows and rows[0][:2] == last:
                    for row in rows[1:]:
                        yield encode(_entry(row))
                elif rows or last:
                    yield None
                version, last = seen, rows[-1][:2] if rows else None


def _entry(row: tuple[Any, ...]) -> Revocation:
    _, entry_id, sid, user_id, epoch, expires_at = row
    return Revocation(entry_id, sid, user_id, epoch, datetime.fromisoformat(expires_at).replace(tzinfo=UTC))

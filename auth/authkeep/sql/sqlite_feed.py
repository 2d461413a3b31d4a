"""The revocation feed for several processes over one SQLite file, which can tell that it changed but not to whom."""

import asyncio
import contextlib
import sqlite3
from collections.abc import AsyncGenerator, Sequence
from pathlib import Path

from sqlalchemy.ext.asyncio import AsyncEngine

from authkeep.sql.tables import revocations
from authkeep.store import Revocation

# Whoever inserts makes another last row: a row number is reused only with another id.
_LAST_ROW = f"SELECT rowid, id FROM {revocations.name} ORDER BY rowid DESC LIMIT 1"  # noqa: S608 - our own table


def is_file(engine: AsyncEngine) -> bool:
    """Whether other processes could open the database too."""
    database = engine.url.database or ":memory:"
    return ":memory:" not in database and "mode=memory" not in database


class SqliteFeed:
    """Asks `PRAGMA data_version` and, when that moved, for the last entry.

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
            version = last = None
            yield None
            while True:
                await asyncio.sleep(self._every_seconds)
                if (seen := _ask(db, "PRAGMA data_version")) in (version, None):
                    continue
                row = _ask(db, _LAST_ROW)
                version = seen
                if row != last:
                    last = row
                    yield None


def _ask(db: sqlite3.Connection, query: str) -> tuple[object, ...] | None:
    """The first row; None when there is none, or somebody is writing just now."""
    try:
        row: tuple[object, ...] | None = db.execute(query).fetchone()
    except sqlite3.OperationalError as error:
        if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY:
            raise
        return None
    return row

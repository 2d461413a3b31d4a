"""The database: one engine, SQLite or PostgreSQL, and one transaction per request.

Readers and writers are told apart because SQLite has one writer: a transaction that begins as a reader and then wants
to write may be refused at once, whatever the busy timeout (SQLITE_BUSY_SNAPSHOT). So a writing transaction says so.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import DateTime, Dialect, MetaData, TypeDecorator, event
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine
from sqlalchemy.pool import ConnectionPoolEntry

metadata = MetaData(
    naming_convention={
        "pk": "pk_%(table_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
    }
)

# WAL lets readers go on while one writes; NORMAL loses nothing committed unless the machine itself loses power.
_SQLITE_PRAGMAS = (
    "PRAGMA journal_mode=WAL",
    "PRAGMA synchronous=NORMAL",
    "PRAGMA busy_timeout=10000",
    "PRAGMA foreign_keys=ON",
    "PRAGMA cache_size=-8000",
)


class DatabaseUnusable(Exception):
    """The server refuses to start: the message says what to do."""


class UtcDateTime(TypeDecorator[datetime]):
    """A moment, always in UTC and aware: SQLite forgets the offset, so it is put back on the way out."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Refuse a naive moment: nobody knows when that was."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("a moment needs a time zone")
        return value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Both databases give UTC."""
        return value if value is None or value.tzinfo else value.replace(tzinfo=UTC)


class Db:
    """The transaction of this request. Effects that must follow the commit, and only it, wait in `on_commit`."""

    def __init__(self, connection: AsyncConnection) -> None:
        self.connection = connection
        self._effects: list[Callable[[], None]] = []

    async def execute(self, statement: Any, parameters: Any = None) -> Any:
        """Run a SQLAlchemy Core statement."""
        return await self.connection.execute(statement, parameters)

    def on_commit(self, effect: Callable[[], None]) -> None:
        """Call `effect` once the transaction has been committed; never if it has not."""
        self._effects.append(effect)

    def run_effects(self) -> None:
        """For `Database.writing` alone."""
        for effect in self._effects:
            effect()


class Database:
    """The engine and the two ways to open a transaction on it."""

    def __init__(self, url: str) -> None:
        self.engine: AsyncEngine = create_async_engine(url, pool_pre_ping=not url.startswith("sqlite"))
        self.is_sqlite = self.engine.dialect.name == "sqlite"
        # SQLite's own waiting (busy_timeout) is a lottery that somebody loses under load; a queue is fair. authkeep's
        # transactions on the same file are short, and wait in SQLite's way.
        self._turn: AbstractAsyncContextManager[object] = asyncio.Lock() if self.is_sqlite else nullcontext()
        if self.is_sqlite:
            _teach_sqlite(self.engine)

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[Db]:
        """A transaction that only reads."""
        async with self.engine.connect() as connection:
            yield Db(connection)

    @asynccontextmanager
    async def writing(self) -> AsyncIterator[Db]:
        """A transaction that writes: committed at the end, rolled back by an exception."""
        async with self._turn, self.engine.connect() as connection:
            if self.is_sqlite:
                await connection.execution_options(chatkeep_begin="IMMEDIATE")
            async with connection.begin():
                db = Db(connection)
                yield db
        db.run_effects()

    async def check(self) -> None:
        """Answer, or raise.

        Raises:
            DatabaseUnusable: the database does not answer.
        """
        try:
            async with self.engine.connect() as connection:
                await connection.exec_driver_sql("SELECT 1")
        except (OSError, DBAPIError) as error:
            raise DatabaseUnusable(f"CHATKEEP_DATABASE_URL: the database does not answer ({_reason(error)})") from error

    async def aclose(self) -> None:
        """Close every connection."""
        await self.engine.dispose()


def _teach_sqlite(engine: AsyncEngine) -> None:
    @event.listens_for(engine.sync_engine, "connect")
    def _configure(connection: DBAPIConnection, _: ConnectionPoolEntry) -> None:
        # The driver's own habit of opening transactions late is switched off: _begin below does it, and says how.
        connection.isolation_level = None
        cursor = connection.cursor()
        for pragma in _SQLITE_PRAGMAS:
            cursor.execute(pragma)
        cursor.close()

    @event.listens_for(engine.sync_engine, "begin")
    def _begin(connection: Any) -> None:
        connection.exec_driver_sql(f"BEGIN {connection.get_execution_options().get('chatkeep_begin', 'DEFERRED')}")


def _reason(error: BaseException) -> str:
    """The driver's first line: it names host and database, never the password."""
    original = getattr(error, "orig", None) or error
    return (str(original).splitlines() or [type(original).__name__])[0]

"""The database: one engine, SQLite or PostgreSQL, and one transaction per request.

Readers and writers are told apart because SQLite has one writer: a transaction that begins as a reader and then wants
to write may be refused at once, whatever the busy timeout (SQLITE_BUSY_SNAPSHOT). So a writing transaction says so.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar, cast

import aiosqlite
from sqlalchemy import DateTime, Dialect, MetaData, TypeDecorator, event, func, select
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import ArgumentError, DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine
from sqlalchemy.pool import ConnectionPoolEntry

from chatkeep.outages import AWAY, DatabaseAway, tell_outages
from chatkeep.prepared import Prepared
from chatkeep.row_security import EVERYBODY, Everybody, RowSecurity
from chatkeep.sqlite_driver import OneHop
from chatkeep.sqlite_units import SqliteUnits

T = TypeVar("T")

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

# No statement of a request takes this long: the database has gone, or the network swallows what is sent to it.
STATEMENT_SECONDS = 30.0


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

    def __init__(self, execute: Callable[[Any, Any], Awaitable[Any]], *, is_sqlite: bool) -> None:
        self._execute = execute
        self.is_sqlite = is_sqlite
        self._effects: list[Callable[[], None]] = []

    def execute(self, statement: Any, parameters: Any = None) -> Awaitable[Any]:
        """Run a SQLAlchemy Core statement, be it `Prepared` or not."""
        return self._execute(statement, parameters)

    def on_commit(self, effect: Callable[[], None]) -> None:
        """Call `effect` once the transaction has been committed; never if it has not."""
        self._effects.append(effect)

    def run_effects(self) -> None:
        """For `Database` alone."""
        for effect in self._effects:
            effect()


class OpenDb(Db):
    """One that stays open across whatever is awaited, on a connection of SQLAlchemy's."""

    def __init__(self, connection: AsyncConnection) -> None:
        super().__init__(self._execute_on_connection, is_sqlite=connection.dialect.name == "sqlite")
        self.connection = connection

    async def _execute_on_connection(self, statement: Any, parameters: Any) -> Any:
        plain = statement.statement if isinstance(statement, Prepared) else statement
        return await self.connection.execute(plain, parameters)


class Database:
    """The engine and the ways to open a transaction on it.

    Args:
        url: with an async driver: sqlite+aiosqlite:// or postgresql+asyncpg://.
        statement_seconds: how long PostgreSQL may take over one statement; None is for ever. (A file always answers.)

    Raises:
        DatabaseUnusable: the URL cannot be read.
    """

    def __init__(self, url: str, statement_seconds: float | None = STATEMENT_SECONDS) -> None:
        self.engine = _engine(url, statement_seconds)
        self.is_sqlite = self.engine.dialect.name == "sqlite"
        # SQLite's own waiting (busy_timeout) is a lottery that somebody loses under load; a queue is fair. authkeep's
        # transactions on the same file are short, and wait in SQLite's way.
        self._turn: AbstractAsyncContextManager[object] = asyncio.Lock() if self.is_sqlite else nullcontext()
        self._row_security = None if self.is_sqlite else RowSecurity()
        self._writer = self._reader = None
        if self.is_sqlite:
            _teach_sqlite(self.engine)
            self._writer = SqliteUnits(self.engine, "BEGIN IMMEDIATE", self._turn)
            self._reader = SqliteUnits(self.engine, "BEGIN", nullcontext())
        else:
            tell_outages(self.engine.sync_engine)

    async def write(self, owner: str | Everybody, unit: Callable[[Db], Coroutine[Any, Any, T]]) -> T:
        """Run a unit of work in a transaction of its own, and then its effects; for what every message does.

        A unit awaits nothing but its statements, and touches nothing that belongs to the event loop: with SQLite it
        runs in another thread. Whoever is cancelled meanwhile has done nothing, or all of it, effects included.

        Raises:
            DatabaseAway: it is, or too many wait for it.
        """
        if self._writer is None:
            async with self.writing(owner) as db:
                return await unit(db)
        direct = Db(self._writer.execute, is_sqlite=True)
        return cast(T, await self._writer.run(lambda: unit(direct), direct.run_effects))

    async def read(self, owner: str | Everybody, unit: Callable[[Db], Coroutine[Any, Any, T]]) -> T:
        """As `write`, for a short unit that only reads.

        Raises:
            DatabaseAway: it is, or too many wait for it.
        """
        if self._reader is None:
            async with self.reading(owner) as db:
                return await unit(db)
        direct = Db(self._reader.execute, is_sqlite=True)
        return cast(T, await self._reader.run(lambda: unit(direct), direct.run_effects))

    @asynccontextmanager
    async def reading(self, owner: str | Everybody) -> AsyncIterator[OpenDb]:
        """A transaction that only reads; PostgreSQL shows it no rows but those of `owner`."""
        async with self.engine.connect() as connection:
            await self._act(connection, owner)
            yield OpenDb(connection)

    @asynccontextmanager
    async def writing(self, owner: str | Everybody) -> AsyncIterator[OpenDb]:
        """A transaction that writes, as `reading` reads: committed at the end, rolled back by an exception."""
        async with self._turn, self.engine.connect() as connection:
            if self.is_sqlite:
                await connection.execution_options(chatkeep_begin="IMMEDIATE")
            async with connection.begin():
                await self._act(connection, owner)
                db = OpenDb(connection)
                yield db
        db.run_effects()

    async def _act(self, connection: AsyncConnection, owner: str | Everybody) -> None:
        if self._row_security is not None:
            await self._row_security.act(connection, owner)

    @asynccontextmanager
    async def migrating(self) -> AsyncIterator[OpenDb]:
        """A transaction that may rebuild tables, which SQLite does by dropping them: a drop deletes the rows first, and
        with foreign keys on, whatever refers to them too.

        Raises:
            DatabaseUnusable: rows refer to nothing afterwards; all has been undone.
        """
        if not self.is_sqlite:
            async with self.writing(EVERYBODY) as db:
                yield db
            return
        async with self._turn, self.engine.connect() as connection:
            # Not by SQLAlchemy, which would begin a transaction for it: within one this pragma does nothing.
            driver = (await connection.get_raw_connection()).driver_connection
            await cast(aiosqlite.Connection, driver).execute("PRAGMA foreign_keys=OFF")
            try:
                await connection.execution_options(chatkeep_begin="IMMEDIATE")
                async with connection.begin():
                    yield OpenDb(connection)
                    await _refuse_orphans(connection)
            finally:
                await connection.invalidate()

    async def check(self) -> None:
        """Answer, or raise.

        Raises:
            DatabaseUnusable: the database does not answer.
        """
        try:
            async with self.engine.connect() as connection:
                await connection.exec_driver_sql("SELECT 1")
        except (OSError, DBAPIError, *AWAY) as error:
            raise DatabaseUnusable(
                f"CHATKEEP_DATABASE_URL: the database does not answer ({driver_says(error)})"
            ) from error

    async def aclose(self) -> None:
        """Finish what waits, and close every connection."""
        for units in (self._writer, self._reader):
            if units is not None:
                await units.aclose()
        await self.engine.dispose()


class DatabaseClock:
    """One time for all instances: PostgreSQL's, since their own clocks may be apart. A SQLite file has one server, and
    so one clock.
    """

    def __init__(self, database: Database, own: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._database = database
        self._own = own
        self._ahead = timedelta()

    def now(self) -> datetime:
        """As far as it is known since `compare`."""
        return self._own() + self._ahead

    async def compare(self) -> None:
        """Learn how far the clocks are apart; to be done now and then, since clocks drift and are set."""
        if self._database.is_sqlite:
            return
        async with self._database.engine.connect() as connection:
            # Once there is a connection: the moment asked for is in the middle of one round trip.
            before = self._own()
            theirs: datetime = (await connection.execute(select(func.clock_timestamp()))).scalar_one()
            self._ahead = theirs - (before + (self._own() - before) / 2)


def _engine(url: str, statement_seconds: float | None) -> AsyncEngine:
    is_sqlite = url.startswith("sqlite")
    try:
        return create_async_engine(
            url,
            module=OneHop() if is_sqlite else None,
            pool_pre_ping=not is_sqlite,
            # Errors are logged; prompts and password hashes are not.
            hide_parameters=True,
            connect_args={} if is_sqlite else {"command_timeout": statement_seconds},
        )
    except (ArgumentError, ValueError):
        # The cause would be shown with the URL in it, and so with its password.
        raise DatabaseUnusable("CHATKEEP_DATABASE_URL: is no URL of a SQLite or PostgreSQL database") from None


async def _refuse_orphans(connection: AsyncConnection) -> None:
    orphans = (await connection.exec_driver_sql("PRAGMA foreign_key_check")).all()
    if orphans:
        tables = ", ".join(sorted({str(row[0]) for row in orphans}))
        raise DatabaseUnusable(
            f"CHATKEEP_DATABASE_URL: the new schema would leave {len(orphans)} rows in {tables} that refer to nothing. "
            "The database is as it was; report this, and use the version before."
        )


def _unicode_lower(value: object) -> str | None:
    """SQLite's own knows the letters of ASCII alone; PostgreSQL's knows those of the database's locale."""
    return None if value is None else str(value).lower()


def _teach_sqlite(engine: AsyncEngine) -> None:
    @event.listens_for(engine.sync_engine, "connect")
    def _configure(connection: DBAPIConnection, _: ConnectionPoolEntry) -> None:
        # The driver's own habit of opening transactions late is switched off: _begin below does it, and says how.
        connection.isolation_level = None
        cursor = connection.cursor()
        for pragma in _SQLITE_PRAGMAS:
            cursor.execute(pragma)
        cursor.close()
        connection.create_function("lower", 1, _unicode_lower, deterministic=True)

    @event.listens_for(engine.sync_engine, "begin")
    def _begin(connection: Any) -> None:
        mode = connection.get_execution_options().get("chatkeep_begin", "DEFERRED")
        connection.connection.dbapi_connection.begin_lazily(f"BEGIN {mode}")


def driver_says(error: BaseException) -> str:
    """The driver's first line: it names host and database, never the password."""
    error = error.__cause__ if isinstance(error, DatabaseAway) and error.__cause__ else error
    original = getattr(error, "orig", None) or error
    return (str(original).splitlines() or [type(original).__name__])[0]

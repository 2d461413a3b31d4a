"""aiosqlite for SQLAlchemy, with one hop to the connection's thread for a statement where there were three or four.

SQLAlchemy opens a cursor, executes, fetches and closes, and each of these waits for the thread. Here a statement is
executed, read and closed in one visit, and the visit of a transaction's first one begins the transaction.
"""

import sqlite3
from collections import deque
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple, TypeVar

import aiosqlite
from sqlalchemy.dialects.sqlite.aiosqlite import (
    AsyncAdapt_aiosqlite_connection,
    AsyncAdapt_aiosqlite_cursor,
    AsyncAdapt_aiosqlite_dbapi,
)
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.util.concurrency import await_
from typing_extensions import override

_T = TypeVar("_T")
_Execute = Callable[[sqlite3.Connection], sqlite3.Cursor]


class _Outcome(NamedTuple):
    description: Any = None
    rowcount: int = -1
    lastrowid: int | None = None
    rows: Sequence[Any] = ()


_NOTHING_YET = _Outcome()


class _Connection(aiosqlite.Connection):
    """Knows how the transaction is to begin that its owner has asked for and not used yet.

    Both are settled when a statement is queued, not when it has run: whoever waits for it may be cancelled, and what
    follows then is queued behind it.
    """

    begin: str | None = None
    used = False

    async def run(self, execute: _Execute) -> _Outcome:
        """All that a statement takes."""
        begin, self.begin, self.used = self.begin, None, True
        outcome: _Outcome = await self._execute(self._run, begin, execute)  # type: ignore[no-untyped-call]
        return outcome

    async def visit(self, function: Callable[[sqlite3.Connection], _T]) -> _T:
        """Call `function` in the thread. It leaves no transaction open."""
        outcome: _T = await self._execute(lambda: function(self._conn))  # type: ignore[no-untyped-call]
        return outcome

    def _run(self, begin: str | None, execute: _Execute) -> _Outcome:
        if begin is not None:
            self._conn.execute(begin)
        cursor = execute(self._conn)
        try:
            rows = cursor.fetchall() if cursor.description else ()
            return _Outcome(cursor.description, cursor.rowcount, cursor.lastrowid, rows)
        finally:
            cursor.close()


class _Cursor(AsyncAdapt_aiosqlite_cursor):
    __slots__ = ("_outcome",)

    _adapt_connection: "_Adapted"

    def __init__(self, adapt_connection: "_Adapted") -> None:
        # Not super's, which would open a cursor in the thread.
        self._adapt_connection = adapt_connection
        self._rows = deque()
        self._outcome = _NOTHING_YET

    @property
    @override
    def description(self) -> Any:
        return self._outcome.description

    @property
    @override
    def rowcount(self) -> int:
        return self._outcome.rowcount

    @property
    @override
    def lastrowid(self) -> Any:
        return self._outcome.lastrowid

    @override
    def execute(self, operation: Any, parameters: Any = None) -> None:
        self._run(lambda connection: connection.execute(operation, parameters or ()))

    @override
    def executemany(self, operation: Any, seq_of_parameters: Any) -> None:
        self._run(lambda connection: connection.executemany(operation, seq_of_parameters))

    @override
    def close(self) -> None:
        self._rows.clear()

    async def _async_soft_close(self) -> None:
        """It was closed where it ran."""

    def _run(self, execute: _Execute) -> None:
        self._outcome = self._adapt_connection.run(execute)
        self._rows = deque(self._outcome.rows)


class _Adapted(AsyncAdapt_aiosqlite_connection):
    __slots__ = ()

    _connection: Any  # a _Connection, which SQLAlchemy describes as more than it is
    _cursor_cls: Any = _Cursor

    def begin_lazily(self, statement: str) -> None:
        """Begin the transaction by `statement` when there is something to do in it."""
        self._connection.begin = statement

    def run(self, execute: _Execute) -> _Outcome:
        try:
            outcome: _Outcome = await_(self._connection.run(execute))
        except Exception as error:  # noqa: BLE001 - whatever it is, SQLAlchemy is told in its own way
            self._handle_exception(error)
        return outcome

    @override
    def cursor(self, server_side: bool = False) -> Any:
        if server_side and self._connection.begin is not None:
            self.run(lambda connection: connection.execute("SELECT 1"))
        return super().cursor(server_side)

    @override
    def commit(self) -> None:
        if self._is_used():
            super().commit()
            self._connection.used = False

    @override
    def rollback(self) -> None:
        # The pool asks for it whenever a connection comes back, after a commit too.
        if self._is_used():
            super().rollback()
            self._connection.used = False

    def _is_used(self) -> bool:
        self._connection.begin = None
        used: bool = self._connection.used
        return used


class OneHop(AsyncAdapt_aiosqlite_dbapi):
    """For `create_async_engine(module=...)`."""

    def __init__(self) -> None:
        super().__init__(aiosqlite, sqlite3)

    @override
    def connect(self, *arguments: Any, **options: Any) -> _Adapted:
        connection: Any = _Connection(partial(sqlite3.connect, *arguments, **options), iter_chunk_size=64)
        # As SQLAlchemy's own does: a connection that nobody closed must not keep the process from ending.
        connection._thread.daemon = True  # noqa: SLF001
        return _Adapted(self, await_(connection))


async def in_thread(connection: AsyncConnection, function: Callable[[sqlite3.Connection], _T]) -> _T:
    """Call `function` in the thread of a connection that SQLAlchemy has no transaction on."""
    driver: Any = (await connection.get_raw_connection()).driver_connection
    outcome: _T = await driver.visit(function)
    return outcome

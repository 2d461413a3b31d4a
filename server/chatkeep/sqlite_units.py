"""Units of work on SQLite: each goes to the connection's thread once, whole, and those that wait go together.

    run ──> wait ──> the turn ──> [ BEGIN, unit, unit, ..., COMMIT ] in the thread ──> effects, results

A unit is an `async def` whose statements complete where they are called, so in the thread it never waits: it is run
from its beginning to its end by a single step. The same function awaits its statements on PostgreSQL.
"""

import asyncio
import sqlite3
from collections import deque
from collections.abc import Callable, Coroutine, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Any

from sqlalchemy.exc import DBAPIError, StatementError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from chatkeep.outages import DatabaseAway
from chatkeep.prepared import Rows, compile_once
from chatkeep.sqlite_driver import in_thread

# Who commits together fails together when the commit does, and waits for the slowest.
_MOST_AT_ONCE = 64
# Whoever comes when so many wait would not be served in time.
_MOST_WAITING = 2000

Work = Callable[[], Coroutine[Any, Any, Any]]


@dataclass(slots=True, eq=False)
class _Unit:
    """One that waits. It is not begun when nobody waits for it any more; once begun it is finished all the same."""

    work: Work
    on_commit: Callable[[], None]
    future: asyncio.Future[Any]
    outcome: Any = None
    error: BaseException | None = None

    def deliver(self) -> None:
        """On the event loop."""
        if self.error is None:
            try:
                self.on_commit()
            except Exception as error:  # noqa: BLE001 - it is the one who waits who has to know
                self.error = error
        if self.future.done():
            return
        if self.error is None:
            self.future.set_result(self.outcome)
        else:
            self.future.set_exception(self.error)


class SqliteUnits:
    """One connection and its thread, for units that all read or all write.

    Args:
        begin: the statement that begins their transaction.
        turn: held while a group is in the thread.
    """

    def __init__(self, engine: AsyncEngine, begin: str, turn: AbstractAsyncContextManager[object]) -> None:
        self._engine = engine
        self._begin = begin
        self._turn = turn
        self._waiting: deque[_Unit] = deque()
        self._at_work: asyncio.Task[None] | None = None
        self._held: AsyncConnection | None = None
        self._connection: Any = None  # the driver's own, while a group is in the thread

    async def run(self, work: Work, on_commit: Callable[[], None]) -> Any:
        """The outcome of `work`, once it is committed and `on_commit` has been called.

        Raises:
            DatabaseAway: too many wait.
        """
        if len(self._waiting) >= _MOST_WAITING:
            raise DatabaseAway
        unit = _Unit(work, on_commit, asyncio.get_running_loop().create_future())
        self._waiting.append(unit)
        if self._at_work is None:
            self._at_work = asyncio.create_task(self._work(), name="sqlite-units")
        return await unit.future

    async def execute(self, statement: Any, parameters: Any = None) -> Rows:
        """Run a statement of a unit, in the thread, where it does not wait."""
        several = isinstance(parameters, list)
        first = parameters[0] if several else parameters or {}
        compiled = compile_once(statement, self._engine.dialect, first)
        try:
            if several:
                cursor = self._connection.executemany(compiled.sql, [compiled.bind(each) for each in parameters])
            else:
                cursor = self._connection.execute(compiled.sql, compiled.bind(first))
            names = [column[0] for column in cursor.description or ()]
            return compiled.rows(cursor.fetchall(), cursor.rowcount, names)
        except sqlite3.Error as error:
            raise _as_sqlalchemy_does(error, compiled.sql) from error

    async def aclose(self) -> None:
        """Finish what waits, and give the connection back."""
        if self._at_work is not None:
            await asyncio.wait([self._at_work])
        if self._held is not None:
            await self._held.close()
            self._held = None

    async def _work(self) -> None:
        try:
            while self._waiting:
                async with self._turn:
                    if group := self._take():
                        await self._run_in_thread(group)
                for unit in group:
                    unit.deliver()
        finally:
            self._at_work = None

    def _take(self) -> list[_Unit]:
        group: list[_Unit] = []
        while self._waiting and len(group) < _MOST_AT_ONCE:
            unit = self._waiting.popleft()
            if not unit.future.done():
                group.append(unit)
        return group

    async def _run_in_thread(self, group: Sequence[_Unit]) -> None:
        try:
            if self._held is None:
                self._held = await self._engine.connect()
            await in_thread(self._held, lambda connection: self._run(connection, group))
        except Exception as error:  # noqa: BLE001 - whatever it is, all who wait for this group have to know
            for unit in group:
                unit.error = _as_sqlalchemy_does(error, self._begin) if isinstance(error, sqlite3.Error) else error

    def _run(self, connection: sqlite3.Connection, group: Sequence[_Unit]) -> None:
        self._connection = connection
        connection.execute(self._begin)
        try:
            for unit in group:
                if len(group) == 1:
                    unit.outcome = _complete(unit.work())
                else:
                    _attempt(connection, unit)
            connection.execute("COMMIT")
        finally:
            self._connection = None
            if connection.in_transaction:
                connection.execute("ROLLBACK")


def _attempt(connection: sqlite3.Connection, unit: _Unit) -> None:
    """One among several: what it does is undone if it fails, and the others' is not."""
    connection.execute("SAVEPOINT unit")
    try:
        unit.outcome = _complete(unit.work())
    except Exception as error:
        # A full disk, for one, undoes the whole transaction.
        if not connection.in_transaction:
            raise
        unit.error = error
        connection.execute("ROLLBACK TO unit")
    connection.execute("RELEASE unit")


def _as_sqlalchemy_does(error: sqlite3.Error, sql: str) -> StatementError:
    return DBAPIError.instance(sql, None, error, sqlite3.Error, hide_parameters=True)


def _complete(unit: Coroutine[Any, Any, Any]) -> Any:
    try:
        unit.send(None)
    except StopIteration as ended:
        return ended.value
    unit.close()
    raise RuntimeError("a unit of work awaits nothing but its own statements")

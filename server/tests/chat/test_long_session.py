"""A session of 100,000 messages opens at once: what is read is what is shown, counted by the database itself."""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any, cast
from uuid import UUID

import aiosqlite
import pytest
from sqlalchemy import event, insert, text

from chatkeep.chat.branches import find_leaf_id, list_branch, with_siblings
from chatkeep.chat.messages import list_messages, list_path
from chatkeep.chat.records import ChatSession
from chatkeep.chat.sessions import create_session, list_sessions
from chatkeep.chat.tables import messages
from chatkeep.db import Database, Db, OpenDb
from chatkeep.identity import OwnerId

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
MESSAGES = 100_000
# A page of 50 and its siblings take some hundreds of rows and some thousands of steps of SQLite's machine; a scan of
# the session takes as many rows as it has, and a multiple of that in steps.
MAX_ROWS = 2_000
MAX_STEPS = 60_000

pytestmark = pytest.mark.slow


def message_id(n: int) -> str:
    return str(UUID(int=(0x0198C0DE << 96) + n))


@pytest.fixture
async def session(database: Database, alice: OwnerId) -> ChatSession:
    """One long path; before its last question, three answers were given to the one before."""
    # Not finished, so that no time goes into an index that is not read here.
    row = {"owner": alice, "status": "running", "citations": [], "created_at": NOW}
    async with database.writing(alice) as db:
        session = await create_session(db, alice, "Long", None, NOW)
        rows = [
            {
                **row,
                "id": message_id(n),
                "session_id": session.id,
                "parent_id": message_id(n - (3 if n == MESSAGES - 1 else 1)) if n else None,
                "role": "assistant" if n % 2 else "user",
                "content": f"message {n}",
            }
            for n in range(MESSAGES)
        ]
        await db.execute(insert(messages), rows)
    async with database.writing(alice) as db:
        await db.execute(text("ANALYZE messages" if database.is_sqlite else "SELECT 1"))
    if not database.is_sqlite:
        async with database.engine.connect() as connection:
            await connection.execution_options(isolation_level="AUTOCOMMIT")
            await connection.execute(text("ANALYZE messages"))
    return session


@asynccontextmanager
async def cheap(db: OpenDb) -> AsyncIterator[None]:
    """What runs within reads few rows."""
    if db.connection.dialect.name == "sqlite":
        async with _few_steps(db):
            yield
    else:
        async with _few_rows(db):
            yield


@asynccontextmanager
async def _few_steps(db: OpenDb) -> AsyncIterator[None]:
    steps = 0

    def count() -> None:
        nonlocal steps
        steps += 10

    driver = (await db.connection.get_raw_connection()).driver_connection
    await cast(aiosqlite.Connection, driver).set_progress_handler(count, 10)
    yield
    await cast(aiosqlite.Connection, driver).set_progress_handler(cast(Any, None), 0)
    assert steps < MAX_STEPS


@asynccontextmanager
async def _few_rows(db: OpenDb) -> AsyncIterator[None]:
    ran: list[tuple[str, Any]] = []

    def note(_: Any, __: Any, statement: str, parameters: Any, *___: Any) -> None:
        ran.append((statement, parameters))

    sync = db.connection.sync_connection
    event.listen(sync, "before_cursor_execute", note)
    yield
    event.remove(sync, "before_cursor_execute", note)
    assert ran
    for statement, parameters in ran:
        explained = await db.connection.exec_driver_sql(f"EXPLAIN (ANALYZE, FORMAT JSON) {statement}", parameters)
        (plan,) = explained.scalar_one()
        assert sum(_rows(plan["Plan"])) < MAX_ROWS, plan


def _rows(node: dict[str, Any]) -> Iterator[float]:
    yield node["Actual Loops"] * (node["Actual Rows"] + node.get("Rows Removed by Filter", 0))
    for below in node.get("Plans", []):
        yield from _rows(below)


async def test_a_session_of_100000_messages_opens_at_once(
    database: Database, alice: OwnerId, session: ChatSession
) -> None:
    async def shown(db: Db) -> Any:
        leaf_id = await find_leaf_id(db, alice, session)
        return (await list_branch(db, alice, session.id, leaf_id, 50, None, newest_first=True)).items

    async def newest(db: Db) -> Any:
        return (await list_messages(db, alice, session.id, 50, None, newest_first=True)).items

    async def oldest(db: Db) -> Any:
        return (await list_messages(db, alice, session.id, 50, None)).items

    async def siblings(db: Db) -> Any:
        return await with_siblings(db, alice, session.id, await shown(db))

    async def prompt(db: Db) -> Any:
        return await list_path(db, alice, session.id, message_id(MESSAGES - 1), 500)

    async def sessions(db: Db) -> Any:
        return (await list_sessions(db, alice, None, 50, None)).items

    ways: list[Callable[[Db], Awaitable[Any]]] = [shown, newest, oldest, siblings, prompt, sessions]
    for read in ways:
        async with database.reading(alice) as db, cheap(db):
            assert await read(db), read.__name__

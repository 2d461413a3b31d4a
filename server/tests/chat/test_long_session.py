"""A session of 100,000 messages opens at once: what is read is what is shown, counted by the database itself."""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any, cast
from uuid import UUID

import aiosqlite
import pytest
from sqlalchemy import ColumnElement, Insert, String, case, event, func, insert, literal, select, text

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


def id_of(n: ColumnElement[int], *, is_sqlite: bool) -> ColumnElement[str]:
    """`message_id`, computed by the database."""
    if is_sqlite:
        return func.printf("0198c0de%024x", n)
    return func.concat("0198c0de", func.lpad(func.to_hex(n), 24, "0")).cast(messages.c.id.type)


def written_at_once(owner: OwnerId, session: ChatSession, *, is_sqlite: bool) -> Insert:
    """All messages by one statement: to hand the rows over one by one takes many times as long."""
    numbers = select(literal(0).label("n")).cte("numbers", recursive=True)
    numbers = numbers.union_all(select(numbers.c.n + 1).where(numbers.c.n < MESSAGES - 1))
    n = numbers.c.n
    parent = n - case((n == MESSAGES - 1, 3), else_=1)
    values: dict[str, ColumnElement[Any]] = {
        "id": id_of(n, is_sqlite=is_sqlite),
        "owner": literal(owner),
        "session_id": literal(session.id, messages.c.session_id.type),
        "parent_id": case((n > 0, id_of(parent, is_sqlite=is_sqlite))),
        "role": case((n % 2 == 1, "assistant"), else_="user"),
        "content": literal("message ").concat(n.cast(String)),
        # Not finished, so that no time goes into an index that is not read here.
        "status": literal("running"),
        "citations": literal([], messages.c.citations.type),
        "created_at": literal(NOW, messages.c.created_at.type),
    }
    return insert(messages).from_select(list(values), select(*values.values()).order_by(n))


@pytest.fixture
async def session(database: Database, alice: OwnerId) -> ChatSession:
    """One long path; before its last question, three answers were given to the one before."""
    async with database.writing(alice) as db:
        session = await create_session(db, alice, "Long", None, NOW)
        await db.execute(written_at_once(alice, session, is_sqlite=database.is_sqlite))
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

"""One visit to the connection's thread for a statement, and a transaction that begins when there is something to do."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiosqlite
import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError, OperationalError

from chatkeep.db import Database
from chatkeep.row_security import EVERYBODY

ADD = text("INSERT INTO things (name) VALUES (:name)")
NAMES = text("SELECT name FROM things ORDER BY name")


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite+aiosqlite:///{tmp_path / 'test.db'}"


@pytest.fixture
async def database(url: str) -> AsyncIterator[Database]:
    database = Database(url)
    async with database.writing(EVERYBODY) as db:
        await db.execute(text("CREATE TABLE things (name TEXT PRIMARY KEY)"))
    yield database
    await database.aclose()


@pytest.fixture
def visits(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    visits: list[Any] = []
    execute = aiosqlite.Connection._execute

    async def counted(self: aiosqlite.Connection, function: Any, *arguments: Any) -> Any:
        visits.append(function)
        return await execute(self, function, *arguments)  # type: ignore[no-untyped-call]

    monkeypatch.setattr(aiosqlite.Connection, "_execute", counted)
    return visits


async def names(database: Database) -> list[str]:
    async with database.reading(EVERYBODY) as db:
        return list((await db.execute(NAMES)).scalars())


async def test_a_statement_is_one_visit_and_so_is_the_commit(database: Database, visits: list[Any]) -> None:
    async with database.writing(EVERYBODY) as db:
        await db.execute(ADD, {"name": "a"})
        await db.execute(ADD, [{"name": "b"}, {"name": "c"}])
        assert (await db.execute(NAMES)).scalars().all() == ["a", "b", "c"]
    assert len(visits) == 4


async def test_a_transaction_that_does_nothing_is_none(database: Database, visits: list[Any]) -> None:
    async with database.writing(EVERYBODY):
        pass
    assert visits == []


async def test_a_refused_statement_leaves_nothing_and_the_connection_whole(database: Database) -> None:
    async def add_twice() -> None:
        async with database.writing(EVERYBODY) as db:
            await db.execute(ADD, {"name": "a"})
            await db.execute(ADD, {"name": "a"})

    with pytest.raises(IntegrityError):
        await add_twice()
    assert await names(database) == []
    async with database.writing(EVERYBODY) as db:
        assert (await db.execute(ADD, {"name": "a"})).rowcount == 1
    assert await names(database) == ["a"]


async def test_a_transaction_may_begin_with_a_stream_of_rows(database: Database) -> None:
    async with database.writing(EVERYBODY) as db:
        await db.execute(ADD, [{"name": "a"}, {"name": "b"}])
    async with database.reading(EVERYBODY) as db:
        rows = [row.name async for row in await db.connection.stream(NAMES)]
    assert rows == ["a", "b"]


async def test_two_writers_do_not_meet(url: str, database: Database) -> None:
    other = Database(url)
    async with other.engine.connect() as impatient:
        await impatient.exec_driver_sql("PRAGMA busy_timeout=0")
        await impatient.rollback()
        async with database.writing(EVERYBODY) as db:
            await db.execute(NAMES)
            await impatient.execution_options(chatkeep_begin="IMMEDIATE")
            with pytest.raises(OperationalError, match="locked"):
                await impatient.execute(NAMES)
    await other.aclose()


async def test_a_writer_who_is_cancelled_in_a_statement_keeps_nobody_waiting(database: Database) -> None:
    """The thread is in the statement, or has yet to begin the transaction, when the one who waits for it goes."""

    async def write() -> None:
        async with database.writing(EVERYBODY) as db:
            await db.execute(ADD, {"name": "theirs"})

    for turns in range(8):
        writing = asyncio.create_task(write())
        for _ in range(turns):
            await asyncio.sleep(0)
        writing.cancel()
        await asyncio.wait([writing])
        async with database.writing(EVERYBODY) as db:
            await db.execute(text("DELETE FROM things"))
            await db.execute(ADD, {"name": "ours"})
        assert await names(database) == ["ours"]

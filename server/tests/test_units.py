"""Units of work: whole or not at all, whoever leaves, fails or waits beside them; together where they would queue."""

import asyncio
import shutil
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, insert, select, text
from sqlalchemy.exc import IntegrityError, OperationalError
from uuid_utils.compat import uuid7

from chatkeep import sqlite_units
from chatkeep.chat.tables import chat_sessions
from chatkeep.db import Database, Db
from chatkeep.outages import DatabaseAway
from chatkeep.prepared import Prepared
from chatkeep.row_security import EVERYBODY
from server.tests.test_db import NOW, row

ADD = Prepared(insert(chat_sessions))
COUNT = Prepared(select(func.count()).select_from(chat_sessions))


async def add(db: Db) -> str:
    new = row(NOW)
    await db.execute(ADD, new)
    return str(new["id"])


async def add_and_fail(db: Db) -> str:
    await add(db)
    raise LookupError


async def count(db: Db) -> int:
    return int((await db.execute(COUNT)).scalar())


@pytest.fixture
async def file(migrated_file: Path, tmp_path: Path) -> AsyncIterator[Database]:
    """For what is SQLite's alone."""
    database = Database(f"sqlite+aiosqlite:///{shutil.copy(migrated_file, tmp_path)}")
    yield database
    await database.aclose()


@pytest.fixture
def groups(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many units went to the thread together."""
    groups: list[int] = []
    run = sqlite_units.SqliteUnits._run

    def counted(self: Any, connection: Any, group: Any) -> None:
        groups.append(len(group))
        run(self, connection, group)

    monkeypatch.setattr(sqlite_units.SqliteUnits, "_run", counted)
    return groups


def adding(told: list[str]) -> Callable[[Db], Any]:
    async def unit(db: Db) -> str:
        db.on_commit(lambda: told.append("done"))
        return await add(db)

    return unit


async def test_effects_follow_the_commit_and_come_before_the_result(database: Database) -> None:
    told: list[str] = []
    assert await database.write(EVERYBODY, adding(told))
    assert told == ["done"]
    assert await database.read(EVERYBODY, count) == 1


async def test_one_that_fails_undoes_what_it_did_and_nothing_of_the_others(database: Database) -> None:
    told: list[str] = []

    async def fail(db: Db) -> str:
        db.on_commit(lambda: told.append("never"))
        return await add_and_fail(db)

    units = [adding(told), fail, adding(told), fail, adding(told)]
    outcomes = await asyncio.gather(*(database.write(EVERYBODY, unit) for unit in units), return_exceptions=True)
    assert [type(outcome) for outcome in outcomes] == [str, LookupError, str, LookupError, str]
    assert told == ["done"] * 3
    assert await database.read(EVERYBODY, count) == 3


async def test_what_is_there_already_is_told_by_its_constraint_and_not_by_its_values(database: Database) -> None:
    async def add_twice(db: Db) -> None:
        new = row(NOW) | {"title": "marker"}
        await db.execute(ADD, new)
        await db.execute(ADD, new)

    with pytest.raises(IntegrityError, match=r"pk_chat_sessions|chat_sessions\.id") as caught:
        await database.write(EVERYBODY, add_twice)
    assert "marker" not in str(caught.value).split("[SQL")[0]
    assert await database.read(EVERYBODY, count) == 0


async def test_those_who_wait_go_together(file: Database, groups: list[int]) -> None:
    async with file.writing(EVERYBODY):
        writing = [asyncio.create_task(file.write(EVERYBODY, add)) for _ in range(20)]
        await asyncio.sleep(0)
        assert groups == []
    await asyncio.gather(*writing)
    assert groups == [20]


async def test_whoever_leaves_has_done_nothing_or_all_of_it(database: Database) -> None:
    for turns in range(8):
        told: list[str] = []
        before = await database.read(EVERYBODY, count)
        writing = asyncio.create_task(database.write(EVERYBODY, adding(told)))
        for _ in range(turns):
            await asyncio.sleep(0)
        writing.cancel()
        await asyncio.wait([writing])
        await database.write(EVERYBODY, count)
        assert await database.read(EVERYBODY, count) - before == len(told)


async def test_a_flood_of_writers_is_refused_and_not_piled_up(file: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlite_units, "_MOST_WAITING", 3)
    async with file.writing(EVERYBODY):
        outcomes = [asyncio.create_task(file.write(EVERYBODY, add)) for _ in range(5)]
        await asyncio.wait(outcomes, return_when=asyncio.FIRST_COMPLETED)
        assert [type(task.exception()) for task in outcomes if task.done()] == [DatabaseAway, DatabaseAway]
    await asyncio.wait(outcomes)
    assert await file.read(EVERYBODY, count) == 3


async def test_a_unit_that_waits_for_something_else_is_a_mistake_that_leaves_nothing(file: Database) -> None:
    async def wait(db: Db) -> None:
        await add(db)
        await asyncio.sleep(0)

    with pytest.raises(RuntimeError, match="awaits nothing but its own statements"):
        await file.write(EVERYBODY, wait)
    assert await file.read(EVERYBODY, count) == 0


async def test_units_and_open_transactions_take_turns(database: Database) -> None:
    async def write_slowly() -> None:
        async with database.writing(EVERYBODY) as db:
            await count(db)
            await add(db)

    both = [database.write(EVERYBODY, add) for _ in range(10)], [write_slowly() for _ in range(10)]
    await asyncio.gather(*(one for pair in zip(*both, strict=True) for one in pair))
    assert await database.read(EVERYBODY, count) == 20


async def test_another_process_that_holds_the_file_costs_those_who_wait_and_nobody_after_them(file: Database) -> None:
    async def be_impatient(db: Db) -> None:
        await db.execute(text("PRAGMA busy_timeout=0"))

    await file.write(EVERYBODY, be_impatient)
    other = Database(str(file.engine.url))
    async with other.writing(EVERYBODY) as db:
        await add(db)
        outcomes = await asyncio.gather(*(file.write(EVERYBODY, add) for _ in range(3)), return_exceptions=True)
        assert {type(outcome) for outcome in outcomes} == {OperationalError}
    await other.aclose()
    assert await file.write(EVERYBODY, add)


async def test_a_disk_that_is_full_is_no_success_for_anybody(file: Database) -> None:
    async def fill_up(db: Db) -> None:
        await db.execute(text("PRAGMA max_page_count=1"))

    async def add_much(db: Db) -> None:
        for _ in range(100):
            await db.execute(ADD, row(NOW) | {"title": "t" * 200})

    await file.write(EVERYBODY, fill_up)
    outcomes = await asyncio.gather(
        *(file.write(EVERYBODY, unit) for unit in (add, add_much, add)), return_exceptions=True
    )
    succeeded = sum(isinstance(outcome, str) for outcome in outcomes)
    assert isinstance(outcomes[1], OperationalError)
    assert await file.read(EVERYBODY, count) == succeeded


async def test_what_waits_when_the_database_is_closed_is_written(file: Database) -> None:
    writing = [asyncio.create_task(file.write(EVERYBODY, add)) for _ in range(3)]
    await asyncio.sleep(0)
    await file.aclose()
    assert all(await asyncio.gather(*writing))
    assert await file.read(EVERYBODY, count) == 3


async def test_an_effect_that_fails_is_told_and_the_commit_stands(database: Database) -> None:
    def fail() -> None:
        raise LookupError

    async def unit(db: Db) -> None:
        await add(db)
        db.on_commit(fail)

    with pytest.raises(LookupError):
        await database.write(EVERYBODY, unit)
    assert await database.read(EVERYBODY, count) == 1


async def test_values_come_and_go_as_through_sqlalchemy(database: Database) -> None:
    new = row(NOW) | {"leaf_id": str(uuid7()), "pinned_at": NOW, "model": None}
    everything = select(chat_sessions)

    async def write(db: Db) -> int:
        await db.execute(ADD, [new, new | {"id": str(uuid7())}])
        return int((await db.execute(chat_sessions.update().values(title="ä"))).rowcount)

    async def read(db: Db) -> list[dict[str, Any]]:
        return [dict(each) for each in (await db.execute(Prepared(everything))).mappings()]

    assert await database.write(EVERYBODY, write) == 2
    async with database.reading(EVERYBODY) as db:
        assert [dict(each) for each in (await db.execute(everything)).mappings()] == await database.read(
            EVERYBODY, read
        )

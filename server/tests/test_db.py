"""Transactions: effects follow the commit, readers go on while one writes, and moments keep their zone."""

import asyncio
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
from sqlalchemy import func, insert, select, text
from sqlalchemy.exc import DBAPIError, StatementError
from uuid_utils.compat import uuid7

from chatkeep.chat.tables import chat_sessions
from chatkeep.db import Database, DatabaseClock, DatabaseUnusable
from chatkeep.outages import DatabaseAway
from chatkeep.row_security import EVERYBODY


def row(moment: datetime) -> dict[str, object]:
    return {"id": str(uuid7()), "owner": "a", "title": "t", "created_at": moment, "updated_at": moment}


NOW = datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)


async def test_effects_follow_the_commit(database: Database) -> None:
    effects: list[str] = []
    async with database.writing(EVERYBODY) as db:
        db.on_commit(lambda: effects.append("done"))
        assert effects == []
    assert effects == ["done"]


async def test_no_effect_without_a_commit(database: Database) -> None:
    effects: list[str] = []

    async def fail() -> None:
        async with database.writing(EVERYBODY) as db:
            await db.execute(insert(chat_sessions).values(**row(NOW)))
            db.on_commit(lambda: effects.append("done"))
            raise RuntimeError

    with pytest.raises(RuntimeError):
        await fail()
    assert effects == []
    async with database.reading(EVERYBODY) as db:
        assert (await db.execute(select(func.count()).select_from(chat_sessions))).scalar() == 0


async def test_many_writers_who_read_first_all_get_their_turn(database: Database) -> None:
    async def write_after_reading() -> None:
        async with database.writing(EVERYBODY) as db:
            await db.execute(select(func.count()).select_from(chat_sessions))
            await db.execute(insert(chat_sessions).values(**row(NOW)))

    await asyncio.gather(*(write_after_reading() for _ in range(30)))
    async with database.reading(EVERYBODY) as db:
        assert (await db.execute(select(func.count()).select_from(chat_sessions))).scalar() == 30


async def test_a_reader_goes_on_while_another_writes(database: Database) -> None:
    async with database.writing(EVERYBODY) as writer:
        await writer.execute(insert(chat_sessions).values(**row(NOW)))
        async with database.reading(EVERYBODY) as reader:
            assert (await reader.execute(select(func.count()).select_from(chat_sessions))).scalar() == 0


async def test_moments_come_back_in_utc(database: Database) -> None:
    elsewhere = NOW.astimezone(timezone(timedelta(hours=5, minutes=30)))
    async with database.writing(EVERYBODY) as db:
        await db.execute(insert(chat_sessions).values(**row(elsewhere)))
        read = (await db.execute(select(chat_sessions.c.created_at))).scalar()
    assert read == NOW
    assert read.utcoffset() == timedelta(0)


async def test_a_moment_without_a_zone_is_refused(database: Database) -> None:
    async with database.writing(EVERYBODY) as db:
        with pytest.raises(StatementError, match="needs a time zone"):
            await db.execute(insert(chat_sessions).values(**row(datetime(2026, 1, 1))))  # noqa: DTZ001 - the point


async def test_a_database_that_is_away_is_named_without_its_password() -> None:
    database = Database("postgresql+asyncpg://chat:hush@127.0.0.1:1/chat")
    with pytest.raises(DatabaseUnusable, match="CHATKEEP_DATABASE_URL") as caught:
        await database.check()
    assert "hush" not in str(caught.value)
    await database.aclose()


@pytest.mark.parametrize(
    "url", ["postgresql:u:hush@h", "postgresql://u:hush@h:abc/x", "postgresql+nothing://u:hush@h/x"]
)
def test_a_url_that_cannot_be_read_is_refused_without_its_password(url: str) -> None:
    with pytest.raises(DatabaseUnusable, match="CHATKEEP_DATABASE_URL") as caught:
        Database(url)
    assert "hush" not in str(caught.value)


async def test_what_is_written_stays_out_of_the_errors(database: Database) -> None:
    async with database.reading(EVERYBODY) as db:
        with pytest.raises(DBAPIError) as caught:
            await db.execute(text("INSERT INTO nowhere VALUES (:content)"), {"content": "marker"})
    assert "marker" not in str(caught.value)


async def test_sqlite_knows_the_lower_case_of_letters_beyond_ascii(tmp_path: Path) -> None:
    database = Database(f"sqlite+aiosqlite:///{tmp_path / 'test.db'}")
    async with database.reading(EVERYBODY) as db:
        lowered = await db.execute(select(func.lower("ÄPFEL und ΣΟΦΙΑ"), func.lower(None)))
        assert lowered.one() == ("äpfel und σοφια", None)
    await database.aclose()


async def test_a_statement_that_never_ends_is_given_up(postgres_url: str) -> None:
    database = Database(postgres_url, statement_seconds=0.1)
    async with database.reading(EVERYBODY) as db:
        with pytest.raises(DatabaseAway):
            await db.execute(text("SELECT pg_sleep(3600)"))
    async with database.reading(EVERYBODY) as db:
        assert (await db.execute(text("SELECT 1"))).scalar() == 1
    await database.aclose()


async def test_clocks_that_are_apart_tell_the_databases_time(database: Database) -> None:
    clock = DatabaseClock(database, own=lambda: datetime.now(UTC) - timedelta(hours=1))
    await clock.compare()
    behind = datetime.now(UTC) - clock.now()
    assert behind > timedelta(minutes=59) if database.is_sqlite else abs(behind) < timedelta(minutes=1)

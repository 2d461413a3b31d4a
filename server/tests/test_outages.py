"""A PostgreSQL that is away, hangs, or has no connection to give: one error, whoever asks and however it is away."""

import asyncio
from collections.abc import Iterator
from contextlib import ExitStack

import pytest
from sqlalchemy import text

from chatkeep.db import Database, DatabaseUnusable
from chatkeep.outages import AWAY, DatabaseAway
from chatkeep.row_security import EVERYBODY
from testbed.postgres import PostgresServer, running_postgres
from testbed.unavailable import obtain


@pytest.fixture(scope="module")
def own() -> Iterator[PostgresServer]:
    """One that nobody else needs."""
    with ExitStack() as stack:
        yield obtain(lambda: stack.enter_context(running_postgres()))


async def ask(database: Database, statement: str = "SELECT 1") -> int:
    async with database.engine.begin() as db:
        return int((await db.execute(text(statement))).scalar_one())


async def test_a_database_that_died_is_away_until_it_is_back(own: PostgresServer) -> None:
    database = Database(own.url())
    assert await ask(database) == 1
    async with database.engine.connect() as open_before:
        own.stop()
        with pytest.raises(DatabaseAway):
            await open_before.execute(text("SELECT 1"))
    for _ in range(2):
        with pytest.raises(DatabaseAway):
            await ask(database)
    with pytest.raises(DatabaseUnusable, match="does not answer"):
        await database.check()
    own.start()
    assert await ask(database) == 1
    await database.aclose()


async def test_a_database_that_hangs_is_away_and_its_late_answers_reach_nobody(own: PostgresServer) -> None:
    database = Database(own.url(), statement_seconds=0.5)
    async with database.engine.connect() as asking:
        assert (await asking.execute(text("SELECT 1"))).scalar_one() == 1
        own.pause()
        with pytest.raises(DatabaseAway):
            await asking.execute(text("SELECT 7"))
        own.resume()
    assert await asyncio.gather(*(ask(database, f"SELECT {n}") for n in range(5))) == list(range(5))
    own.pause()
    with pytest.raises(AWAY):
        await ask(database)
    own.resume()
    assert await ask(database) == 1
    await database.aclose()


async def test_what_the_database_refuses_is_no_outage(own: PostgresServer) -> None:
    database = Database(own.url())
    with pytest.raises(Exception, match="division by zero") as refused:
        await ask(database, "SELECT 1 / 0")
    assert not isinstance(refused.value, AWAY)
    await database.aclose()


async def test_a_cancelled_request_is_no_outage(own: PostgresServer) -> None:
    database = Database(own.url())
    asking = asyncio.ensure_future(ask(database, "SELECT 1 FROM pg_sleep(60)"))
    while own.execute("SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%pg_sleep(60)'") == "0":  # noqa: ASYNC110
        await asyncio.sleep(0.01)
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    async with database.reading(EVERYBODY) as db:
        assert (await db.execute(text("SELECT 1"))).scalar_one() == 1
    await database.aclose()

"""Many writers on one SQLite file, as several processes of a host would be."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, event
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from authkeep import Auth, Device
from authkeep.sql import SqlStore, migrate
from authkeep.testing import FrozenClock, with_password

LAPTOP = Device("198.51.100.7")


def begin_immediately(engine: AsyncEngine) -> None:
    """What SQLAlchemy's documentation suggests to hosts that want every transaction serialised."""

    @event.listens_for(engine.sync_engine, "connect")
    def _connect(connection: Any, _: Any) -> None:
        connection.isolation_level = None

    @event.listens_for(engine.sync_engine, "begin")
    def _begin(connection: Connection) -> None:
        connection.exec_driver_sql("BEGIN IMMEDIATE")


@pytest.fixture(params=["plain", "wal", "immediate"])
async def engines(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[list[AsyncEngine]]:
    engines = [create_async_engine(f"sqlite+aiosqlite:///{tmp_path}/auth.db") for _ in range(2)]
    if request.param == "immediate":
        for engine in engines:
            begin_immediately(engine)
    await migrate(engines[0])
    if request.param == "wal":
        async with engines[0].connect() as db:
            await db.exec_driver_sql("PRAGMA journal_mode=WAL")
    yield engines
    for engine in engines:
        await engine.dispose()


async def test_no_writer_is_told_that_the_database_is_locked(
    engines: list[AsyncEngine], clock: FrozenClock, settings: Any, keys: Any, make: Any, password: str
) -> None:
    one, two = (make(SqlStore(engine), clock, settings, keys) for engine in engines)

    async def live(auth: Auth, n: int) -> None:
        await auth.accounts.register(f"user{n}@example.com", password)
        login = await with_password(auth, f"user{n}@example.com", password, LAPTOP)
        for _ in range(3):
            login = await auth.logins.refresh(login.refresh_token, LAPTOP)
        await auth.logins.end_all(await auth.verify(login.access_token))

    async with one.running(), two.running():
        await asyncio.gather(*(live((one, two)[n % 2], n) for n in range(8)))


async def test_two_processes_refresh_one_token_to_one_successor(
    engines: list[AsyncEngine], clock: FrozenClock, settings: Any, keys: Any, make: Any, password: str
) -> None:
    one, two = (make(SqlStore(engine), clock, settings, keys) for engine in engines)
    async with one.running(), two.running():
        await one.accounts.register("alice@example.com", password)
        login = await with_password(one, "alice@example.com", password, LAPTOP)
        tabs = [auth.logins.refresh(login.refresh_token, LAPTOP) for auth in (one, two) * 6]
        assert len({tab.refresh_token for tab in await asyncio.gather(*tabs)}) == 1

"""What the server's tests share: a migrated database of either kind, and an owner with someone else beside them."""

import asyncio
import logging
import shutil
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from authkeep.testing import CredentialsInLogs
from chatkeep.db import Database
from chatkeep.identity import OwnerId
from chatkeep.migrations.schema import upgrade
from testbed.postgres import PostgresServer

ALICE = OwnerId("0198c0de-0000-7000-8000-00000000000a")
BOB = OwnerId("0198c0de-0000-7000-8000-00000000000b")


@pytest.fixture(scope="session", autouse=True)
def no_credential_in_any_log() -> Iterator[None]:
    """Whatever any test makes the server log, at its most talkative."""
    watch = CredentialsInLogs()
    logging.getLogger().addHandler(watch)
    for name in ("authkeep", "chatkeep"):
        logging.getLogger(name).setLevel(logging.DEBUG)
    yield
    logging.getLogger().removeHandler(watch)
    assert watch.found == []


@pytest.fixture(params=["sqlite", "postgresql"])
def kind(request: pytest.FixtureRequest) -> str:
    """Each test runs on both kinds of database."""
    return str(request.param)


@pytest.fixture
def database_url(kind: str, request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty database."""
    if kind == "sqlite":
        return f"sqlite+aiosqlite:///{tmp_path / 'test.db'}"
    return str(request.getfixturevalue("postgres_url"))


@pytest.fixture(scope="session")
def migrated_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An SQLite file with the schema that the migrations build, to be copied: to migrate anew takes half a second."""
    file = tmp_path_factory.mktemp("migrated") / "test.db"
    _migrate(f"sqlite+aiosqlite:///{file}")
    return file


@pytest.fixture(scope="session")
def migrated_name(postgres: PostgresServer) -> str:
    """The same in PostgreSQL."""
    name = postgres.create_database()
    _migrate(postgres.url(name))
    return name


def _migrate(url: str) -> None:
    async def run() -> None:
        database = Database(url)
        await upgrade(database)
        await database.aclose()

    # Where this is asked for, another loop may be about to run.
    with ThreadPoolExecutor(1) as thread:
        thread.submit(asyncio.run, run()).result()


@pytest.fixture
def migrated_url(kind: str, request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """A database with the schema."""
    if kind == "sqlite":
        file = shutil.copyfile(request.getfixturevalue("migrated_file"), tmp_path / "migrated.db")
        yield f"sqlite+aiosqlite:///{file}"
        return
    postgres: PostgresServer = request.getfixturevalue("postgres")
    name = postgres.create_database(template=request.getfixturevalue("migrated_name"))
    yield postgres.url(name)
    postgres.drop_database(name)


@pytest.fixture
async def database(migrated_url: str) -> AsyncIterator[Database]:
    """A database as in production."""
    database = Database(migrated_url)
    yield database
    await database.aclose()


@pytest.fixture
def alice() -> OwnerId:
    return ALICE


@pytest.fixture
def bob() -> OwnerId:
    return BOB

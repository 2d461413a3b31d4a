"""What the server's tests share: a migrated database of either kind, and an owner with someone else beside them."""

import logging
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from authkeep.testing import CredentialsInLogs
from chatkeep.db import Database
from chatkeep.identity import OwnerId
from chatkeep.migrations.schema import upgrade

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
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty database: each test runs on both kinds."""
    if request.param == "sqlite":
        return f"sqlite+aiosqlite:///{tmp_path / 'test.db'}"
    url = request.getfixturevalue("postgres_url")
    assert isinstance(url, str)
    return url


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    """A database with the schema that the migrations build, as in production."""
    database = Database(database_url)
    await upgrade(database)
    yield database
    await database.aclose()


@pytest.fixture
def alice() -> OwnerId:
    return ALICE


@pytest.fixture
def bob() -> OwnerId:
    return BOB

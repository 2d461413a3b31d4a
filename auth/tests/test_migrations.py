"""The tables come from migrations alone, by either way a host may choose."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, inspect
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from authkeep.sql import VERSIONS, SqlStore, metadata, migrate


@pytest.fixture(params=["sqlite", "postgres"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> Any:
    if request.param == "sqlite":
        return f"sqlite+aiosqlite:///{tmp_path}/auth.db"
    return request.getfixturevalue("postgres_url")


@pytest.fixture
async def engine(url: str) -> Any:
    engine = create_async_engine(url)
    yield engine
    await engine.dispose()


def differences(connection: Connection) -> list[Any]:
    context = MigrationContext.configure(
        connection,
        opts={"include_name": lambda name, kind, _: kind != "table" or name != "authkeep_alembic_version"},
    )
    return list(compare_metadata(context, metadata))


async def test_the_migrations_build_what_the_code_expects(engine: AsyncEngine) -> None:
    await migrate(engine)
    async with engine.connect() as db:
        assert await db.run_sync(differences) == []


async def test_migrating_again_does_nothing(engine: AsyncEngine) -> None:
    await migrate(engine)
    await migrate(engine)
    assert await SqlStore(engine).is_empty()


async def test_processes_that_start_at_once_migrate_once(postgres_url: str) -> None:
    engine = create_async_engine(postgres_url)
    await asyncio.gather(*(migrate(engine) for _ in range(4)))
    assert await SqlStore(engine).is_empty()
    await engine.dispose()


ENV = """
from alembic import context
from sqlalchemy import create_engine

with create_engine(context.config.get_main_option("sqlalchemy.url")).connect() as connection:
    context.configure(connection=connection)
    with context.begin_transaction():
        context.run_migrations()
    connection.commit()
"""


@pytest.fixture
def hosts_alembic(tmp_path: Path) -> Config:
    """A host that has migrations of its own and adds authkeep's branch to them."""
    (tmp_path / "versions").mkdir()
    (tmp_path / "env.py").write_text(ENV)
    (tmp_path / "versions" / "0001.py").write_text(
        "revision = 'host1'\ndown_revision = None\nbranch_labels = ('host',)\n"
        "def upgrade(): pass\ndef downgrade(): pass\n"
    )
    config = Config()
    config.set_main_option("script_location", str(tmp_path))
    config.set_main_option("path_separator", "newline")
    config.set_main_option("version_locations", f"{tmp_path}/versions\n{VERSIONS}")
    config.set_main_option("sqlalchemy.url", f"sqlite:///{tmp_path}/host.db")
    return config


async def test_a_host_with_alembic_adds_a_branch(hosts_alembic: Config, tmp_path: Path) -> None:
    await asyncio.to_thread(command.upgrade, hosts_alembic, "heads")
    engine = create_async_engine(f"sqlite+aiosqlite:///{tmp_path}/host.db")
    async with engine.connect() as db:
        tables = await db.run_sync(lambda connection: inspect(connection).get_table_names())
    assert set(metadata.tables) <= set(tables)
    await engine.dispose()
    await asyncio.to_thread(command.downgrade, hosts_alembic, "authkeep@base")


def test_the_branch_has_one_head_and_a_label(hosts_alembic: Config) -> None:
    script = ScriptDirectory.from_config(hosts_alembic)
    assert len(script.get_heads()) == 2
    assert script.get_revision("authkeep@head").revision.startswith("authkeep_")


def test_another_database_is_refused_by_name() -> None:
    class Engine:
        class dialect:  # noqa: N801 - as SQLAlchemy names it
            name = "mysql"

    with pytest.raises(ValueError, match="not in mysql"):
        SqlStore(Engine())  # type: ignore[arg-type]

"""The schema's history: up, down, up again, and equal to what the code believes."""

import asyncio
from datetime import UTC, datetime
from pathlib import Path

import pytest
from alembic import command
from sqlalchemy import Connection, inspect, text

from chatkeep.chat.messages import Turn, add_message, list_messages
from chatkeep.chat.sessions import create_session
from chatkeep.db import Database, DatabaseUnusable
from chatkeep.identity import OwnerId
from chatkeep.migrations import schema
from chatkeep.migrations.schema import alembic_config, downgrade, is_current, upgrade
from chatkeep.row_security import EVERYBODY

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
REBUILD_SESSIONS = """
    with op.batch_alter_table("chat_sessions") as batch:
        batch.alter_column("title", type_=sa.String(300))
"""
ORPHAN_MESSAGES = """
    op.execute("DELETE FROM chat_sessions")
"""


@pytest.fixture
def next_migration(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file of a migration that follows the newest one."""
    monkeypatch.setattr(schema, "VERSIONS", f"{schema.VERSIONS}\n{tmp_path}")
    return tmp_path / "9999_next.py"


def write_migration(file: Path, body: str) -> None:
    head = 'import sqlalchemy as sa\nfrom alembic import op\nrevision = "9999_next"\ndown_revision = "0006_retrieval"\n'
    file.write_text(f"{head}\n\ndef upgrade() -> None:{body}")


async def write_message(database: Database, owner: OwnerId) -> str:
    """Returns the id of the session it is in."""
    async with database.writing(EVERYBODY) as db:
        chat = await create_session(db, owner, "kept", None, NOW)
        await add_message(db, owner, chat.id, Turn("user", "keep me"), NOW)
    return chat.id


def _tables(connection: Connection) -> set[str]:
    return set(inspect(connection).get_table_names()) - {"alembic_version"}


async def test_up_down_up(database: Database) -> None:
    async with database.reading(EVERYBODY) as db:
        before = await db.connection.run_sync(_tables)
    assert {"chat_sessions", "messages", "generations", "usage_records"} < before
    await downgrade(database)
    async with database.reading(EVERYBODY) as db:
        assert await db.connection.run_sync(_tables) == set()
    assert not await is_current(database)
    await upgrade(database)
    assert await is_current(database)
    async with database.reading(EVERYBODY) as db:
        assert await db.connection.run_sync(_tables) == before


async def test_the_tables_in_code_are_the_tables_in_the_database(database: Database) -> None:
    async with database.writing(EVERYBODY) as db:
        await db.connection.run_sync(lambda connection: command.check(alembic_config(connection)))


async def test_instances_that_start_together_migrate_once(database_url: str) -> None:
    databases = [Database(database_url) for _ in range(4)]
    await asyncio.gather(*(upgrade(database) for database in databases))
    assert all([await is_current(database) for database in databases])
    for database in databases:
        await database.aclose()


async def test_rebuilding_a_table_keeps_what_refers_to_it(
    database: Database, alice: OwnerId, next_migration: Path
) -> None:
    chat = await write_message(database, alice)
    write_migration(next_migration, REBUILD_SESSIONS)
    await upgrade(database)
    async with database.writing(EVERYBODY) as db:
        assert [message.content for message in (await list_messages(db, alice, chat, 9, None)).items] == ["keep me"]
        await db.execute(text("DELETE FROM chat_sessions"))
        # The rule holds again on every connection.
        assert (await list_messages(db, alice, chat, 9, None)).items == []


async def test_a_migration_that_leaves_orphans_is_undone(tmp_path: Path, alice: OwnerId, next_migration: Path) -> None:
    database = Database(f"sqlite+aiosqlite:///{tmp_path / 'orphans.db'}")
    await upgrade(database)
    chat = await write_message(database, alice)
    write_migration(next_migration, ORPHAN_MESSAGES)
    with pytest.raises(DatabaseUnusable, match="messages"):
        await upgrade(database)
    async with database.reading(EVERYBODY) as db:
        assert len((await list_messages(db, alice, chat, 9, None)).items) == 1
    await database.aclose()


async def test_a_newer_database_is_refused_in_words(database: Database) -> None:
    async with database.writing(EVERYBODY) as db:
        await db.execute(
            text("UPDATE alembic_version SET version_num = '9999_next' WHERE version_num = '0006_retrieval'")
        )
    assert not await is_current(database)
    with pytest.raises(DatabaseUnusable, match=r"CHATKEEP_DATABASE_URL: .*newer chatkeep .*9999_next"):
        await upgrade(database)

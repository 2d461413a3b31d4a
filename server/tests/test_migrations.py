"""The schema's history: up, down, up again, and equal to what the code believes."""

import asyncio

from alembic import command
from sqlalchemy import Connection, inspect

from chatkeep.db import Database
from chatkeep.migrations.schema import alembic_config, downgrade, is_current, upgrade


def _tables(connection: Connection) -> set[str]:
    return set(inspect(connection).get_table_names()) - {"alembic_version"}


async def test_up_down_up(database: Database) -> None:
    async with database.reading() as db:
        before = await db.connection.run_sync(_tables)
    assert {"chat_sessions", "messages", "generations"} < before
    await downgrade(database)
    async with database.reading() as db:
        assert await db.connection.run_sync(_tables) == set()
    assert not await is_current(database)
    await upgrade(database)
    assert await is_current(database)
    async with database.reading() as db:
        assert await db.connection.run_sync(_tables) == before


async def test_the_tables_in_code_are_the_tables_in_the_database(database: Database) -> None:
    async with database.writing() as db:
        await db.connection.run_sync(lambda connection: command.check(alembic_config(connection)))


async def test_instances_that_start_together_migrate_once(database_url: str) -> None:
    databases = [Database(database_url) for _ in range(4)]
    await asyncio.gather(*(upgrade(database) for database in databases))
    assert all([await is_current(database) for database in databases])
    for database in databases:
        await database.aclose()

"""Bring the database to the newest schema, at start or by `chatkeep migrate`; one process at a time."""

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, MetaData, text

from chatkeep.chat import tables as chat_tables
from chatkeep.db import Database
from chatkeep.identity import AUTH_MIGRATIONS, auth_metadata

# Any number will do, as long as no other program on the same database takes it: "chatkeep" on a telephone keypad.
_ADVISORY_LOCK = 24285337


def target_metadata() -> list[MetaData]:
    """Every table, for `alembic check`."""
    return [chat_tables.messages.metadata, auth_metadata]


def alembic_config(connection: Connection | None = None) -> Config:
    """Alembic's configuration without an ini file: both branches, and the connection to run on."""
    config = Config()
    here = Path(__file__).parent
    config.set_main_option("script_location", str(here).replace("%", "%%"))
    config.set_main_option("path_separator", "newline")
    locations = f"{here / 'versions'}\n{AUTH_MIGRATIONS}"
    config.set_main_option("version_locations", locations.replace("%", "%%"))
    config.attributes["connection"] = connection
    return config


async def upgrade(database: Database) -> None:
    """To the newest revision of both branches. Instances that start together wait for the first of them."""

    def run(connection: Connection) -> None:
        if connection.dialect.name == "postgresql":
            connection.execute(text("SELECT pg_advisory_xact_lock(:id)"), {"id": _ADVISORY_LOCK})
        command.upgrade(alembic_config(connection), "heads")

    async with database.writing() as db:
        await db.connection.run_sync(run)


async def downgrade(database: Database) -> None:
    """To nothing: every table goes, with what is in it."""
    async with database.writing() as db:
        await db.connection.run_sync(lambda connection: command.downgrade(alembic_config(connection), "base"))


async def is_current(database: Database) -> bool:
    """Whether the database has the schema that this program expects."""
    expected = set(ScriptDirectory.from_config(alembic_config()).get_heads())

    def heads(connection: Connection) -> set[str]:
        return set(MigrationContext.configure(connection).get_current_heads())

    async with database.reading() as db:
        return await db.connection.run_sync(heads) == expected

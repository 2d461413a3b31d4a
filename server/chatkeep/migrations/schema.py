"""Bring the database to the newest schema, at start or by `chatkeep migrate`; one process at a time."""

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, MetaData, text
from sqlalchemy.exc import DBAPIError

from chatkeep.chat import tables as chat_tables
from chatkeep.db import Database, DatabaseUnusable, driver_says, metadata
from chatkeep.identity import AUTH_MIGRATIONS, auth_metadata
from chatkeep.limits import tables as limits_tables
from chatkeep.outages import AWAY
from chatkeep.rag import tables as rag_tables
from chatkeep.row_security import EVERYBODY, NoRoleForRows, provide_role

# Any number will do, as long as no other program on the same database takes it: "chatkeep" on a telephone keypad.
_ADVISORY_LOCK = 24285337

# Whose tables are in the one `metadata` once they are imported.
SLICES = (chat_tables, limits_tables, rag_tables)

_HERE = Path(__file__).parent
VERSIONS = f"{_HERE / 'versions'}\n{AUTH_MIGRATIONS}"
"""Where the migrations of all branches lie, a folder a line."""


def target_metadata() -> list[MetaData]:
    """Every table, for `alembic check`."""
    return [metadata, auth_metadata]


def alembic_config(connection: Connection | None = None) -> Config:
    """Alembic's configuration without an ini file: both branches, and the connection to run on."""
    config = Config()
    config.set_main_option("script_location", str(_HERE).replace("%", "%%"))
    config.set_main_option("path_separator", "newline")
    config.set_main_option("version_locations", VERSIONS.replace("%", "%%"))
    config.attributes["connection"] = connection
    return config


async def upgrade(database: Database) -> None:
    """To the newest revision of both branches. Instances that start together wait for the first of them.

    Raises:
        DatabaseUnusable: a newer program has been here, a migration fails, or the database's user is beyond row-level
            security and cannot be held to it; the database is as it was.
    """

    def run(connection: Connection) -> None:
        if connection.dialect.name == "postgresql":
            connection.execute(text("SELECT pg_advisory_xact_lock(:id)"), {"id": _ADVISORY_LOCK})
        _refuse_newer(connection)
        command.upgrade(alembic_config(connection), "heads")
        if connection.dialect.name == "postgresql":
            provide_role(connection, list(metadata.tables))

    try:
        async with database.migrating() as db:
            await db.connection.run_sync(run)
    except NoRoleForRows as error:
        raise DatabaseUnusable(f"CHATKEEP_DATABASE_URL: {error}") from None
    except (DBAPIError, *AWAY) as error:
        raise DatabaseUnusable(
            f"CHATKEEP_DATABASE_URL: the schema cannot be brought up to date ({driver_says(error)})"
        ) from error


async def downgrade(database: Database) -> None:
    """To nothing: every table goes, with what is in it."""
    async with database.migrating() as db:
        await db.connection.run_sync(lambda connection: command.downgrade(alembic_config(connection), "base"))


async def is_current(database: Database) -> bool:
    """Whether the database has the schema that this program expects.

    Raises:
        DatabaseUnusable: it does not answer.
    """
    expected = set(ScriptDirectory.from_config(alembic_config()).get_heads())
    try:
        async with database.reading(EVERYBODY) as db:
            return await db.connection.run_sync(_heads) == expected
    except (OSError, DBAPIError, *AWAY) as error:
        raise DatabaseUnusable("CHATKEEP_DATABASE_URL: the database does not answer") from error


def _heads(connection: Connection) -> set[str]:
    return set(MigrationContext.configure(connection).get_current_heads())


def _refuse_newer(connection: Connection) -> None:
    known = {script.revision for script in ScriptDirectory.from_config(alembic_config()).walk_revisions()}
    unknown = sorted(_heads(connection) - known)
    if unknown:
        raise DatabaseUnusable(
            f"CHATKEEP_DATABASE_URL: a newer chatkeep has used this database (its schema is {', '.join(unknown)}). "
            "Install that version again, or restore the backup from before."
        )

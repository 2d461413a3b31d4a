"""Migrations, for hosts with Alembic and for hosts without.

A host with Alembic adds `VERSIONS` to its `version_locations` and upgrades to `heads`: authkeep is a branch of its
own, labelled `authkeep`. A host without calls `migrate(engine)`. One or the other, not both: they remember what they
did in different tables.
"""

from pathlib import Path

from alembic.config import Config
from alembic.runtime.environment import EnvironmentContext
from alembic.runtime.migration import MigrationContext, MigrationStep
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text
from sqlalchemy.ext.asyncio import AsyncEngine

from authkeep.sql.tables import metadata

_LOCATION = Path(__file__).parent / "migrations"
VERSIONS = str(_LOCATION / "versions")
_VERSION_TABLE = "authkeep_alembic_version"
_LOCK = 0x61757468


async def migrate(engine: AsyncEngine) -> None:
    """Bring authkeep's tables to the newest version; nothing happens when they are."""
    async with engine.begin() as db:
        if engine.dialect.name == "postgresql":
            # Two processes that start at once: the second waits here and finds nothing left to do.
            await db.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})
        await db.run_sync(_upgrade)


def _upgrade(connection: Connection) -> None:
    config = Config()
    config.set_main_option("script_location", str(_LOCATION))
    script = ScriptDirectory.from_config(config)

    def to_head(revision: str | tuple[str, ...], _: MigrationContext) -> list[MigrationStep]:
        # What `alembic upgrade head` itself calls; there is no public name for it without an env.py.
        return list(script._upgrade_revs("head", revision))  # type: ignore[arg-type] # noqa: SLF001

    with EnvironmentContext(config, script, fn=to_head) as environment:
        environment.configure(connection=connection, target_metadata=metadata, version_table=_VERSION_TABLE)
        with environment.begin_transaction():
            environment.run_migrations()

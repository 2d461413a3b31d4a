"""The host's engine, checked once: what every part of `SqlStore` stands on."""

from sqlalchemy.ext.asyncio import AsyncEngine


class OnEngine:
    """Args:
    engine: the host's; SQLite (aiosqlite) or PostgreSQL (asyncpg). Its pool and its pragmas are the host's matter.

    Raises:
        ValueError: the engine is for another database.
    """

    def __init__(self, engine: AsyncEngine) -> None:
        if engine.dialect.name not in ("sqlite", "postgresql"):
            raise ValueError(f"authkeep stores in SQLite or PostgreSQL, not in {engine.dialect.name}")
        # The row locks of the statements mean what they say at READ COMMITTED, whatever the host has chosen for itself.
        is_postgresql = engine.dialect.name == "postgresql"
        self._engine = engine.execution_options(isolation_level="READ COMMITTED") if is_postgresql else engine

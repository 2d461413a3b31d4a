"""The SQLAlchemy adapter: SQLite by aiosqlite, PostgreSQL by asyncpg, on any AsyncEngine of the host."""

from authkeep.sql.counters import SqlCounters
from authkeep.sql.migrate import VERSIONS, migrate
from authkeep.sql.postgres_feed import PostgresFeed
from authkeep.sql.sqlite_feed import SqliteFeed
from authkeep.sql.store import SqlStore
from authkeep.sql.tables import metadata

__all__ = ["VERSIONS", "PostgresFeed", "SqlCounters", "SqlStore", "SqliteFeed", "metadata", "migrate"]

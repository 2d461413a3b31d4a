"""`SqlStore`: the storage port on SQLAlchemy Core.

Every write transaction begins with a write. On SQLite that takes the write lock at once, where a read first would
hold a snapshot that cannot be upgraded once another connection has written (SQLITE_BUSY, however long the timeout).
On PostgreSQL it takes the row lock, so that what is read next is what will be true at commit. Neither needs an
event hook on the host's engine.
"""

from authkeep.sql.api_keys import SqlApiKeys
from authkeep.sql.audit import SqlAuditTrail
from authkeep.sql.deletions import SqlDeletions
from authkeep.sql.directory import SqlDirectory
from authkeep.sql.factors import SqlFactors
from authkeep.sql.identities import SqlIdentities
from authkeep.sql.logins import SqlLogins
from authkeep.sql.revocations import SqlRevocations
from authkeep.sql.tickets import SqlTickets
from authkeep.sql.users import SqlUsers


class SqlStore(
    SqlUsers,
    SqlDirectory,
    SqlDeletions,
    SqlLogins,
    SqlRevocations,
    SqlTickets,
    SqlFactors,
    SqlIdentities,
    SqlApiKeys,
    SqlAuditTrail,
):
    """Args:
    engine: the host's; SQLite (aiosqlite) or PostgreSQL (asyncpg). Its pool and its pragmas are the host's matter.

    Raises:
        ValueError: the engine is for another database.
    """

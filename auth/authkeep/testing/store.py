"""`MemoryStore`: the storage port without a database."""

from authkeep.testing.api_keys import MemoryApiKeys
from authkeep.testing.audit import MemoryAuditTrail
from authkeep.testing.deletions import MemoryDeletions
from authkeep.testing.directory import MemoryDirectory
from authkeep.testing.identities import MemoryIdentities
from authkeep.testing.revocations import MemoryRevocations
from authkeep.testing.tickets import MemoryTickets


class MemoryStore(
    MemoryDirectory,
    MemoryDeletions,
    MemoryRevocations,
    MemoryTickets,
    MemoryIdentities,
    MemoryApiKeys,
    MemoryAuditTrail,
):
    """A `Store` in dictionaries; it passes the behaviour suite that the SQL store passes."""

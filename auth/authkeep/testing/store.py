"""`MemoryStore`: the storage port without a database."""

from authkeep.testing.audit import MemoryAuditTrail
from authkeep.testing.revocations import MemoryRevocations
from authkeep.testing.tickets import MemoryTickets
from authkeep.testing.users import MemoryUsers


class MemoryStore(MemoryUsers, MemoryRevocations, MemoryTickets, MemoryAuditTrail):
    """A `Store` in dictionaries; it passes the behaviour suite that the SQL store passes."""

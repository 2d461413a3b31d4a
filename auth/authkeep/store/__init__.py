"""The storage port: one Protocol per aggregate, and the frozen records that cross it.

Each method is one transaction, committed when it returns. A change that must bite at once writes its revocation
in the transaction of the change, so there is no instant at which one is stored and the other is not; and the event that
the audit trail shall have is written there too.

Adapters: `authkeep.sql.SqlStore` (SQLite, PostgreSQL) and `authkeep.testing.MemoryStore`. One behaviour suite
runs against all of them.
"""

from typing import Protocol

from authkeep.store.api_keys import ApiKey, ApiKeys
from authkeep.store.audit import AuditAction, AuditEvent, AuditFilter, AuditTrail, Outcome
from authkeep.store.deletions import Deletion, Deletions
from authkeep.store.directory import Directory, UserEntry, UserFilter
from authkeep.store.factors import Factors, FactorsHeld, Passkey, Totp
from authkeep.store.identities import Identities, Identity
from authkeep.store.logins import Ancestor, Login, Logins, Rotation
from authkeep.store.revocations import ONE_BY_ONE, Ending, EndReason, Revocation, RevocationFeed, Revocations
from authkeep.store.tickets import Purpose, Ticket, Tickets
from authkeep.store.users import Admission, FirstAdmin, User, UserChange, Users

__all__ = [
    "ONE_BY_ONE",
    "Admission",
    "Ancestor",
    "ApiKey",
    "ApiKeys",
    "AuditAction",
    "AuditEvent",
    "AuditFilter",
    "AuditTrail",
    "Deletion",
    "Deletions",
    "Directory",
    "EndReason",
    "Ending",
    "Factors",
    "FactorsHeld",
    "FirstAdmin",
    "Identities",
    "Identity",
    "Login",
    "Logins",
    "Outcome",
    "Passkey",
    "Purpose",
    "Revocation",
    "RevocationFeed",
    "Revocations",
    "Rotation",
    "Store",
    "Ticket",
    "Tickets",
    "Totp",
    "User",
    "UserChange",
    "UserEntry",
    "UserFilter",
    "Users",
]


class Store(
    Users,
    Directory,
    Deletions,
    Logins,
    Revocations,
    Tickets,
    Factors,
    Identities,
    ApiKeys,
    AuditTrail,
    FirstAdmin,
    Protocol,
):
    """What `Auth` needs of a database."""

"""authkeep's own tables. A host stores a user's id as an opaque owner and adds nothing here."""

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    DateTime,
    Dialect,
    Double,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    SmallInteger,
    String,
    Table,
    TypeDecorator,
    UniqueConstraint,
)
from sqlalchemy.types import TypeEngine
from typing_extensions import override

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)

_ID = String(36)
_SHA256_HEX = String(64)


class UtcDateTime(TypeDecorator[datetime]):
    """Aware UTC in Python on every database. SQLite has no time zones, so there it is stored without one."""

    impl: TypeEngine[Any] | type[TypeEngine[Any]] = DateTime(timezone=True)
    cache_ok: bool | None = True

    @override
    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        utc = value.astimezone(UTC)
        return utc.replace(tzinfo=None) if dialect.name == "sqlite" else utc

    @override
    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


users = Table(
    "authkeep_users",
    metadata,
    Column("id", _ID, primary_key=True),
    Column("email", String(254), nullable=False),
    Column("email_key", String(512), nullable=False, unique=True),
    Column("name", String(100), nullable=False),
    Column("role", String(16), nullable=False),
    Column("password_hash", String(255)),
    Column("epoch", Integer, nullable=False),
    Column("disabled", Boolean(create_constraint=False), nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("email_verified_at", UtcDateTime),
    Column("last_sign_in_at", UtcDateTime),
)

# One row at most: whoever inserts it is the first admin, and the primary key is the referee.
first_admin = Table(
    "authkeep_first_admin",
    metadata,
    Column("slot", SmallInteger, CheckConstraint("slot = 1", name="one"), primary_key=True, autoincrement=False),
    Column("user_id", _ID, nullable=False),
)

logins = Table(
    "authkeep_logins",
    metadata,
    Column("sid", _ID, primary_key=True),
    Column("user_id", _ID, ForeignKey(users.c.id, ondelete="CASCADE"), nullable=False),
    Column("token_hash", _SHA256_HEX, nullable=False),
    Column("recent", JSON, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("last_used_at", UtcDateTime, nullable=False),
    Column("idle_expires_at", UtcDateTime, nullable=False),
    Column("expires_at", UtcDateTime, nullable=False),
    Column("ended_at", UtcDateTime),
    Column("end_reason", String(32)),
    Column("address", String(64), nullable=False),
    Column("user_agent", String(256), nullable=False),
    Column("authenticated_at", UtcDateTime, nullable=False),
    Column("methods", JSON, nullable=False),
    Index(None, "user_id", "sid"),
    Index(None, "expires_at"),
)

# No foreign key: an entry must outlive the user it was about.
revocations = Table(
    "authkeep_revocations",
    metadata,
    Column("id", _ID, primary_key=True),
    Column("sid", _ID),
    Column("user_id", _ID, nullable=False),
    Column("epoch", Integer),
    Column("expires_at", UtcDateTime, nullable=False),
    Index(None, "expires_at"),
)

tickets = Table(
    "authkeep_tickets",
    metadata,
    Column("id", _ID, primary_key=True),
    Column("purpose", String(32), nullable=False),
    Column("secret_hash", _SHA256_HEX, nullable=False, unique=True),
    Column("user_id", _ID, ForeignKey(users.c.id, ondelete="CASCADE")),
    Column("data", JSON, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("expires_at", UtcDateTime, nullable=False),
    Column("attempts", Integer, nullable=False),
    Index(None, "user_id", "purpose"),
    Index(None, "expires_at"),
)

# One a user. The secret is encrypted with a key of this deployment: unlike a password it must be known to be checked.
totp = Table(
    "authkeep_totp",
    metadata,
    Column("user_id", _ID, ForeignKey(users.c.id, ondelete="CASCADE"), primary_key=True),
    Column("secret", String(255), nullable=False),
    Column("confirmed_at", UtcDateTime),
    Column("last_step", BigInteger, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
)

recovery_codes = Table(
    "authkeep_recovery_codes",
    metadata,
    Column("user_id", _ID, ForeignKey(users.c.id, ondelete="CASCADE"), primary_key=True),
    Column("code_hash", _SHA256_HEX, primary_key=True),
    Column("used_at", UtcDateTime),
)

passkeys = Table(
    "authkeep_passkeys",
    metadata,
    Column("id", _ID, primary_key=True),
    Column("user_id", _ID, ForeignKey(users.c.id, ondelete="CASCADE"), nullable=False),
    Column("credential_id", String(1400), nullable=False, unique=True),
    Column("public_key", LargeBinary, nullable=False),
    Column("sign_count", BigInteger, nullable=False),
    Column("transports", JSON, nullable=False),
    Column("aaguid", String(36), nullable=False),
    Column("backed_up", Boolean(create_constraint=False), nullable=False),
    Column("name", String(100), nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("last_used_at", UtcDateTime),
    Index(None, "user_id", "id"),
)

identities = Table(
    "authkeep_identities",
    metadata,
    Column("id", _ID, primary_key=True),
    Column("user_id", _ID, ForeignKey(users.c.id, ondelete="CASCADE"), nullable=False),
    Column("provider", String(64), nullable=False),
    Column("issuer", String(512), nullable=False),
    Column("subject", String(255), nullable=False),
    Column("email", String(254), nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("last_used_at", UtcDateTime),
    UniqueConstraint("issuer", "subject"),
    Index(None, "user_id", "id"),
)

api_keys = Table(
    "authkeep_api_keys",
    metadata,
    Column("id", _ID, primary_key=True),
    Column("user_id", _ID, ForeignKey(users.c.id, ondelete="CASCADE"), nullable=False),
    Column("name", String(100), nullable=False),
    Column("hint", String(16), nullable=False),
    Column("secret_hash", _SHA256_HEX, nullable=False, unique=True),
    Column("scopes", JSON, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("expires_at", UtcDateTime),
    Column("last_used_at", UtcDateTime),
    Index(None, "user_id", "id"),
)

# No foreign key: a row is written when its user goes, and stays until the host has followed.
deletions = Table(
    "authkeep_deletions",
    metadata,
    Column("user_id", _ID, primary_key=True),
    Column("deleted_at", UtcDateTime, nullable=False),
)

# No foreign key: the trail outlives the users in it.
audit = Table(
    "authkeep_audit",
    metadata,
    Column("id", _ID, primary_key=True),
    Column("at", UtcDateTime, nullable=False),
    Column("action", String(64), nullable=False),
    Column("outcome", String(16), nullable=False),
    Column("actor_id", _ID),
    Column("subject_id", _ID),
    Column("login_id", _ID),
    Column("address", String(64), nullable=False),
    Column("user_agent", String(256), nullable=False),
    Column("details", JSON, nullable=False),
    Index(None, "actor_id", "id"),
    Index(None, "subject_id", "id"),
    Index(None, "action", "id"),
)

# `arrival` is the theoretical arrival time of `authkeep.throttle`, in Unix seconds; `key` a digest of who it is about.
counters = Table(
    "authkeep_counters",
    metadata,
    Column("key", _SHA256_HEX, primary_key=True),
    Column("arrival", Double, nullable=False),
    Index(None, "arrival"),
)

"""authkeep's own tables. A host stores a user's id as an opaque owner and adds nothing here."""

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
    JSON,
    Boolean,
    CheckConstraint,
    Column,
    DateTime,
    Dialect,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    SmallInteger,
    String,
    Table,
    TypeDecorator,
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

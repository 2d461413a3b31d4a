"""Branches, the bin, temporary chats, reasoning, how answers ended, and what has been used."""

import sqlalchemy as sa
from alembic import op

from chatkeep.db import UtcDateTime
from chatkeep.row_security import guard

revision = "0003_streams"
down_revision = "0002_row_security"
branch_labels = None
depends_on = None

_ID = sa.Uuid(as_uuid=False)
_IS_DELETED = sa.text("deleted_at IS NOT NULL")
_IS_HELD = sa.text("settled_at IS NULL")
_EXPIRES = sa.text("expires_at IS NOT NULL")
_IS_ROOT = sa.text("parent_id IS NULL")
_SESSION_COLUMNS = (
    ("titled_by", sa.String(16)),
    ("leaf_id", _ID),
    ("pinned_at", UtcDateTime),
    ("archived_at", UtcDateTime),
    ("deleted_at", UtcDateTime),
    ("expires_at", UtcDateTime),
)


def upgrade() -> None:
    for name, type_ in _SESSION_COLUMNS:
        op.add_column("chat_sessions", sa.Column(name, type_))
    op.create_index(
        "ix_chat_sessions_deleted_at",
        "chat_sessions",
        ["deleted_at"],
        sqlite_where=_IS_DELETED,
        postgresql_where=_IS_DELETED,
    )
    op.create_index(
        "ix_chat_sessions_expires_at", "chat_sessions", ["expires_at"], sqlite_where=_EXPIRES, postgresql_where=_EXPIRES
    )
    op.add_column("messages", sa.Column("reasoning", sa.Text()))
    op.create_index(
        "ix_messages_roots", "messages", ["session_id", "id"], sqlite_where=_IS_ROOT, postgresql_where=_IS_ROOT
    )
    op.add_column("generations", sa.Column("ending", sa.JSON()))
    _create_usage()


def _create_usage() -> None:
    op.create_table(
        "usage_records",
        sa.Column("id", _ID, nullable=False),
        sa.Column("owner", sa.String(64), nullable=False),
        sa.Column("model", sa.String(200)),
        sa.Column("provider", sa.String(64)),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("api_key_id", _ID),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("prompt_tokens", sa.Integer(), nullable=False),
        sa.Column("completion_tokens", sa.Integer(), nullable=False),
        sa.Column("cost_micros", sa.BigInteger(), nullable=False),
        sa.Column("created_at", UtcDateTime, nullable=False),
        sa.Column("settled_at", UtcDateTime),
        sa.PrimaryKeyConstraint("id", name="pk_usage_records"),
    )
    op.create_index("ix_usage_records_owner_created_at", "usage_records", ["owner", "created_at"])
    op.create_index(
        "ix_usage_records_held", "usage_records", ["owner"], sqlite_where=_IS_HELD, postgresql_where=_IS_HELD
    )
    op.create_table(
        "usage_days",
        sa.Column("owner", sa.String(64), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("model", sa.String(200), nullable=False),
        sa.Column("requests", sa.BigInteger(), nullable=False),
        sa.Column("prompt_tokens", sa.BigInteger(), nullable=False),
        sa.Column("completion_tokens", sa.BigInteger(), nullable=False),
        sa.Column("cost_micros", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("owner", "day", "model", name="pk_usage_days"),
    )
    op.create_index("ix_usage_days_day", "usage_days", ["day"])
    if op.get_context().dialect.name == "postgresql":
        for statement in (*guard("usage_records"), *guard("usage_days")):
            op.execute(statement)


def downgrade() -> None:
    op.drop_table("usage_days")
    op.drop_table("usage_records")
    op.drop_index("ix_messages_roots", "messages")
    op.drop_column("generations", "ending")
    op.drop_column("messages", "reasoning")
    op.drop_index("ix_chat_sessions_expires_at", "chat_sessions")
    op.drop_index("ix_chat_sessions_deleted_at", "chat_sessions")
    for name, _ in reversed(_SESSION_COLUMNS):
        op.drop_column("chat_sessions", name)

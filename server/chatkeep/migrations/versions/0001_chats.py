"""Chat sessions, messages, generations."""

import sqlalchemy as sa
from alembic import op

from chatkeep.db import UtcDateTime

revision = "0001_chats"
down_revision = None
branch_labels = ("chatkeep",)
depends_on = None

_IS_RUNNING = sa.text("state IN ('queued', 'running')")
_ID = sa.Uuid(as_uuid=False)


def upgrade() -> None:
    op.create_table(
        "chat_sessions",
        sa.Column("id", _ID, nullable=False),
        sa.Column("owner", sa.String(64), nullable=False),
        sa.Column("title", sa.String(200)),
        sa.Column("model", sa.String(200)),
        sa.Column("created_at", UtcDateTime, nullable=False),
        sa.Column("updated_at", UtcDateTime, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_chat_sessions"),
    )
    op.create_index("ix_chat_sessions_owner_updated_at_id", "chat_sessions", ["owner", "updated_at", "id"])
    _create_messages()
    _create_generations()


def _create_messages() -> None:
    op.create_table(
        "messages",
        sa.Column("id", _ID, nullable=False),
        sa.Column("owner", sa.String(64), nullable=False),
        sa.Column("session_id", _ID, nullable=False),
        sa.Column("parent_id", _ID),
        sa.Column("role", sa.String(16), nullable=False),
        sa.Column("content", sa.Text, nullable=False),
        sa.Column("status", sa.String(16), nullable=False),
        sa.Column("model", sa.String(200)),
        sa.Column("citations", sa.JSON, nullable=False),
        sa.Column("usage", sa.JSON),
        sa.Column("error", sa.JSON),
        sa.Column("created_at", UtcDateTime, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_messages"),
        sa.ForeignKeyConstraint(
            ["session_id"], ["chat_sessions.id"], name="fk_messages_session_id", ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["parent_id"], ["messages.id"], name="fk_messages_parent_id", ondelete="SET NULL"),
    )
    op.create_index("ix_messages_session_id_id", "messages", ["session_id", "id"])
    op.create_index("ix_messages_parent_id", "messages", ["parent_id"])


def _create_generations() -> None:
    op.create_table(
        "generations",
        sa.Column("id", _ID, nullable=False),
        sa.Column("owner", sa.String(64), nullable=False),
        sa.Column("session_id", _ID, nullable=False),
        sa.Column("user_message_id", _ID, nullable=False),
        sa.Column("message_id", _ID, nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("model", sa.String(200)),
        sa.Column("last_seq", sa.Integer),
        sa.Column("idempotency_key", sa.String(255)),
        sa.Column("request_digest", sa.String(64), nullable=False),
        sa.Column("stop_requested_at", UtcDateTime),
        sa.Column("heartbeat_at", UtcDateTime, nullable=False),
        sa.Column("created_at", UtcDateTime, nullable=False),
        sa.Column("finished_at", UtcDateTime),
        sa.PrimaryKeyConstraint("id", name="pk_generations"),
        sa.ForeignKeyConstraint(
            ["session_id"], ["chat_sessions.id"], name="fk_generations_session_id", ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["user_message_id"], ["messages.id"], name="fk_generations_user_message_id", ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["message_id"], ["messages.id"], name="fk_generations_message_id", ondelete="CASCADE"),
    )
    op.create_index("ix_generations_message_id", "generations", ["message_id"])
    op.create_index("ix_generations_user_message_id", "generations", ["user_message_id"])
    op.create_index("uq_generations_idempotency", "generations", ["owner", "idempotency_key"], unique=True)
    for name, column, unique in (
        ("uq_generations_running", "session_id", True),
        ("ix_generations_running", "heartbeat_at", False),
    ):
        op.create_index(
            name, "generations", [column], unique=unique, sqlite_where=_IS_RUNNING, postgresql_where=_IS_RUNNING
        )


def downgrade() -> None:
    op.drop_table("generations")
    op.drop_table("messages")
    op.drop_table("chat_sessions")

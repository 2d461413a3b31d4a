"""Which documents chats and their answers draw on, and how each answer came by its passages."""

import sqlalchemy as sa
from alembic import op

from chatkeep.db import UtcDateTime
from chatkeep.row_security import guard

revision = "0006_retrieval"
down_revision = "0005_documents"
branch_labels = None
depends_on = None

_ID = sa.Uuid(as_uuid=False)


def upgrade() -> None:
    op.add_column("chat_sessions", sa.Column("use_documents", sa.Boolean()))
    op.add_column("chat_sessions", sa.Column("collection_ids", sa.JSON()))
    op.add_column("generations", sa.Column("documents", sa.JSON()))
    op.create_table(
        "retrieval_traces",
        sa.Column("message_id", _ID, nullable=False),
        sa.Column("owner", sa.String(64), nullable=False),
        sa.Column("trace", sa.JSON(), nullable=False),
        sa.Column("created_at", UtcDateTime, nullable=False),
        sa.PrimaryKeyConstraint("message_id", name="pk_retrieval_traces"),
        sa.ForeignKeyConstraint(
            ["message_id"], ["messages.id"], name="fk_retrieval_traces_message_id", ondelete="CASCADE"
        ),
    )
    if op.get_context().dialect.name == "postgresql":
        for statement in guard("retrieval_traces"):
            op.execute(statement)


def downgrade() -> None:
    op.drop_table("retrieval_traces")
    op.drop_column("generations", "documents")
    op.drop_column("chat_sessions", "collection_ids")
    op.drop_column("chat_sessions", "use_documents")

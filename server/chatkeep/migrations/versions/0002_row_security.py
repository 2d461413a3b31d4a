"""Row-level security on PostgreSQL: a transaction sees the rows of the owner that it is for."""

from alembic import op

from chatkeep.row_security import guard, unguard

revision = "0002_row_security"
down_revision = "0001_chats"
branch_labels = None
depends_on = None

_TABLES = ("chat_sessions", "messages", "generations")


def upgrade() -> None:
    _run(*(statement for table in _TABLES for statement in guard(table)))


def downgrade() -> None:
    _run(*(statement for table in _TABLES for statement in unguard(table)))


def _run(*statements: str) -> None:
    if op.get_context().dialect.name == "postgresql":
        for statement in statements:
            op.execute(statement)

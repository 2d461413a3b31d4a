"""Accounts, logins, revocations, and the claim of the first admin."""

import sqlalchemy as sa
from alembic import op

from authkeep.sql.tables import UtcDateTime

revision = "authkeep_0001"
down_revision = None
branch_labels = ("authkeep",)
depends_on = None


def upgrade() -> None:
    op.create_table(
        "authkeep_users",
        sa.Column("id", sa.String(36), nullable=False),
        sa.Column("email", sa.String(254), nullable=False),
        sa.Column("email_key", sa.String(512), nullable=False),
        sa.Column("name", sa.String(100), nullable=False),
        sa.Column("role", sa.String(16), nullable=False),
        sa.Column("password_hash", sa.String(255)),
        sa.Column("epoch", sa.Integer, nullable=False),
        sa.Column("disabled", sa.Boolean, nullable=False),
        sa.Column("created_at", UtcDateTime, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_authkeep_users"),
        sa.UniqueConstraint("email_key", name="uq_authkeep_users_email_key"),
    )
    op.create_table(
        "authkeep_first_admin",
        sa.Column("slot", sa.SmallInteger, autoincrement=False, nullable=False),
        sa.Column("user_id", sa.String(36), nullable=False),
        sa.PrimaryKeyConstraint("slot", name="pk_authkeep_first_admin"),
        sa.CheckConstraint("slot = 1", name=op.f("ck_authkeep_first_admin_one")),
    )
    op.create_table(
        "authkeep_logins",
        sa.Column("sid", sa.String(36), nullable=False),
        sa.Column("user_id", sa.String(36), nullable=False),
        sa.Column("token_hash", sa.String(64), nullable=False),
        sa.Column("recent", sa.JSON, nullable=False),
        sa.Column("created_at", UtcDateTime, nullable=False),
        sa.Column("last_used_at", UtcDateTime, nullable=False),
        sa.Column("idle_expires_at", UtcDateTime, nullable=False),
        sa.Column("expires_at", UtcDateTime, nullable=False),
        sa.Column("ended_at", UtcDateTime),
        sa.Column("end_reason", sa.String(32)),
        sa.Column("address", sa.String(64), nullable=False),
        sa.Column("user_agent", sa.String(256), nullable=False),
        sa.PrimaryKeyConstraint("sid", name="pk_authkeep_logins"),
        sa.ForeignKeyConstraint(
            ["user_id"], ["authkeep_users.id"], name="fk_authkeep_logins_user_id", ondelete="CASCADE"
        ),
    )
    op.create_index("ix_authkeep_logins_user_id_sid", "authkeep_logins", ["user_id", "sid"])
    op.create_index("ix_authkeep_logins_expires_at", "authkeep_logins", ["expires_at"])
    op.create_table(
        "authkeep_revocations",
        sa.Column("id", sa.String(36), nullable=False),
        sa.Column("sid", sa.String(36)),
        sa.Column("user_id", sa.String(36), nullable=False),
        sa.Column("epoch", sa.Integer),
        sa.Column("expires_at", UtcDateTime, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_authkeep_revocations"),
    )
    op.create_index("ix_authkeep_revocations_expires_at", "authkeep_revocations", ["expires_at"])


def downgrade() -> None:
    op.drop_table("authkeep_revocations")
    op.drop_table("authkeep_logins")
    op.drop_table("authkeep_first_admin")
    op.drop_table("authkeep_users")

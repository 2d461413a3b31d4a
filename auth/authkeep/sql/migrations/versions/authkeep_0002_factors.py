"""Tickets, second factors, passkeys, external identities, API keys, and the audit trail."""

import sqlalchemy as sa
from alembic import op

from authkeep.sql.tables import UtcDateTime

revision = "authkeep_0002"
down_revision = "authkeep_0001"
branch_labels = None
depends_on = None

_ID = sa.String(36)
_SHA256_HEX = sa.String(64)


# An event can be removed when an event of pruning, which stays, has said that it would be.
_PRUNED = """EXISTS (SELECT 1 FROM authkeep_audit AS pruning
    WHERE pruning.action = 'audit.pruned' AND pruning.details ->> 'before_id' > OLD.id)"""
_GUARD_IN_SQLITE = (
    """CREATE TRIGGER authkeep_audit_is_not_changed BEFORE UPDATE ON authkeep_audit
    BEGIN SELECT RAISE(ABORT, 'the audit trail is append-only'); END""",
    f"""CREATE TRIGGER authkeep_audit_is_kept BEFORE DELETE ON authkeep_audit WHEN NOT {_PRUNED}
    BEGIN SELECT RAISE(ABORT, 'the audit trail is append-only'); END""",
)
_GUARD_IN_POSTGRESQL = (
    f"""CREATE FUNCTION authkeep_audit_is_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        IF TG_OP = 'DELETE' THEN
            IF {_PRUNED} THEN RETURN OLD; END IF;
        END IF;
        RAISE EXCEPTION 'the audit trail is append-only';
    END $$""",
    """CREATE TRIGGER authkeep_audit_is_kept BEFORE UPDATE OR DELETE ON authkeep_audit
    FOR EACH ROW EXECUTE FUNCTION authkeep_audit_is_append_only()""",
    """CREATE TRIGGER authkeep_audit_is_not_emptied BEFORE TRUNCATE ON authkeep_audit
    FOR EACH STATEMENT EXECUTE FUNCTION authkeep_audit_is_append_only()""",
)


def upgrade() -> None:
    op.add_column("authkeep_users", sa.Column("email_verified_at", UtcDateTime))
    op.add_column("authkeep_users", sa.Column("last_sign_in_at", UtcDateTime))
    op.execute("""UPDATE authkeep_users SET last_sign_in_at =
        (SELECT max(created_at) FROM authkeep_logins WHERE user_id = authkeep_users.id)""")
    _extend_logins()
    _create_tickets()
    _create_factors()
    _create_identities()
    _create_api_keys()
    _create_deletions()
    _create_audit()
    _create_counters()


def _extend_logins() -> None:
    with op.batch_alter_table("authkeep_logins") as logins:
        logins.add_column(sa.Column("authenticated_at", UtcDateTime))
        logins.add_column(sa.Column("methods", sa.JSON))
    # Whoever is signed in gave their password when the login was opened.
    op.execute("""UPDATE authkeep_logins SET authenticated_at = created_at, methods = '["pwd"]'""")
    with op.batch_alter_table("authkeep_logins") as logins:
        logins.alter_column("authenticated_at", nullable=False)
        logins.alter_column("methods", nullable=False)


def _user_id(table: str, *, nullable: bool = False) -> tuple[sa.Column[str], sa.ForeignKeyConstraint]:
    reference = sa.ForeignKeyConstraint(
        ["user_id"], ["authkeep_users.id"], name=f"fk_{table}_user_id", ondelete="CASCADE"
    )
    return sa.Column("user_id", _ID, nullable=nullable), reference


def _create_tickets() -> None:
    op.create_table(
        "authkeep_tickets",
        sa.Column("id", _ID, nullable=False),
        sa.Column("purpose", sa.String(32), nullable=False),
        sa.Column("secret_hash", _SHA256_HEX, nullable=False),
        *_user_id("authkeep_tickets", nullable=True),
        sa.Column("data", sa.JSON, nullable=False),
        sa.Column("created_at", UtcDateTime, nullable=False),
        sa.Column("expires_at", UtcDateTime, nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_authkeep_tickets"),
        sa.UniqueConstraint("secret_hash", name="uq_authkeep_tickets_secret_hash"),
    )
    op.create_index("ix_authkeep_tickets_user_id_purpose", "authkeep_tickets", ["user_id", "purpose"])
    op.create_index("ix_authkeep_tickets_expires_at", "authkeep_tickets", ["expires_at"])


def _create_factors() -> None:
    op.create_table(
        "authkeep_totp",
        *_user_id("authkeep_totp"),
        sa.Column("secret", sa.String(255), nullable=False),
        sa.Column("confirmed_at", UtcDateTime),
        sa.Column("last_step", sa.BigInteger, nullable=False),
        sa.Column("created_at", UtcDateTime, nullable=False),
        sa.PrimaryKeyConstraint("user_id", name="pk_authkeep_totp"),
    )
    op.create_table(
        "authkeep_recovery_codes",
        *_user_id("authkeep_recovery_codes"),
        sa.Column("code_hash", _SHA256_HEX, nullable=False),
        sa.Column("used_at", UtcDateTime),
        sa.PrimaryKeyConstraint("user_id", "code_hash", name="pk_authkeep_recovery_codes"),
    )
    op.create_table(
        "authkeep_passkeys",
        sa.Column("id", _ID, nullable=False),
        *_user_id("authkeep_passkeys"),
        sa.Column("credential_id", sa.String(1400), nullable=False),
        sa.Column("public_key", sa.LargeBinary, nullable=False),
        sa.Column("sign_count", sa.BigInteger, nullable=False),
        sa.Column("transports", sa.JSON, nullable=False),
        sa.Column("aaguid", sa.String(36), nullable=False),
        sa.Column("backed_up", sa.Boolean, nullable=False),
        sa.Column("name", sa.String(100), nullable=False),
        sa.Column("created_at", UtcDateTime, nullable=False),
        sa.Column("last_used_at", UtcDateTime),
        sa.PrimaryKeyConstraint("id", name="pk_authkeep_passkeys"),
        sa.UniqueConstraint("credential_id", name="uq_authkeep_passkeys_credential_id"),
    )
    op.create_index("ix_authkeep_passkeys_user_id_id", "authkeep_passkeys", ["user_id", "id"])


def _create_identities() -> None:
    op.create_table(
        "authkeep_identities",
        sa.Column("id", _ID, nullable=False),
        *_user_id("authkeep_identities"),
        sa.Column("provider", sa.String(64), nullable=False),
        sa.Column("issuer", sa.String(512), nullable=False),
        sa.Column("subject", sa.String(255), nullable=False),
        sa.Column("email", sa.String(254), nullable=False),
        sa.Column("created_at", UtcDateTime, nullable=False),
        sa.Column("last_used_at", UtcDateTime),
        sa.PrimaryKeyConstraint("id", name="pk_authkeep_identities"),
        sa.UniqueConstraint("issuer", "subject", name="uq_authkeep_identities_issuer_subject"),
    )
    op.create_index("ix_authkeep_identities_user_id_id", "authkeep_identities", ["user_id", "id"])


def _create_api_keys() -> None:
    op.create_table(
        "authkeep_api_keys",
        sa.Column("id", _ID, nullable=False),
        *_user_id("authkeep_api_keys"),
        sa.Column("name", sa.String(100), nullable=False),
        sa.Column("hint", sa.String(16), nullable=False),
        sa.Column("secret_hash", _SHA256_HEX, nullable=False),
        sa.Column("scopes", sa.JSON, nullable=False),
        sa.Column("created_at", UtcDateTime, nullable=False),
        sa.Column("expires_at", UtcDateTime),
        sa.Column("last_used_at", UtcDateTime),
        sa.PrimaryKeyConstraint("id", name="pk_authkeep_api_keys"),
        sa.UniqueConstraint("secret_hash", name="uq_authkeep_api_keys_secret_hash"),
    )
    op.create_index("ix_authkeep_api_keys_user_id_id", "authkeep_api_keys", ["user_id", "id"])


def _create_deletions() -> None:
    op.create_table(
        "authkeep_deletions",
        sa.Column("user_id", _ID, nullable=False),
        sa.Column("deleted_at", UtcDateTime, nullable=False),
        sa.PrimaryKeyConstraint("user_id", name="pk_authkeep_deletions"),
    )


def _create_audit() -> None:
    op.create_table(
        "authkeep_audit",
        sa.Column("id", _ID, nullable=False),
        sa.Column("at", UtcDateTime, nullable=False),
        sa.Column("action", sa.String(64), nullable=False),
        sa.Column("outcome", sa.String(16), nullable=False),
        sa.Column("actor_id", _ID),
        sa.Column("subject_id", _ID),
        sa.Column("login_id", _ID),
        sa.Column("address", sa.String(64), nullable=False),
        sa.Column("user_agent", sa.String(256), nullable=False),
        sa.Column("details", sa.JSON, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_authkeep_audit"),
    )
    for column in ("actor_id", "subject_id", "action"):
        op.create_index(f"ix_authkeep_audit_{column}_id", "authkeep_audit", [column, "id"])
    guard = _GUARD_IN_POSTGRESQL if op.get_bind().dialect.name == "postgresql" else _GUARD_IN_SQLITE
    for statement in guard:
        op.execute(statement)


def _create_counters() -> None:
    op.create_table(
        "authkeep_counters",
        sa.Column("key", sa.String(64), nullable=False),
        sa.Column("arrival", sa.Double, nullable=False),
        sa.PrimaryKeyConstraint("key", name="pk_authkeep_counters"),
        # Written at every request that is limited, and worth nothing after a crash.
        prefixes=["UNLOGGED"] if op.get_bind().dialect.name == "postgresql" else [],
    )
    op.create_index("ix_authkeep_counters_arrival", "authkeep_counters", ["arrival"])


def downgrade() -> None:
    for table in (
        "counters",
        "audit",
        "deletions",
        "api_keys",
        "identities",
        "passkeys",
        "recovery_codes",
        "totp",
        "tickets",
    ):
        op.drop_table(f"authkeep_{table}")
    if op.get_bind().dialect.name == "postgresql":
        op.execute("DROP FUNCTION authkeep_audit_is_append_only")
    with op.batch_alter_table("authkeep_logins") as logins:
        logins.drop_column("methods")
        logins.drop_column("authenticated_at")
    op.drop_column("authkeep_users", "last_sign_in_at")
    op.drop_column("authkeep_users", "email_verified_at")

"""Documents, the collections that they are shared in, their chunks, and what is owed when they are deleted.

On PostgreSQL one sees one's own documents and those of one's collections, whoever uploaded them; a collection's owner
and editors write to it. Policies of `documents` and `document_chunks` ask those of the tables they look into.
"""

from collections.abc import Iterable

import sqlalchemy as sa
from alembic import op

from chatkeep.db import UtcDateTime
from chatkeep.row_security import guard_shared

revision = "0005_documents"
down_revision = "0004_search"
branch_labels = None
depends_on = None

_ID = sa.Uuid(as_uuid=False)
_IS_PERSONAL = sa.text("collection_id IS NULL")
_IS_SHARED = sa.text("collection_id IS NOT NULL")
_IS_UNFINISHED = sa.text("status IN ('queued', 'running')")
_IS_OPEN = sa.text("done_at IS NULL")

# For nobody '*' would be somebody, so it is asked whether there is one.
_SHARED_WITH_ME = (
    "SELECT m.collection_id FROM collection_members m WHERE {{me}} IS NOT NULL AND m.member IN ({{me}}, '*'){more}"
)
_MY_COLLECTIONS = "SELECT c.id FROM collections c WHERE c.owner = {me}"
_READABLE = f"{_MY_COLLECTIONS} UNION ALL {_SHARED_WITH_ME.format(more='')}"
_WRITABLE = f"""{_MY_COLLECTIONS} UNION ALL {_SHARED_WITH_ME.format(more=" AND m.role = 'editor'")}"""
# Whose points and files one may have erased; see `rag.tenants`.
_MY_TENANTS = f"SELECT 'c:' || w.id FROM ({_WRITABLE}) AS w (id)"
_MY_OWN = "collection_id IS NULL AND owner = {me}"

_POLICIES = (
    *guard_shared(
        "collection_members",
        seen="owner = {me} OR member = {me} OR ({me} IS NOT NULL AND member = '*')",
        added="owner = {me}",
        # A member leaves, and makes nothing else of what they may do.
        changed="owner = {me}",
        deleted="owner = {me} OR member = {me}",
    ),
    *guard_shared(
        "collections",
        seen=f"owner = {{me}} OR id IN ({_SHARED_WITH_ME.format(more='')})",
        added="owner = {me}",
        changed="owner = {me}",
    ),
    *guard_shared(
        "documents",
        # What one uploaded counts against one's room, be it where one is no member any more: of that the row, no chunk.
        seen=f"owner = {{me}} OR collection_id IN ({_READABLE})",
        added=f"owner = {{me}} AND (collection_id IS NULL OR collection_id IN ({_WRITABLE}))",
        changed=f"({_MY_OWN}) OR collection_id IN ({_WRITABLE})",
    ),
    *guard_shared(
        "document_chunks",
        seen="EXISTS (SELECT 1 FROM documents d WHERE d.id = document_id"
        f" AND (d.collection_id IS NULL OR d.collection_id IN ({_READABLE})))",
    ),
    *guard_shared("document_erasures", added=f"tenant = 'u:' || {{me}} OR tenant IN ({_MY_TENANTS})"),
)


def upgrade() -> None:
    _create_collections()
    _create_documents()
    _create_books()
    if op.get_context().dialect.name == "postgresql":
        for statement in _POLICIES:
            op.execute(statement)


def downgrade() -> None:
    # The policies of one look into the next.
    for table in (
        "document_indexes",
        "document_erasures",
        "document_chunks",
        "documents",
    ):
        op.drop_table(table)
    if op.get_context().dialect.name == "postgresql":
        op.execute("DROP POLICY seen ON collections")
    op.drop_table("collection_members")
    op.drop_table("collections")


def _create_collections() -> None:
    op.create_table(
        "collections",
        sa.Column("id", _ID, nullable=False),
        sa.Column("owner", sa.String(64), nullable=False),
        sa.Column("name", sa.String(200), nullable=False),
        sa.Column("description", sa.Text(), nullable=False),
        sa.Column("created_at", UtcDateTime, nullable=False),
        sa.Column("updated_at", UtcDateTime, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_collections"),
        sa.UniqueConstraint("id", "owner", name="uq_collections_id_owner"),
    )
    op.create_index("ix_collections_owner_id", "collections", ["owner", "id"])
    op.create_table(
        "collection_members",
        sa.Column("collection_id", _ID, nullable=False),
        sa.Column("owner", sa.String(64), nullable=False),
        sa.Column("member", sa.String(64), nullable=False),
        sa.Column("role", sa.String(16), nullable=False),
        sa.Column("created_at", UtcDateTime, nullable=False),
        sa.PrimaryKeyConstraint("collection_id", "member", name="pk_collection_members"),
        sa.ForeignKeyConstraint(
            ["collection_id", "owner"],
            ["collections.id", "collections.owner"],
            name="fk_collection_members_collection_id_owner",
            ondelete="CASCADE",
        ),
        sa.CheckConstraint("member <> '*' OR role = 'reader'", name="ck_collection_members_everyone_reads"),
    )
    op.create_index("ix_collection_members_member", "collection_members", ["member"])


def _create_documents() -> None:
    op.create_table(
        "documents",
        sa.Column("id", _ID, nullable=False),
        sa.Column("owner", sa.String(64), nullable=False),
        sa.Column("collection_id", _ID),
        sa.Column("sha256", sa.String(64), nullable=False),
        sa.Column("filename", sa.String(255), nullable=False),
        sa.Column("media_type", sa.String(100)),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("text_size", sa.BigInteger(), nullable=False),
        sa.Column("status", sa.String(16), nullable=False),
        sa.Column("stage", sa.String(16)),
        sa.Column("done", sa.Integer(), nullable=False),
        sa.Column("total", sa.Integer(), nullable=False),
        sa.Column("pages", sa.Integer()),
        sa.Column("chunks", sa.Integer(), nullable=False),
        sa.Column("title", sa.String(300)),
        sa.Column("notices", sa.JSON(), nullable=False),
        sa.Column("error", sa.JSON()),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("delays", sa.Integer(), nullable=False),
        sa.Column("due_at", UtcDateTime, nullable=False),
        sa.Column("claim", _ID),
        sa.Column("claimed_at", UtcDateTime),
        sa.Column("heartbeat_at", UtcDateTime),
        sa.Column("indexed_in", sa.String(100)),
        sa.Column("created_at", UtcDateTime, nullable=False),
        sa.Column("updated_at", UtcDateTime, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_documents"),
        sa.ForeignKeyConstraint(
            ["collection_id"], ["collections.id"], name="fk_documents_collection_id", ondelete="CASCADE"
        ),
    )
    _index("uq_documents_personal", ["owner", "sha256"], _IS_PERSONAL, unique=True)
    _index("uq_documents_shared", ["collection_id", "sha256"], _IS_SHARED, unique=True)
    _index("ix_documents_owner_created_at_id", ["owner", "created_at", "id"])
    _index("ix_documents_collection_id_created_at_id", ["collection_id", "created_at", "id"])
    _index("ix_documents_owner_claimed_at", ["owner", "claimed_at"])
    _index("ix_documents_unfinished", ["owner", "due_at"], _IS_UNFINISHED)
    _index("ix_documents_indexed_in", ["indexed_in"])
    op.create_table(
        "document_chunks",
        sa.Column("document_id", _ID, nullable=False),
        sa.Column("n", sa.Integer(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("page", sa.Integer()),
        sa.Column("headings", sa.JSON(), nullable=False),
        sa.Column("start", sa.Integer(), nullable=False),
        sa.Column("end", sa.Integer(), nullable=False),
        sa.Column("tokens", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("document_id", "n", name="pk_document_chunks"),
        sa.ForeignKeyConstraint(
            ["document_id"], ["documents.id"], name="fk_document_chunks_document_id", ondelete="CASCADE"
        ),
    )


def _create_books() -> None:
    """What is owed to those who deleted, and which indexes there are."""
    op.create_table(
        "document_erasures",
        sa.Column("id", _ID, nullable=False),
        sa.Column("tenant", sa.String(80), nullable=False),
        sa.Column("document_id", _ID),
        sa.Column("requested_at", UtcDateTime, nullable=False),
        sa.Column("due_at", UtcDateTime, nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("documents", sa.Integer(), nullable=False),
        sa.Column("points", sa.Integer(), nullable=False),
        sa.Column("files", sa.Integer(), nullable=False),
        sa.Column("done_at", UtcDateTime),
        sa.PrimaryKeyConstraint("id", name="pk_document_erasures"),
    )
    op.create_index(
        "ix_document_erasures_open", "document_erasures", ["due_at"], sqlite_where=_IS_OPEN, postgresql_where=_IS_OPEN
    )
    op.create_table(
        "document_indexes",
        sa.Column("name", sa.String(100), nullable=False),
        sa.Column("model", sa.String(200), nullable=False),
        sa.Column("dimension", sa.Integer(), nullable=False),
        sa.Column("language", sa.String(32)),
        sa.Column("wanted_at", UtcDateTime, nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_document_indexes"),
    )


def _index(name: str, columns: Iterable[str], where: sa.TextClause | None = None, *, unique: bool = False) -> None:
    op.create_index(name, "documents", list(columns), unique=unique, sqlite_where=where, postgresql_where=where)

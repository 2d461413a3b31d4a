"""The tables of documents. `owner` is authkeep's user id, opaque here.

A document is its owner's own, or it is in a collection: then it belongs to that, `owner` says who uploaded it, and the
collection's members alone are asked who may see it. The index holds vectors and weights of words; texts are here, where
the database's own wall stands before them.
"""

from sqlalchemy import (
    JSON,
    BigInteger,
    CheckConstraint,
    Column,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Integer,
    PrimaryKeyConstraint,
    String,
    Table,
    Text,
    UniqueConstraint,
    Uuid,
    text,
)

from chatkeep.db import UtcDateTime, metadata

_Id = Uuid(as_uuid=False)
_IS_PERSONAL = text("collection_id IS NULL")
_IS_SHARED = text("collection_id IS NOT NULL")
_IS_UNFINISHED = text("status IN ('queued', 'running')")
_IS_OPEN = text("done_at IS NULL")

collections = Table(
    "collections",
    metadata,
    Column("id", _Id, primary_key=True),
    Column("owner", String(64), nullable=False),
    Column("name", String(200), nullable=False),
    Column("description", Text, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("updated_at", UtcDateTime, nullable=False),
    # What members refer to, so that nobody but its owner can share a collection.
    UniqueConstraint("id", "owner"),
    Index(None, "owner", "id"),
)

collection_members = Table(
    "collection_members",
    metadata,
    Column("collection_id", _Id, nullable=False),
    # The collection's.
    Column("owner", String(64), nullable=False),
    # A user's id, or '*' for everyone.
    Column("member", String(64), nullable=False),
    Column("role", String(16), nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    PrimaryKeyConstraint("collection_id", "member"),
    ForeignKeyConstraint(["collection_id", "owner"], ["collections.id", "collections.owner"], ondelete="CASCADE"),
    CheckConstraint("member <> '*' OR role = 'reader'", name="everyone_reads"),
    Index(None, "member"),
)

documents = Table(
    "documents",
    metadata,
    Column("id", _Id, primary_key=True),
    Column("owner", String(64), nullable=False),
    Column("collection_id", _Id, ForeignKey("collections.id", ondelete="CASCADE")),
    Column("sha256", String(64), nullable=False),
    Column("filename", String(255), nullable=False),
    # What it is by its bytes; None until it has been read.
    Column("media_type", String(100)),
    Column("size", BigInteger, nullable=False),
    # Of its text in UTF-8: it takes room as well.
    Column("text_size", BigInteger, nullable=False),
    Column("status", String(16), nullable=False),
    Column("stage", String(16)),
    Column("done", Integer, nullable=False),
    Column("total", Integer, nullable=False),
    Column("pages", Integer),
    Column("chunks", Integer, nullable=False),
    Column("title", String(300)),
    Column("notices", JSON, nullable=False),
    Column("error", JSON),
    # How often it was begun without an orderly end, and how often it had to wait for something that was away.
    Column("attempts", Integer, nullable=False),
    Column("delays", Integer, nullable=False),
    Column("due_at", UtcDateTime, nullable=False),
    # Names the run that works on it: whoever holds another has lost it.
    Column("claim", _Id),
    Column("claimed_at", UtcDateTime),
    Column("heartbeat_at", UtcDateTime),
    # The index that holds its points, by name.
    Column("indexed_in", String(100)),
    Column("created_at", UtcDateTime, nullable=False),
    Column("updated_at", UtcDateTime, nullable=False),
    # Equal bytes are one document of the same person, or of the same collection; those of two are two.
    Index(
        "uq_documents_personal",
        "owner",
        "sha256",
        unique=True,
        sqlite_where=_IS_PERSONAL,
        postgresql_where=_IS_PERSONAL,
    ),
    Index(
        "uq_documents_shared",
        "collection_id",
        "sha256",
        unique=True,
        sqlite_where=_IS_SHARED,
        postgresql_where=_IS_SHARED,
    ),
    Index(None, "owner", "created_at", "id"),
    Index(None, "collection_id", "created_at", "id"),
    Index(None, "owner", "claimed_at"),
    Index(
        "ix_documents_unfinished",
        "owner",
        "due_at",
        sqlite_where=_IS_UNFINISHED,
        postgresql_where=_IS_UNFINISHED,
    ),
    Index(None, "indexed_in"),
)

document_chunks = Table(
    "document_chunks",
    metadata,
    Column("document_id", _Id, ForeignKey("documents.id", ondelete="CASCADE"), nullable=False),
    Column("n", Integer, nullable=False),
    Column("text", Text, nullable=False),
    Column("page", Integer),
    Column("headings", JSON, nullable=False),
    Column("start", Integer, nullable=False),
    Column("end", Integer, nullable=False),
    Column("tokens", Integer, nullable=False),
    PrimaryKeyConstraint("document_id", "n"),
)

# What is to be gone outside of SQL, written in the transaction that deletes the rows; afterwards, the receipt for it.
document_erasures = Table(
    "document_erasures",
    metadata,
    Column("id", _Id, primary_key=True),
    Column("tenant", String(80), nullable=False),
    # None: everything of the tenant.
    Column("document_id", _Id),
    Column("requested_at", UtcDateTime, nullable=False),
    Column("due_at", UtcDateTime, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("documents", Integer, nullable=False),
    Column("points", Integer, nullable=False),
    Column("files", Integer, nullable=False),
    Column("done_at", UtcDateTime),
    Index("ix_document_erasures_open", "due_at", sqlite_where=_IS_OPEN, postgresql_where=_IS_OPEN),
)

# The indexes that hold points. The one that was asked for last is being filled; those before it answer meanwhile.
document_indexes = Table(
    "document_indexes",
    metadata,
    Column("name", String(100), primary_key=True),
    Column("model", String(200), nullable=False),
    Column("dimension", Integer, nullable=False),
    Column("language", String(32)),
    Column("wanted_at", UtcDateTime, nullable=False),
)

"""The tables of chats. `owner` is authkeep's user id, opaque here: no foreign key, so each side can live elsewhere."""

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    ForeignKey,
    Identity,
    Index,
    Integer,
    String,
    Table,
    Text,
    Uuid,
    text,
)
from sqlalchemy.dialects.postgresql import TSVECTOR

from chatkeep.db import UtcDateTime, metadata

_Id = Uuid(as_uuid=False)

RUNNING_STATES = ("queued", "running")
_IS_RUNNING = text("state IN ('queued', 'running')")
_IS_DELETED = text("deleted_at IS NOT NULL")
_EXPIRES = text("expires_at IS NOT NULL")
_IS_ROOT = text("parent_id IS NULL")
_HAS_WORDS = text("words IS NOT NULL")

chat_sessions = Table(
    "chat_sessions",
    metadata,
    Column("id", _Id, primary_key=True),
    Column("owner", String(64), nullable=False),
    Column("title", String(200)),
    # "user" or "model", whoever gave the title; None: the first words of the first message.
    Column("titled_by", String(16)),
    Column("model", String(200)),
    # What its answers draw on, where a message says nothing else; None: on documents if there are collections.
    Column("use_documents", Boolean),
    Column("collection_ids", JSON),
    # The newest message of the branch on show; None: the newest of all.
    Column("leaf_id", _Id),
    Column("pinned_at", UtcDateTime),
    Column("archived_at", UtcDateTime),
    Column("deleted_at", UtcDateTime),
    Column("expires_at", UtcDateTime),
    Column("created_at", UtcDateTime, nullable=False),
    Column("updated_at", UtcDateTime, nullable=False),
    Index(None, "owner", "updated_at", "id"),
    Index("ix_chat_sessions_deleted_at", "deleted_at", sqlite_where=_IS_DELETED, postgresql_where=_IS_DELETED),
    Index("ix_chat_sessions_expires_at", "expires_at", sqlite_where=_EXPIRES, postgresql_where=_EXPIRES),
)

messages = Table(
    "messages",
    metadata,
    Column("id", _Id, primary_key=True),
    Column("owner", String(64), nullable=False),
    Column("session_id", _Id, ForeignKey("chat_sessions.id", ondelete="CASCADE"), nullable=False),
    Column("parent_id", _Id, ForeignKey("messages.id", ondelete="SET NULL")),
    Column("role", String(16), nullable=False),
    Column("content", Text, nullable=False),
    Column("reasoning", Text),
    Column("status", String(16), nullable=False),
    Column("model", String(200)),
    Column("citations", JSON, nullable=False),
    Column("usage", JSON),
    Column("error", JSON),
    Column("created_at", UtcDateTime, nullable=False),
    Index(None, "session_id", "id"),
    Index(None, "parent_id"),
    Index("ix_messages_roots", "session_id", "id", sqlite_where=_IS_ROOT, postgresql_where=_IS_ROOT),
)

# What is searched, kept by triggers. It has no owner and so no row-level security: PostgreSQL uses an index behind a
# policy for operators alone that it knows to keep secrets, and text search is none of them. It is read only in a join
# with `messages`, which has both. On SQLite, `id` is the row's number in the FTS5 index, and `words` is empty.
message_words = Table(
    "message_words",
    metadata,
    Column("id", BigInteger().with_variant(Integer(), "sqlite"), Identity(), primary_key=True),
    Column("message_id", _Id, ForeignKey("messages.id", ondelete="CASCADE"), nullable=False, unique=True),
    Column("words", TSVECTOR().with_variant(Text(), "sqlite")),
    Index("ix_message_words_words", "words", postgresql_using="gin", sqlite_where=_HAS_WORDS),
)

generations = Table(
    "generations",
    metadata,
    Column("id", _Id, primary_key=True),
    Column("owner", String(64), nullable=False),
    Column("session_id", _Id, ForeignKey("chat_sessions.id", ondelete="CASCADE"), nullable=False),
    Column("user_message_id", _Id, ForeignKey("messages.id", ondelete="CASCADE"), nullable=False),
    Column("message_id", _Id, ForeignKey("messages.id", ondelete="CASCADE"), nullable=False),
    Column("state", String(16), nullable=False),
    Column("model", String(200)),
    # What it draws on: {"collection_ids": ids, or null for all that is open to the owner}. None: on no documents.
    Column("documents", JSON),
    # The event that the message's text reaches to; once it has ended, its last one.
    Column("last_seq", Integer),
    # What the terminal event says beside its type.
    Column("ending", JSON),
    Column("idempotency_key", String(255)),
    Column("request_digest", String(64), nullable=False),
    Column("stop_requested_at", UtcDateTime),
    Column("heartbeat_at", UtcDateTime, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("finished_at", UtcDateTime),
    # One running generation per session, held by the database and not by whoever remembers to look.
    Index("uq_generations_running", "session_id", unique=True, sqlite_where=_IS_RUNNING, postgresql_where=_IS_RUNNING),
    Index("uq_generations_idempotency", "owner", "idempotency_key", unique=True),
    Index(None, "message_id"),
    Index(None, "user_message_id"),
    Index("ix_generations_running", "heartbeat_at", sqlite_where=_IS_RUNNING, postgresql_where=_IS_RUNNING),
)

# How an answer came by its passages: which were found, by which way, and what was left out.
retrieval_traces = Table(
    "retrieval_traces",
    metadata,
    Column("message_id", _Id, ForeignKey("messages.id", ondelete="CASCADE"), primary_key=True),
    Column("owner", String(64), nullable=False),
    Column("trace", JSON, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
)

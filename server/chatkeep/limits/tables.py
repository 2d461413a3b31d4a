"""The tables of what has been used. `owner` is authkeep's user id, opaque here.

A record is one answer: while it has no `settled_at` it holds its part of a quota. `usage_days` is what has been
settled, added up, so that a quota is checked by some thirty rows and not by every answer of a month.
"""

from sqlalchemy import BigInteger, Column, Date, Index, Integer, PrimaryKeyConstraint, String, Table, Uuid, text

from chatkeep.db import UtcDateTime, metadata

_Id = Uuid(as_uuid=False)
_IS_HELD = text("settled_at IS NULL")

usage_records = Table(
    "usage_records",
    metadata,
    # A generation's, or an id of its own for what came through the OpenAI-compatible door.
    Column("id", _Id, primary_key=True),
    Column("owner", String(64), nullable=False),
    Column("model", String(200)),
    Column("provider", String(64)),
    Column("kind", String(16), nullable=False),
    Column("api_key_id", _Id),
    # waiting (the model has not been asked), reserved (it may have been), settled.
    Column("state", String(16), nullable=False),
    Column("prompt_tokens", Integer, nullable=False),
    Column("completion_tokens", Integer, nullable=False),
    # Millionths of the currency that the price table is in.
    Column("cost_micros", BigInteger, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("settled_at", UtcDateTime),
    Index(None, "owner", "created_at"),
    Index("ix_usage_records_held", "owner", sqlite_where=_IS_HELD, postgresql_where=_IS_HELD),
)

usage_days = Table(
    "usage_days",
    metadata,
    Column("owner", String(64), nullable=False),
    # Of UTC, on which the answers were asked for.
    Column("day", Date, nullable=False),
    # Empty where nobody ever knew which model it would have been.
    Column("model", String(200), nullable=False),
    Column("requests", BigInteger, nullable=False),
    Column("prompt_tokens", BigInteger, nullable=False),
    Column("completion_tokens", BigInteger, nullable=False),
    Column("cost_micros", BigInteger, nullable=False),
    PrimaryKeyConstraint("owner", "day", "model"),
    Index(None, "day"),
)

"""The table of what has been used. `owner` is authkeep's user id, opaque here."""

from sqlalchemy import BigInteger, Column, Index, Integer, String, Table, Uuid

from chatkeep.db import UtcDateTime, metadata

_Id = Uuid(as_uuid=False)

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
    Column("state", String(16), nullable=False),
    Column("prompt_tokens", Integer, nullable=False),
    Column("completion_tokens", Integer, nullable=False),
    # Millionths of the currency that the price table is in.
    Column("cost_micros", BigInteger, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("settled_at", UtcDateTime),
    Index(None, "owner", "created_at"),
)

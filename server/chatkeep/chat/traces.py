"""In SQL, how answers came by their passages; one row for each answer that was given any, or looked for some."""

from datetime import datetime
from typing import Any

from sqlalchemy import delete, insert, select

from chatkeep.chat.messages import write_sources
from chatkeep.chat.tables import retrieval_traces
from chatkeep.db import Db
from chatkeep.identity import OwnerId
from chatkeep.prepared import Prepared

_ADD = Prepared(insert(retrieval_traces))


async def write_retrieval(
    db: Db, owner: OwnerId, message_id: str, citations: list[dict[str, Any]], trace: dict[str, Any], now: datetime
) -> None:
    """Put down what an answer is about to be written from. It has no effect on an answer that has been deleted."""
    if await write_sources(db, owner, message_id, citations):
        # An answer looks once, but may not have heard that it was written down.
        await db.execute(delete(retrieval_traces).where(retrieval_traces.c.message_id == message_id))
        values = {"message_id": message_id, "owner": owner, "trace": trace, "created_at": now}
        await db.execute(_ADD, values)


async def find_trace(db: Db, owner: OwnerId, message_id: str) -> dict[str, Any] | None:
    """Of one of the owner's answers; None where no documents were searched for it, or there is none."""
    this = select(retrieval_traces.c.trace).where(
        retrieval_traces.c.owner == owner, retrieval_traces.c.message_id == message_id
    )
    trace: dict[str, Any] | None = (await db.execute(this)).scalar()
    return trace

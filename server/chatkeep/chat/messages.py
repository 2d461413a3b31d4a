"""Messages in SQL, one row each. Ids rise with time (UUIDv7), so "oldest first" is the order of ids."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Literal

from sqlalchemy import RowMapping, and_, bindparam, insert, select, update
from uuid_utils.compat import uuid7

from chatkeep.chat.records import Message, State
from chatkeep.chat.tables import RUNNING_STATES, generations, messages
from chatkeep.db import Db
from chatkeep.identity import OwnerId
from chatkeep.paging import Cursor, Page

# An answer's generation is of interest only while it runs; the join is on the one that does.
_WITH_GENERATION = select(messages, generations.c.id.label("generation_id")).outerjoin(
    generations, and_(generations.c.message_id == messages.c.id, generations.c.state.in_(RUNNING_STATES))
)


@dataclass(frozen=True, slots=True)
class Turn:
    """A message to be written."""

    role: Literal["user", "assistant"]
    content: str
    parent_id: str | None = None
    status: State = State.COMPLETED
    model: str | None = None


async def add_message(db: Db, owner: OwnerId, session_id: str, turn: Turn, now: datetime) -> Message:
    """Append a turn to a session that the caller has looked up as the owner's."""
    message = Message(
        str(uuid7()),
        session_id,
        turn.parent_id,
        turn.role,
        turn.content,
        turn.status,
        turn.model,
        citations=[],
        usage=None,
        error=None,
        created_at=now,
    )
    await db.execute(
        insert(messages).values(
            owner=owner,
            id=message.id,
            session_id=session_id,
            parent_id=turn.parent_id,
            role=turn.role,
            content=turn.content,
            status=turn.status.value,
            model=turn.model,
            citations=[],
            created_at=now,
        )
    )
    return message


async def find_message(db: Db, owner: OwnerId, message_id: str) -> Message | None:
    """The owner's message, or None."""
    statement = _WITH_GENERATION.where(messages.c.owner == owner, messages.c.id == message_id)
    row = (await db.execute(statement)).mappings().first()
    return _message(row) if row else None


async def find_last_message(db: Db, owner: OwnerId, session_id: str) -> Message | None:
    """The newest message of a session: what the next one follows when it names no parent."""
    statement = _of_session(owner, session_id).order_by(messages.c.id.desc()).limit(1)
    row = (await db.execute(statement)).mappings().first()
    return _message(row) if row else None


async def list_messages(db: Db, owner: OwnerId, session_id: str, limit: int, cursor: Cursor | None) -> Page[Message]:
    """A session's messages, oldest first."""
    statement = _of_session(owner, session_id)
    if cursor is not None:
        statement = statement.where(messages.c.id > cursor.id)
    statement = statement.order_by(messages.c.id).limit(limit + 1)
    found = [_message(row) for row in (await db.execute(statement)).mappings()]
    items = found[:limit]
    more = len(found) > limit
    return Page(items=items, next_cursor=Cursor(items[-1].created_at, items[-1].id).encode() if more else None)


async def list_path(db: Db, owner: OwnerId, session_id: str, leaf_id: str, limit: int) -> list[Message]:
    """The turns from the first to `leaf_id`, by parent; at most the `limit` newest of the session are looked at."""
    statement = (
        select(messages)
        .where(messages.c.owner == owner, messages.c.session_id == session_id, messages.c.id <= leaf_id)
        .order_by(messages.c.id.desc())
        .limit(limit)
    )
    found = [_message(row) for row in (await db.execute(statement)).mappings()]
    by_id = {message.id: message for message in found}
    path: list[Message] = []
    step = by_id.get(leaf_id)
    while step is not None:
        path.append(step)
        step = by_id.pop(step.parent_id, None) if step.parent_id else None
    return path[::-1]


async def write_answer(
    db: Db,
    owner: OwnerId,
    message_id: str,
    content: str,
    status: State,
    model: str | None = None,
    usage: dict[str, int] | None = None,
    error: dict[str, Any] | None = None,
) -> None:
    """Put down what an answer has become."""
    values: dict[str, Any] = {"content": content, "status": status.value, "usage": usage, "error": error}
    if model is not None:
        values["model"] = model
    await db.execute(update(messages).where(messages.c.owner == owner, messages.c.id == message_id).values(**values))


async def write_texts(db: Db, texts: Mapping[str, str]) -> None:
    """Checkpoint answers that are being written, by message id: the runner's own, so no owner is asked."""
    statement = update(messages).where(messages.c.id == bindparam("message")).values(content=bindparam("text"))
    await db.execute(statement, [{"message": message_id, "text": text} for message_id, text in texts.items()])


def _of_session(owner: OwnerId, session_id: str) -> Any:
    return _WITH_GENERATION.where(messages.c.owner == owner, messages.c.session_id == session_id)


def _message(row: RowMapping) -> Message:
    message = Message(
        row["id"],
        row["session_id"],
        row["parent_id"],
        row["role"],
        row["content"],
        State(row["status"]),
        row["model"],
        row["citations"],
        row["usage"],
        row["error"],
        row["created_at"],
    )
    return replace(message, generation_id=row.get("generation_id"))

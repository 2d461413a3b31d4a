"""Messages in SQL, one row each. Ids rise with time (UUIDv7), so "oldest first" is the order of ids."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from sqlalchemy import RowMapping, Select, and_, bindparam, func, insert, select, update
from uuid_utils.compat import uuid7

from chatkeep.chat.records import Message, State
from chatkeep.chat.tables import RUNNING_STATES, generations, messages
from chatkeep.db import Db
from chatkeep.identity import OwnerId
from chatkeep.paging import Cursor, Page
from chatkeep.prepared import Prepared

# An answer's generation is of interest only while it runs; the join is on the one that does.
_WITH_GENERATION = select(messages, generations.c.id.label("generation_id")).outerjoin(
    generations, and_(generations.c.message_id == messages.c.id, generations.c.state.in_(RUNNING_STATES))
)

# Of a UUIDv7 (RFC 9562, section 5.7): version, variant and what is random.
_BITS_BELOW_TIME = 80
_PATH_STEP = 20
_IDS_PER_STATEMENT = 500
# Whatever every answer needs is put together once: that costs more than the database's part in running it.
_ADD = Prepared(insert(messages))
_FIND = Prepared(_WITH_GENERATION.where(messages.c.owner == bindparam("of_owner"), messages.c.id == bindparam("of_id")))
_MINE = and_(messages.c.owner == bindparam("of_owner"), messages.c.session_id == bindparam("of_session"))
_NEWEST = Prepared(select(messages.c.id).where(_MINE).order_by(messages.c.id.desc()).limit(1))
_UP_FROM = Prepared(
    select(messages).where(_MINE, messages.c.id <= bindparam("wanted")).order_by(messages.c.id.desc()).limit(_PATH_STEP)
)
_WRITE = Prepared(
    update(messages).where(messages.c.owner == bindparam("of_owner"), messages.c.id == bindparam("message"))
)
_WRITE_TEXT = Prepared(update(messages).where(messages.c.id == bindparam("message")).values(content=bindparam("text")))

_ROWS_AT_ONCE = 500
_LENGTH = func.length(messages.c.content) + func.coalesce(func.length(messages.c.reasoning), 0)
_MAX_PAGE_CHARACTERS = 4 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Turn:
    """A message to be written."""

    role: Literal["user", "assistant"]
    content: str
    parent_id: str | None = None
    status: State = State.COMPLETED
    model: str | None = None


async def add_message(
    db: Db, owner: OwnerId, session_id: str, turn: Turn, now: datetime, newest_id: str | None = None
) -> Message:
    """Append a turn to a session that the caller has looked up as the owner's.

    Its id is above its parent's and `newest_id`, though another instance, whose clock is ahead, has made those.
    """
    message = Message(
        _id_above(max(turn.parent_id or "", newest_id or "")),
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
    values: dict[str, Any] = {
        "owner": owner,
        "id": message.id,
        "session_id": session_id,
        "parent_id": turn.parent_id,
        "role": turn.role,
        "content": turn.content,
        "status": turn.status.value,
        "model": turn.model,
        "citations": [],
        "created_at": now,
    }
    await db.execute(_ADD, values)
    return message


def _id_above(earlier: str) -> str:
    id_ = uuid7()
    if str(id_) < earlier:
        milliseconds = (UUID(earlier).int >> _BITS_BELOW_TIME) + 1
        id_ = UUID(int=milliseconds << _BITS_BELOW_TIME | id_.int & (1 << _BITS_BELOW_TIME) - 1)
    return str(id_)


async def insert_messages(db: Db, owner: OwnerId, turns: Sequence[Message]) -> None:
    """Write messages down as they are, parents first."""
    for start in range(0, len(turns), _ROWS_AT_ONCE):
        rows = [{"owner": owner, **_row(turn)} for turn in turns[start : start + _ROWS_AT_ONCE]]
        await db.execute(_ADD, rows)


def _row(message: Message) -> dict[str, Any]:
    columns = [field.name for field in fields(Message) if field.name in messages.c]
    return {name: getattr(message, name) for name in columns} | {"status": message.status.value}


async def find_message(db: Db, owner: OwnerId, message_id: str) -> Message | None:
    """The owner's message, or None."""
    row = (await db.execute(_FIND, {"of_owner": owner, "of_id": message_id})).mappings().first()
    return _message(row) if row else None


async def find_newest_id(db: Db, owner: OwnerId, session_id: str) -> str | None:
    """The newest message of a session; None while there is none."""
    found: str | None = (await db.execute(_NEWEST, {"of_owner": owner, "of_session": session_id})).scalar()
    return found


async def list_messages(
    db: Db, owner: OwnerId, session_id: str, limit: int, cursor: Cursor | None, *, newest_first: bool = False
) -> Page[Message]:
    """All messages of a session, those of every branch, oldest first or newest first."""
    id_ = messages.c.id
    wanted = select(id_).where(messages.c.owner == owner, messages.c.session_id == session_id)
    if cursor is not None:
        wanted = wanted.where(id_ < cursor.id if newest_first else id_ > cursor.id)
    wanted = wanted.order_by(id_.desc() if newest_first else id_).limit(limit + 1)
    return await read_page(db, owner, session_id, wanted, limit, newest_first=newest_first)


async def read_page(
    db: Db, owner: OwnerId, session_id: str, wanted: Select[Any], limit: int, *, newest_first: bool
) -> Page[Message]:
    """The messages whose ids `wanted` selects, which asks for one more than `limit` to know whether there is more; a
    page ends after `limit` of them or about 4 MiB of text.
    """
    # Asked for in the same statement, SQLite looks through all messages for those few, once it has statistics.
    chosen = (await db.execute(wanted)).scalars().all()
    order = messages.c.id.desc() if newest_first else messages.c.id
    sizes = select(messages.c.id, _LENGTH).where(messages.c.id.in_(chosen))
    found = (await db.execute(sizes.order_by(order))).all()
    ids = _within([(row[0], row[1]) for row in found[:limit]], _MAX_PAGE_CHARACTERS)
    if not ids:
        return Page(items=[])
    statement = _of_session(owner, session_id).where(messages.c.id.in_(ids)).order_by(order)
    items = [_message(row) for row in (await db.execute(statement)).mappings()]
    # What was there a moment ago may have been deleted with its session.
    more = bool(items) and len(ids) < len(found)
    return Page(items=items, next_cursor=Cursor(items[-1].created_at, items[-1].id).encode() if more else None)


async def list_path(db: Db, owner: OwnerId, session_id: str, leaf_id: str, max_bytes: int) -> list[Message]:
    """The turns up to `leaf_id`, by parent, oldest first; as far back as `max_bytes` of text reach."""
    path: list[Message] = []
    wanted: str | None = leaf_id
    while wanted is not None and max_bytes > 0:
        step = {"of_owner": owner, "of_session": session_id, "wanted": wanted}
        by_id = {row["id"]: _message(row) for row in (await db.execute(_UP_FROM, step)).mappings()}
        if wanted not in by_id:
            break
        while wanted in by_id and max_bytes > 0:
            message = by_id.pop(wanted)
            path.append(message)
            max_bytes -= len(message.content.encode())
            wanted = message.parent_id
    return path[::-1]


async def write_answer(
    db: Db,
    owner: OwnerId,
    message_id: str,
    content: str,
    status: State,
    model: str | None = None,
    usage: dict[str, float] | None = None,
    error: dict[str, Any] | None = None,
) -> None:
    """Put down what an answer has become."""
    values: dict[str, Any] = {"content": content, "status": status.value, "usage": usage, "error": error}
    if model is not None:
        values["model"] = model
    await db.execute(_WRITE, {"of_owner": owner, "message": message_id, **values})


async def write_sources(db: Db, owner: OwnerId, message_id: str, citations: list[dict[str, Any]]) -> bool:
    """What an answer may cite, while it is being written, and then what it does; False if it is not there any more."""
    values = {"of_owner": owner, "message": message_id, "citations": citations}
    return bool((await db.execute(_WRITE, values)).rowcount)


async def write_reasonings(db: Db, reasonings: Mapping[str, str]) -> None:
    """What models thought before they answered, by message id; few do, and fewer endpoints tell. As `write_texts`."""
    statement = update(messages).where(messages.c.id == bindparam("message")).values(reasoning=bindparam("thoughts"))
    await db.execute(statement, [{"message": id_, "thoughts": thoughts} for id_, thoughts in reasonings.items()])


async def set_status(db: Db, owner: OwnerId, message_id: str, status: State) -> None:
    """Change the status alone; the text stays."""
    await db.execute(_WRITE, {"of_owner": owner, "message": message_id, "status": status.value})


async def set_statuses(db: Db, message_ids: Sequence[str], status: State) -> None:
    """Say of answers that are being written whether they wait or run; the runner's own, so no owner is asked."""
    for start in range(0, len(message_ids), _IDS_PER_STATEMENT):
        ids = message_ids[start : start + _IDS_PER_STATEMENT]
        statement = update(messages).where(messages.c.id.in_(ids), messages.c.status.in_(RUNNING_STATES))
        await db.execute(statement.values(status=status.value))


async def write_texts(db: Db, texts: Mapping[str, str]) -> None:
    """Checkpoint answers that are being written, by message id: the runner's own, so no owner is asked."""
    await db.execute(_WRITE_TEXT, [{"message": message_id, "text": text} for message_id, text in texts.items()])


def _within(sizes: Sequence[tuple[str, int]], budget: int) -> list[str]:
    """The first ids whose sizes fit into `budget`; always one, however large."""
    ids: list[str] = []
    for id_, size in sizes:
        budget -= size
        if ids and budget < 0:
            break
        ids.append(id_)
    return ids


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
        row["reasoning"],
    )
    return replace(message, generation_id=row.get("generation_id"))

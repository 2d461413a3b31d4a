"""Chat sessions in SQL. Every function takes the owner first, and someone else's session does not exist."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, RowMapping, and_, delete, exists, insert, or_, select, update
from uuid_utils.compat import uuid7

from chatkeep.chat.records import ChatSession
from chatkeep.chat.tables import chat_sessions, messages
from chatkeep.db import Db
from chatkeep.errors import NotFound
from chatkeep.identity import OwnerId
from chatkeep.paging import Cursor, Page

UNTITLED = "New chat"
TITLE_LENGTH = 60


@dataclass(frozen=True, slots=True)
class SessionChange:
    """What a PATCH may change; None leaves a field as it is."""

    title: str | None = None
    model: str | None = None


async def create_session(db: Db, owner: OwnerId, title: str | None, model: str | None, now: datetime) -> ChatSession:
    """Begin a conversation."""
    session = ChatSession(str(uuid7()), title or UNTITLED, model, now, now)
    row = {"id": session.id, "title": session.title, "model": model, "created_at": now, "updated_at": now}
    await db.execute(insert(chat_sessions).values(owner=owner, **row))
    return session


async def find_session(db: Db, owner: OwnerId, session_id: str) -> ChatSession | None:
    """The owner's session, or None."""
    row = (await db.execute(select(chat_sessions).where(_mine(owner, session_id)))).mappings().first()
    return _session(row) if row else None


async def get_session(db: Db, owner: OwnerId, session_id: str) -> ChatSession:
    """The owner's session.

    Raises:
        NotFound: not there, or not the owner's.
    """
    session = await find_session(db, owner, session_id)
    if session is None:
        raise NotFound
    return session


async def list_sessions(
    db: Db, owner: OwnerId, query: str | None, limit: int, cursor: Cursor | None
) -> Page[ChatSession]:
    """The owner's sessions, the most recently used first; `query` is looked for in titles and texts."""
    statement = select(chat_sessions).where(chat_sessions.c.owner == owner)
    if query and query.strip():
        statement = statement.where(_matches(owner, query.strip()))
    if cursor is not None:
        earlier = chat_sessions.c.updated_at < cursor.moment
        same = and_(chat_sessions.c.updated_at == cursor.moment, chat_sessions.c.id < cursor.id)
        statement = statement.where(or_(earlier, same))
    statement = statement.order_by(chat_sessions.c.updated_at.desc(), chat_sessions.c.id.desc()).limit(limit + 1)
    found = [_session(row) for row in (await db.execute(statement)).mappings()]
    items = found[:limit]
    more = len(found) > limit
    return Page(items=items, next_cursor=Cursor(items[-1].updated_at, items[-1].id).encode() if more else None)


async def change_session(db: Db, owner: OwnerId, session_id: str, change: SessionChange) -> ChatSession:
    """Rename, or choose another model. Order in the list does not change.

    Raises:
        NotFound: not there, or not the owner's.
    """
    values = {name: value for name in ("title", "model") if (value := getattr(change, name)) is not None}
    if values:
        await db.execute(update(chat_sessions).where(_mine(owner, session_id)).values(**values))
    return await get_session(db, owner, session_id)


async def touch_session(db: Db, owner: OwnerId, session: ChatSession, first_words: str, now: datetime) -> None:
    """Move the session to the top; a session without a title takes one from its first message."""
    values: dict[str, object] = {"updated_at": now}
    if session.title == UNTITLED:
        values["title"] = title_from(first_words)
    await db.execute(update(chat_sessions).where(_mine(owner, session.id)).values(**values))


async def delete_session(db: Db, owner: OwnerId, session_id: str) -> None:
    """Delete the session with its messages and generations.

    Raises:
        NotFound: not there, or not the owner's.
    """
    result = await db.execute(delete(chat_sessions).where(_mine(owner, session_id)))
    if result.rowcount == 0:
        raise NotFound


def title_from(text: str) -> str:
    """The first words of a message, cut between words where that leaves enough."""
    line = " ".join(text.split())
    if len(line) <= TITLE_LENGTH:
        return line or UNTITLED
    head = line[:TITLE_LENGTH]
    cut = head.rfind(" ")
    return (head[:cut] if cut > TITLE_LENGTH // 2 else head).rstrip() + "…"


def _mine(owner: OwnerId, session_id: str) -> ColumnElement[bool]:
    return and_(chat_sessions.c.owner == owner, chat_sessions.c.id == session_id)


def _matches(owner: OwnerId, query: str) -> ColumnElement[bool]:
    in_text = exists().where(
        messages.c.session_id == chat_sessions.c.id,
        messages.c.owner == owner,
        messages.c.content.icontains(query, autoescape=True),
    )
    return or_(chat_sessions.c.title.icontains(query, autoescape=True), in_text)


def _session(row: RowMapping) -> ChatSession:
    return ChatSession(row["id"], row["title"], row["model"], row["created_at"], row["updated_at"])

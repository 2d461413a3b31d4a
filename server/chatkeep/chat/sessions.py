"""Chat sessions in SQL. Every function takes the owner first, and someone else's session does not exist."""

import dataclasses
from datetime import datetime
from typing import TypedDict

from sqlalchemy import ColumnElement, RowMapping, and_, delete, exists, func, insert, or_, select, update
from uuid_utils.compat import uuid7

from chatkeep.chat.generations import lock_generations
from chatkeep.chat.records import ChatSession
from chatkeep.chat.tables import chat_sessions, generations, messages
from chatkeep.db import Db
from chatkeep.errors import NotFound
from chatkeep.identity import OwnerId
from chatkeep.paging import Cursor, Page

TITLE_LENGTH = 60


class SessionChanges(TypedDict, total=False):
    """What may be changed; a name that is absent stays as it is."""

    title: str | None
    model: str | None


async def create_session(db: Db, owner: OwnerId, title: str | None, model: str | None, now: datetime) -> ChatSession:
    """Begin a conversation."""
    session = ChatSession(str(uuid7()), title, model, now, now)
    await db.execute(insert(chat_sessions).values(owner=owner, **dataclasses.asdict(session)))
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


async def lock_session(db: Db, owner: OwnerId, session_id: str) -> ChatSession:
    """As `get_session`; others who want to send to it or delete it wait until this transaction ends.

    SQLite has no such lock and needs none: its writers queue anyway.

    Raises:
        NotFound: not there, or not the owner's.
    """
    statement = select(chat_sessions).where(_mine(owner, session_id)).with_for_update()
    row = (await db.execute(statement)).mappings().first()
    if row is None:
        raise NotFound
    return _session(row)


async def change_session(db: Db, owner: OwnerId, session_id: str, changes: SessionChanges) -> ChatSession:
    """Rename, or choose another model; None takes a choice back. Order in the list does not change.

    Raises:
        NotFound: not there, or not the owner's.
    """
    if changes:
        await db.execute(update(chat_sessions).where(_mine(owner, session_id)).values(**changes))
    return await get_session(db, owner, session_id)


async def touch_session(db: Db, owner: OwnerId, session_id: str, first_words: str, now: datetime) -> None:
    """Move the session to the top, and show its newest branch; without a title it takes one from its first message."""
    title = func.coalesce(chat_sessions.c.title, title_from(first_words))
    values = {"updated_at": now, "title": title, "leaf_id": None}
    await db.execute(update(chat_sessions).where(_mine(owner, session_id)).values(values))


async def show_leaf(db: Db, owner: OwnerId, session_id: str, leaf_id: str) -> None:
    """Let `leaf_id`, a message of this session, be the end of the branch on show."""
    await db.execute(update(chat_sessions).where(_mine(owner, session_id)).values(leaf_id=leaf_id))


async def delete_session(db: Db, owner: OwnerId, session_id: str) -> None:
    """Delete the session with its messages and generations.

    Raises:
        NotFound: not there, or not the owner's.
    """
    await lock_session(db, owner, session_id)
    await lock_generations(db, session_id)
    await db.execute(delete(chat_sessions).where(_mine(owner, session_id)))


async def delete_sessions_of(db: Db, owner: OwnerId) -> None:
    """Delete everything of an owner who is no more. What is being written for them finds no row, and stops."""
    await db.execute(select(generations.c.id).where(generations.c.owner == owner).with_for_update())
    await db.execute(delete(chat_sessions).where(chat_sessions.c.owner == owner))


def title_from(text: str) -> str:
    """The first words of a message, cut between words where that leaves enough."""
    line = " ".join(text.split())
    if len(line) <= TITLE_LENGTH:
        return line
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
    return ChatSession(**{field.name: row[field.name] for field in dataclasses.fields(ChatSession)})

"""Chat sessions in SQL. Every function takes the owner first, and someone else's session does not exist."""

import dataclasses
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal, TypedDict

from sqlalchemy import (
    ColumnElement,
    RowMapping,
    and_,
    bindparam,
    case,
    delete,
    false,
    func,
    insert,
    or_,
    select,
    update,
)
from sqlalchemy.exc import IntegrityError
from uuid_utils.compat import uuid7

from chatkeep.chat.document_choice import AS_THE_CHAT_SAYS, DocumentChoice
from chatkeep.chat.generations import lock_generations
from chatkeep.chat.records import ChatSession
from chatkeep.chat.search import matching
from chatkeep.chat.snippets import words_of
from chatkeep.chat.tables import chat_sessions, generations, messages
from chatkeep.db import Db, UtcDateTime
from chatkeep.errors import NotFound
from chatkeep.identity import OwnerId
from chatkeep.paging import Cursor, Page
from chatkeep.prepared import Prepared

TITLE_LENGTH = 60


_AS_IT_IS: tuple[Literal["title", "model", "use_documents", "collection_ids"], ...] = (
    "title",
    "model",
    "use_documents",
    "collection_ids",
)
# A temporary chat goes so long after what was last said in it.
TEMPORARY = timedelta(hours=24)

_FIELDS = tuple(field.name for field in dataclasses.fields(ChatSession))
# Whatever every message needs is put together once: that costs more than the database's part in running it.
_THIS = and_(
    chat_sessions.c.owner == bindparam("of_owner"),
    chat_sessions.c.id == bindparam("of_id"),
    chat_sessions.c.deleted_at.is_(None),
)
_LOCK = Prepared(select(chat_sessions).where(_THIS).with_for_update())
_TOUCH = Prepared(
    update(chat_sessions)
    .where(_THIS)
    .values(
        title=func.coalesce(chat_sessions.c.title, bindparam("words")),
        expires_at=case((chat_sessions.c.expires_at.is_not(None), bindparam("expiry", type_=UtcDateTime))),
    )
)


class SessionExists(Exception):
    """There is one with this id."""


class SessionChanges(TypedDict, total=False):
    """What may be changed; a name that is absent stays as it is."""

    title: str | None
    model: str | None
    pinned: bool
    archived: bool
    use_documents: bool | None
    collection_ids: list[str] | None


@dataclass(frozen=True, slots=True)
class Shelf:
    """Which sessions a list is of. Those in the bin, or those that are not; None: pinned or not, archived or not."""

    deleted: bool = False
    archived: bool | None = None
    pinned: bool | None = None


async def create_session(
    db: Db,
    owner: OwnerId,
    title: str | None,
    model: str | None,
    now: datetime,
    documents: DocumentChoice = AS_THE_CHAT_SAYS,
    *,
    temporary: bool = False,
) -> ChatSession:
    """Begin a conversation, perhaps one that goes by itself."""
    expires_at = now + TEMPORARY if temporary else None
    titled_by = "user" if title is not None else None
    session = ChatSession(
        str(uuid7()),
        title,
        model,
        now,
        now,
        titled_by=titled_by,
        expires_at=expires_at,
        use_documents=documents.use,
        collection_ids=None if documents.collection_ids is None else list(documents.collection_ids),
    )
    await db.execute(insert(chat_sessions).values(owner=owner, **dataclasses.asdict(session)))
    return session


async def insert_session(db: Db, owner: OwnerId, session: ChatSession) -> None:
    """Write a session down as it is.

    Raises:
        SessionExists: another transaction was first to write one with this id.
    """
    try:
        await db.execute(insert(chat_sessions).values(owner=owner, **dataclasses.asdict(session)))
    except IntegrityError:
        raise SessionExists("It is here already.") from None


async def find_any_session(db: Db, owner: OwnerId, session_id: str) -> ChatSession | None:
    """The owner's session, be it in the bin or not; or None."""
    this = and_(chat_sessions.c.owner == owner, chat_sessions.c.id == session_id)
    row = (await db.execute(select(chat_sessions).where(this))).mappings().first()
    return _session(row) if row else None


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
    db: Db, owner: OwnerId, query: str | None, limit: int, cursor: Cursor | None, shelf: Shelf = Shelf()
) -> Page[ChatSession]:
    """The owner's sessions, the most recently used first; `query` is looked for in titles and texts."""
    statement = select(chat_sessions).where(chat_sessions.c.owner == owner, *_on(shelf))
    if query and query.strip():
        statement = statement.where(_matches(db, owner, query.strip()))
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
    row = (await db.execute(_LOCK, {"of_owner": owner, "of_id": session_id})).mappings().first()
    if row is None:
        raise NotFound
    return _session(row)


async def change_session(
    db: Db, owner: OwnerId, session_id: str, changes: SessionChanges, now: datetime
) -> ChatSession:
    """Rename, choose another model or documents (None takes a choice back), pin, archive. Order in the list does not
    change.

    Raises:
        NotFound: not there, or not the owner's.
    """
    values: dict[str, Any] = {name: changes[name] for name in _AS_IT_IS if name in changes}
    if "title" in changes:
        values["titled_by"] = None if changes["title"] is None else "user"
    values |= {f"{name}_at": now if changes[name] else None for name in ("pinned", "archived") if name in changes}
    if values:
        await db.execute(update(chat_sessions).where(_mine(owner, session_id)).values(values))
    return await get_session(db, owner, session_id)


async def touch_session(db: Db, owner: OwnerId, session_id: str, first_words: str, now: datetime) -> None:
    """Move the session to the top, and show its newest branch; without a title it takes one from its first message."""
    values = {"words": title_from(first_words), "expiry": now + TEMPORARY, "updated_at": now, "leaf_id": None}
    await db.execute(_TOUCH, {"of_owner": owner, "of_id": session_id, **values})


async def give_title(db: Db, owner: OwnerId, session_id: str, title: str, instead_of: str) -> bool:
    """Let a model's title stand instead of the first words; False if they are the title no longer, or it is gone."""
    still = (chat_sessions.c.titled_by.is_(None), chat_sessions.c.title == instead_of)
    this = update(chat_sessions).where(_mine(owner, session_id), *still)
    return bool((await db.execute(this.values(title=title, titled_by="model"))).rowcount)


async def show_leaf(db: Db, owner: OwnerId, session_id: str, leaf_id: str) -> None:
    """Let `leaf_id`, a message of this session, be the end of the branch on show."""
    await db.execute(update(chat_sessions).where(_mine(owner, session_id)).values(leaf_id=leaf_id))


async def delete_session(db: Db, owner: OwnerId, session_id: str) -> None:
    """Delete the session with its messages and generations for good, be it in the bin or not.

    Raises:
        NotFound: not there, or not the owner's.
    """
    this = and_(chat_sessions.c.owner == owner, chat_sessions.c.id == session_id)
    if (await db.execute(select(chat_sessions.c.id).where(this).with_for_update())).first() is None:
        raise NotFound
    await lock_generations(db, session_id)
    await db.execute(delete(chat_sessions).where(this))


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
    """What is in the bin is not there, but for those who look into the bin."""
    sessions = chat_sessions.c
    return and_(sessions.owner == owner, sessions.id == session_id, sessions.deleted_at.is_(None))


def _on(shelf: Shelf) -> list[ColumnElement[bool]]:
    asked = (("deleted_at", shelf.deleted), ("archived_at", shelf.archived), ("pinned_at", shelf.pinned))
    columns = ((chat_sessions.c[name], wanted) for name, wanted in asked if wanted is not None)
    return [column.is_not(None) if wanted else column.is_(None) for column, wanted in columns]


def _matches(db: Db, owner: OwnerId, query: str) -> ColumnElement[bool]:
    """What is temporary is not found by what is in it."""
    in_title = chat_sessions.c.title.icontains(query, autoescape=True)
    words = words_of(query)
    in_text = chat_sessions.c.id.in_(matching(db, owner, words, messages.c.session_id)) if words else false()
    return and_(or_(in_title, in_text), chat_sessions.c.expires_at.is_(None))


def _session(row: RowMapping) -> ChatSession:
    return ChatSession(**{name: row[name] for name in _FIELDS})

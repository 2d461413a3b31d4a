"""Full-text search over one's own messages: every word, the last one as the first part of one; the newest first.

A user's words reach the database as one bound value, built here of letters and digits in quotes: there is nothing in it
that FTS5 or PostgreSQL could take for an operator.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Select, Text, cast, column, func, literal, select, table, text
from sqlalchemy.dialects.postgresql import TSQUERY

from chatkeep.chat.snippets import Snippet, is_beginning, snippet_of, words_of
from chatkeep.chat.tables import chat_sessions, message_words, messages
from chatkeep.db import Db
from chatkeep.identity import OwnerId
from chatkeep.paging import Cursor, Page

# As far as the index reaches; see the migration.
_INDEXED_CHARACTERS = 100_000
_INDEX = table("message_index", column("rowid"))


@dataclass(frozen=True, slots=True)
class Hit:
    """A message in which all words were found."""

    session_id: str
    message_id: str
    title: str | None
    role: str
    snippet: Snippet
    created_at: datetime


async def search_messages(db: Db, owner: OwnerId, query: str, limit: int, cursor: Cursor | None) -> Page[Hit]:
    """The owner's messages with all words of `query`; none out of the bin or out of temporary chats."""
    words = words_of(query)
    if not words:
        return Page(items=[])
    columns = (messages.c.id, messages.c.session_id, messages.c.role, messages.c.created_at, chat_sessions.c.title)
    start = func.substr(messages.c.content, 1, _INDEXED_CHARACTERS).label("start")
    statement = (
        select(*columns, start)
        .join(chat_sessions, chat_sessions.c.id == messages.c.session_id)
        .where(
            messages.c.id.in_(matching(db, owner, words, messages.c.id)),
            messages.c.owner == owner,
            chat_sessions.c.deleted_at.is_(None),
            chat_sessions.c.expires_at.is_(None),
        )
    )
    if cursor is not None:
        statement = statement.where(messages.c.id < cursor.id)
    rows = (await db.execute(statement.order_by(messages.c.id.desc()).limit(limit + 1))).all()
    # Beside the loop: to look through fifty long messages takes a second that no stream should wait for.
    items = await asyncio.to_thread(_hits, rows[:limit], words)
    more = len(rows) > limit
    return Page(items=items, next_cursor=Cursor(items[-1].created_at, items[-1].message_id).encode() if more else None)


def _hits(rows: Sequence[Any], words: Sequence[str]) -> list[Hit]:
    return [
        Hit(row.session_id, row.id, row.title, row.role, snippet_of(row.start, words), row.created_at) for row in rows
    ]


def matching(db: Db, owner: OwnerId, words: Sequence[str], wanted: ColumnElement[Any]) -> Select[Any]:
    """`wanted` of the owner's messages with all of `words`, of which there is at least one."""
    found = select(wanted).join(message_words, message_words.c.message_id == messages.c.id)
    has_words = _on_sqlite(owner, words) if db.is_sqlite else _on_postgresql(owner, words)
    return found.where(messages.c.owner == owner, has_words)


def _on_sqlite(owner: OwnerId, words: Sequence[str]) -> ColumnElement[bool]:
    terms = " AND ".join(f'content : "{word}"' for word in words)
    match = f'owner : "{owner.replace("-", "")}" AND {terms}{" *" if is_beginning(words[-1]) else ""}'
    rows = select(_INDEX.c.rowid).where(text("message_index MATCH :match").bindparams(match=match))
    return message_words.c.id.in_(rows)


def _on_postgresql(owner: OwnerId, words: Sequence[str]) -> ColumnElement[bool]:
    # Not by the parser, which would take the id apart; nor can a message have this word, since ':' is none of its.
    of_owner = cast(cast(literal(f"'owner:{owner}'"), Text), TSQUERY)
    wanted = " & ".join(f"'{word}'" for word in words) + (":*" if is_beginning(words[-1]) else "")
    terms = func.to_tsquery(text("'simple'"), wanted, type_=TSQUERY)
    return message_words.c.words.op("@@")(of_owner.op("&&")(terms))

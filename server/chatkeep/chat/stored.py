"""How much of the database an owner's chats take up, near enough to bound it."""

from collections.abc import Sequence

import msgspec
from sqlalchemy import Column, ColumnElement, LargeBinary, Text, and_, cast, func, select

from chatkeep.chat.records import Message
from chatkeep.chat.tables import chat_sessions, messages
from chatkeep.db import Db
from chatkeep.identity import OwnerId

# What a message takes beside its text, with its places in indexes: a million empty ones are not nothing.
_BYTES_PER_ROW = 500
_FLEXIBLE = (messages.c.content, messages.c.reasoning, messages.c.citations, messages.c.usage, messages.c.error)


async def stored_bytes(db: Db, owner: OwnerId) -> int:
    """Of all the owner's chats, those in the bin too."""
    size = sum((_length(db, column) for column in _FLEXIBLE), start=func.count() * _BYTES_PER_ROW)
    of_session = and_(messages.c.session_id == chat_sessions.c.id, messages.c.owner == owner)
    # A chat without a message is a row, too.
    rows = chat_sessions.outerjoin(messages, of_session)
    return int((await db.execute(select(size).select_from(rows).where(chat_sessions.c.owner == owner))).scalar_one())


def size_of(chat: Sequence[Message]) -> int:
    """What it will take, the chat's own row among it."""
    return _BYTES_PER_ROW + sum(map(_size_of_message, chat))


def _size_of_message(message: Message) -> int:
    beside_text = msgspec.json.encode((message.citations, message.usage, message.error))
    return _BYTES_PER_ROW + len(message.content.encode()) + len((message.reasoning or "").encode()) + len(beside_text)


def _length(db: Db, column: Column[object]) -> ColumnElement[int]:
    if db.is_sqlite:
        # octet_length() is younger than the SQLite of many a Python.
        return func.coalesce(func.sum(func.length(cast(column, LargeBinary))), 0)
    return func.coalesce(func.sum(func.octet_length(cast(column, Text))), 0)

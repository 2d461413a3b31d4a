"""Taking one's chats along: JSON to come back with, Markdown to read. In pieces, whatever their size: memory holds a
page of messages, and the database is asked anew for each, so that a slow reader keeps nothing open.
"""

from collections.abc import AsyncIterator

from chatkeep.chat.branches import list_branch
from chatkeep.chat.exported_chat import CLOSING, encoded, opening
from chatkeep.chat.messages import list_messages
from chatkeep.chat.records import ChatSession, Message
from chatkeep.chat.sessions import list_sessions
from chatkeep.db import Database
from chatkeep.identity import OwnerId
from chatkeep.paging import Cursor

_CHATS_PER_PAGE = 50
_MESSAGES_PER_PAGE = 100


async def as_json(database: Database, owner: OwnerId, session: ChatSession) -> AsyncIterator[bytes]:
    """One chat, one line."""
    yield opening(session)
    comma = b""
    async for message in _messages(database, owner, session.id):
        yield comma + encoded(message)
        comma = b","
    yield CLOSING


async def all_as_lines(database: Database, owner: OwnerId) -> AsyncIterator[bytes]:
    """Every chat of the owner but the temporary ones and those in the bin; a line each."""
    cursor = None
    while True:
        async with database.reading(owner) as db:
            page = await list_sessions(db, owner, None, _CHATS_PER_PAGE, cursor)
        for session in page.items:
            if session.expires_at is None:
                async for piece in as_json(database, owner, session):
                    yield piece
        if page.next_cursor is None:
            return
        cursor = Cursor.decode(page.next_cursor)


async def as_markdown(
    database: Database, owner: OwnerId, session: ChatSession, leaf_id: str | None
) -> AsyncIterator[bytes]:
    """The branch that ends at `leaf_id`."""
    yield f"# {session.title or 'Chat'}\n".encode()
    async for message in _messages(database, owner, session.id, leaf_id or ""):
        who = "You" if message.role == "user" else f"Assistant ({message.model or 'model unknown'})"
        yield f"\n## {who}\n\n{message.content.rstrip()}\n".encode()


async def _messages(
    database: Database, owner: OwnerId, session_id: str, leaf_id: str | None = None
) -> AsyncIterator[Message]:
    """All of them, or those of one branch; the oldest first."""
    cursor = None
    while True:
        async with database.reading(owner) as db:
            if leaf_id is None:
                page = await list_messages(db, owner, session_id, _MESSAGES_PER_PAGE, cursor)
            else:
                page = await list_branch(
                    db, owner, session_id, leaf_id or None, _MESSAGES_PER_PAGE, cursor, newest_first=False
                )
        for message in page.items:
            yield message
        if page.next_cursor is None:
            return
        cursor = Cursor.decode(page.next_cursor)

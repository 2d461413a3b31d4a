"""A number that changes with what a tab shows of a chat, by which tabs keep in step (static/in_step.js)."""

from collections.abc import Sequence
from zlib import crc32

from chatkeep_ui.chat_records import ChatMessage, ChatSession


def version_of(session: ChatSession | None, messages: Sequence[ChatMessage]) -> int:
    """The same in every tab that shows the same, however far back it has loaded; 0 where there is nothing to show."""
    if session is None or not messages:
        return 0
    last = messages[-1]
    shown = (session.id, session.title, session.archived, session.deleted, last.id, last.status, last.siblings)
    return crc32(repr(shown).encode("utf-8", "replace"))

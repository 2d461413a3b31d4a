"""Bringing chats in from a file: each entry whole or not at all, and the same file again changes nothing.

Ids are made here and never taken from a file. They follow from the owner, the file's own ids and the times in it, so a
chat that comes again is known; and they rise from parent to child, as those of other messages do.
"""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from heapq import heappop, heappush
from typing import Any
from uuid import UUID

import msgspec

from chatkeep.chat.exported_chat import Flat
from chatkeep.chat.import_formats import Draft, DraftMessage, EntryRefused, draft_of
from chatkeep.chat.messages import insert_messages
from chatkeep.chat.records import ChatSession, Message
from chatkeep.chat.sessions import TITLE_LENGTH, SessionExists, find_any_session, insert_session
from chatkeep.chat.stored import size_of
from chatkeep.db import Database
from chatkeep.identity import OwnerId

MAX_CHATS = 10_000
MAX_MESSAGES = 20_000
MAX_CHARACTERS = 1_000_000
_MAX_BYTES_BESIDE_TEXT = 100_000
# As many refusals are told one by one.
_MAX_TOLD = 200
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Skipped:
    """An entry that was not taken; `index` counts from 0."""

    index: int
    title: str | None
    reason: str


@dataclass(slots=True)
class Imported:
    """What came of a file."""

    sessions: int = 0
    messages: int = 0
    skipped: list[Skipped] = field(default_factory=list)


async def import_chats(
    database: Database, owner: OwnerId, entries: Iterator[bytes], now: datetime, room: int
) -> Imported:
    """Take what can be taken, each entry in a transaction of its own, and of all no more than `room` bytes."""
    imported = Imported()
    for index, entry in enumerate(entries):
        title = None
        try:
            if index >= MAX_CHATS:
                raise EntryRefused(f"A file may hold {MAX_CHATS} chats; split it.")
            draft = draft_of(entry, hashlib.sha256(entry).hexdigest())
            title = _plain(draft.title or "")[:TITLE_LENGTH] or None
            session, messages = build(owner, draft, now)
            size = size_of(messages)
            await _import(database, owner, session, messages, draft.source, has_room=size <= room)
            room -= size
            imported.messages += len(messages)
            imported.sessions += 1
        except (EntryRefused, SessionExists) as refusal:
            if len(imported.skipped) < _MAX_TOLD:
                imported.skipped.append(Skipped(index, title, str(refusal)[:300]))
        if index >= MAX_CHATS:
            break
    return imported


async def _import(
    database: Database, owner: OwnerId, session: ChatSession, messages: list[Message], source: str, *, has_room: bool
) -> None:
    async with database.writing(owner) as db:
        # A chat that never left is known by the id that it was exported with.
        for id_ in (session.id, _uuid_or_none(source)):
            here = await find_any_session(db, owner, id_) if id_ else None
            if here is not None and (here.deleted_at is None or here.id == session.id):
                raise EntryRefused("It is here already." if here.deleted_at is None else "It is in the bin.")
        if not has_room:
            raise EntryRefused("There is no room for it. Delete chats for good, and import it again.")
        await insert_session(db, owner, session)
        await insert_messages(db, owner, messages)


def build(owner: OwnerId, draft: Draft, now: datetime) -> tuple[ChatSession, list[Message]]:
    """The records of a draft, parents before children.

    Raises:
        EntryRefused: its messages are no tree, or too many, or too long.
    """
    if len(draft.messages) > MAX_MESSAGES:
        raise EntryRefused(f"It has more than {MAX_MESSAGES} messages.")
    created_at = _within(draft.created_at or now, now)
    session_id = _id(created_at, 0, owner, draft.source)
    messages: list[Message] = []
    # What each key of the file has become: a message, or for what was left out the nearest one above it.
    kept: dict[str, str | None] = {}
    latest = created_at
    for key in _parents_first(draft.messages):
        one = draft.messages[key]
        parent_id = kept.get(one.parent) if one.parent is not None else None
        kept[key] = parent_id
        if one.role is None:
            continue
        if max(len(one.content), len(one.reasoning or "")) > MAX_CHARACTERS:
            raise EntryRefused(f"One of its messages has more than {MAX_CHARACTERS} characters.")
        if len(msgspec.json.encode((one.citations, one.usage, one.error))) > _MAX_BYTES_BESIDE_TEXT:
            raise EntryRefused("One of its messages has more beside its text than any message has.")
        said_at = _within(one.created_at or latest, now)
        latest = max(latest, said_at)
        kept[key] = id_ = _id(latest, len(messages) + 1, owner, f"{draft.source!r} {key!r}")
        messages.append(_message(id_, session_id, parent_id, one, said_at))
    if draft.messages and not messages:
        raise EntryRefused("There is no message in it that a person or a model has written.")
    title = _plain(draft.title or "")[:200] or None
    session = ChatSession(
        session_id,
        title,
        _plain(draft.model or "")[:200] or None,
        created_at,
        _within(draft.updated_at or latest, now),
        kept.get(draft.leaf) if draft.leaf is not None else None,
        draft.titled_by if title else None,
        _within(draft.pinned_at, now) if draft.pinned_at else None,
        _within(draft.archived_at, now) if draft.archived_at else None,
    )
    return session, messages


def _parents_first(messages: dict[str, DraftMessage]) -> Iterator[str]:
    """The keys in the file's order, but no message before its parent. One whose parent is not there begins the tree.

    Raises:
        EntryRefused: some of them are their own ancestors.
    """
    keys = list(messages)
    children: dict[str, list[int]] = {}
    ready: list[int] = []
    for place, key in enumerate(keys):
        parent = messages[key].parent
        if parent is not None and parent in messages:
            children.setdefault(parent, []).append(place)
        else:
            ready.append(place)
    seen = 0
    while ready:
        key = keys[heappop(ready)]
        seen += 1
        yield key
        for place in children.get(key, ()):
            heappush(ready, place)
    if seen < len(keys):
        raise EntryRefused("Its messages form a circle.")


def _message(id_: str, session_id: str, parent_id: str | None, one: DraftMessage, said_at: datetime) -> Message:
    return Message(
        id_,
        session_id,
        parent_id,
        one.role or "user",
        _without_nul(one.content),
        one.status,
        _plain(one.model or "")[:200] or None,
        [_flat(citation) for citation in one.citations],
        one.usage,
        _flat(one.error) if one.error is not None else None,
        said_at,
        _without_nul(one.reasoning),
    )


def _id(at: datetime, place: int, owner: OwnerId, source: str) -> str:
    """A UUIDv7 whose random part is the place in the chat (20 bits) and a digest (54) of where it comes from."""
    digest = hashlib.sha256(f"{owner}\n{source}".encode()).digest()
    rest = (place & 0xFFFFF) << 54 | int.from_bytes(digest[:7]) >> 2
    milliseconds = int(at.timestamp() * 1000)
    return str(UUID(int=milliseconds << 80 | 0x7 << 76 | (rest >> 62) << 64 | 0b10 << 62 | rest & (1 << 62) - 1))


def _plain(text: str) -> str:
    """In one line, and as databases take it."""
    return " ".join(text.replace("\0", "").split())


def _flat(fields: Flat) -> Flat:
    return {_without_nul(name): _without_nul(value) for name, value in fields.items()}


def _without_nul(value: Any) -> Any:
    return value.replace("\0", "") if isinstance(value, str) else value


def _within(moment: datetime, now: datetime) -> datetime:
    """Neither before there were such ids nor in the future."""
    return min(max(moment, _EPOCH), now)


def _uuid_or_none(text: str) -> str | None:
    try:
        return str(UUID(text))
    except ValueError:
        return None

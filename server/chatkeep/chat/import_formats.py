"""Files that chats come in: our own export, ChatGPT's conversations.json, Open WebUI's export. All become a `Draft`."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from io import BytesIO

import msgspec

from chatkeep.chat.exported_chat import FORMAT, ExportedChat, Flat
from chatkeep.chat.records import State


class EntryRefused(Exception):
    """This entry of the file cannot be taken; the message says why."""


class FileRefused(Exception):
    """Nothing of the file can be taken; the message says why."""


@dataclass(frozen=True, slots=True)
class DraftMessage:
    """A message of a file. One without a role is there for the tree alone: what follows it follows its parent."""

    parent: str | None
    role: str | None
    content: str = ""
    created_at: datetime | None = None
    status: State = State.COMPLETED
    model: str | None = None
    reasoning: str | None = None
    citations: list[Flat] = field(default_factory=list)
    usage: dict[str, int | float] | None = None
    error: Flat | None = None


@dataclass(frozen=True, slots=True)
class Draft:
    """A chat of a file; `messages` by whatever key the file has for them. `source` tells it from all others."""

    source: str
    title: str | None
    messages: dict[str, DraftMessage]
    created_at: datetime | None = None
    updated_at: datetime | None = None
    titled_by: str | None = None
    model: str | None = None
    leaf: str | None = None
    pinned_at: datetime | None = None
    archived_at: datetime | None = None


# Of objects: what is three bytes in the file is a hundred in memory, and takes its time. A long chat has some 200,000.
_MOST_OBJECTS = 1_000_000
_MOST_ENTRIES = 100_000


class _Object(msgspec.Struct, gc=False):
    """Any; what is in it is passed over."""


class _Part(msgspec.Struct, gc=False):
    text: str | None = None


# Anything else refuses its entry: to take it apart only to pass over it is what a hostile file waits for.
_Parts = list[str | _Part | None]


class _Author(msgspec.Struct):
    role: str = ""


class _Content(msgspec.Struct):
    content_type: str = "text"
    parts: _Parts | None = None


class _Metadata(msgspec.Struct):
    model_slug: str | None = None
    is_visually_hidden_from_conversation: bool | None = None


class _NodeMessage(msgspec.Struct):
    author: _Author
    content: _Content | None = None
    create_time: float | None = None
    metadata: _Metadata | None = None


class _Node(msgspec.Struct):
    message: _NodeMessage | None = None
    parent: str | None = None


class _Conversation(msgspec.Struct):
    """ChatGPT's."""

    mapping: dict[str, _Node]
    title: str | None = None
    create_time: float | None = None
    update_time: float | None = None
    current_node: str | None = None
    conversation_id: str | None = None
    id: str | None = None
    is_archived: bool | None = None


class _HistoryMessage(msgspec.Struct, rename="camel"):
    role: str = ""
    content: str | _Parts | None = ""
    parent_id: str | None = None
    timestamp: float | None = None
    model: str | None = None


class _History(msgspec.Struct, rename="camel"):
    messages: dict[str, _HistoryMessage]
    current_id: str | None = None


class _Chat(msgspec.Struct):
    history: _History
    title: str | None = None


class _WebUiEntry(msgspec.Struct):
    """Open WebUI's."""

    chat: _Chat
    id: str | None = None
    title: str | None = None
    created_at: float | None = None
    updated_at: float | None = None
    archived: bool | None = None
    pinned: bool | None = None


class _Shape(msgspec.Struct):
    """What tells the formats from each other."""

    format: msgspec.Raw = msgspec.Raw()
    mapping: msgspec.Raw = msgspec.Raw()
    chat: msgspec.Raw = msgspec.Raw()


_FORMAT = msgspec.json.encode(FORMAT)


def entries_of(body: bytes) -> Iterator[bytes]:
    """The chats of a file, undecoded: the items of a list, a single object, or one object in each line.

    Raises:
        FileRefused: it is none of these.
    """
    body = body.removeprefix(b"\xef\xbb\xbf").strip()
    if body.count(b"{") > _MOST_OBJECTS:
        raise FileRefused("It is made of more pieces than can be read at once; split it.")
    try:
        if body.startswith(b"["):
            # Counted first by what costs little: an entry that is no chat is told as such, and not ten million of them.
            if len(msgspec.json.decode(body, type=list[_Object | str | float | bool | None])) > _MOST_ENTRIES:
                raise FileRefused("It has more entries than can be read at once; split it.")
            return iter([bytes(raw) for raw in msgspec.json.decode(body, type=list[msgspec.Raw])])
        if not body.startswith(b"{"):
            raise FileRefused("It is neither a JSON list nor a JSON object.")
        if b"\n" in body and _is_json(body.partition(b"\n")[0]):
            return (line for line in BytesIO(body) if line.strip())
        msgspec.json.decode(body, type=msgspec.Raw)
    except (msgspec.DecodeError, RecursionError) as error:
        raise FileRefused(f"It cannot be read: {error}.") from None
    return iter([body])


def draft_of(entry: bytes, source: str) -> Draft:
    """Read one entry; `source` is its name where it has none of its own.

    Raises:
        EntryRefused: it is not of a known format, or not a valid one.
    """
    try:
        shape = msgspec.json.decode(entry, type=_Shape)
        if bytes(shape.format) == _FORMAT:
            return _own(msgspec.json.decode(entry, type=ExportedChat))
        if bytes(shape.mapping):
            return _of_chatgpt(msgspec.json.decode(entry, type=_Conversation), source)
        if bytes(shape.chat):
            return _of_open_webui(msgspec.json.decode(entry, type=_WebUiEntry), source)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise EntryRefused(f"It cannot be read: {error}.") from None
    except RecursionError:
        raise EntryRefused("It is nested too deep.") from None
    raise EntryRefused("It is a chat of no known format.")


def _own(chat: ExportedChat) -> Draft:
    messages = {
        message.id: DraftMessage(
            message.parent_id,
            message.role,
            message.content,
            message.created_at,
            State.INTERRUPTED if message.status.is_running else message.status,
            message.model,
            message.reasoning,
            message.citations,
            message.usage,
            message.error,
        )
        for message in chat.messages
    }
    if len(messages) < len(chat.messages):
        raise EntryRefused("Two of its messages have the same id.")
    return Draft(
        chat.id,
        chat.title,
        messages,
        chat.created_at,
        chat.updated_at,
        chat.titled_by,
        chat.model,
        chat.leaf_id,
        chat.pinned_at,
        chat.archived_at,
    )


def _of_chatgpt(chat: _Conversation, source: str) -> Draft:
    updated_at = _moment(chat.update_time)
    return Draft(
        chat.conversation_id or chat.id or source,
        chat.title,
        {key: _of_node(node) for key, node in chat.mapping.items()},
        _moment(chat.create_time),
        updated_at,
        titled_by="model",
        leaf=chat.current_node,
        archived_at=updated_at if chat.is_archived else None,
    )


def _of_node(node: _Node) -> DraftMessage:
    message = node.message
    if message is None or message.content is None or message.author.role not in ("user", "assistant"):
        return DraftMessage(node.parent, None)
    metadata = message.metadata or _Metadata()
    spoken = message.content.content_type in ("text", "multimodal_text")
    text = _text(message.content.parts) if spoken and not metadata.is_visually_hidden_from_conversation else ""
    model = metadata.model_slug if message.author.role == "assistant" else None
    return _said(node.parent, message.author.role, text, message.create_time, model)


def _of_open_webui(entry: _WebUiEntry, source: str) -> Draft:
    updated_at = _moment(entry.updated_at)
    messages = {
        key: _said(message.parent_id, message.role, _text(message.content), message.timestamp, message.model)
        for key, message in entry.chat.history.messages.items()
    }
    return Draft(
        entry.id or source,
        entry.title or entry.chat.title,
        messages,
        _moment(entry.created_at),
        updated_at,
        titled_by="model",
        leaf=entry.chat.history.current_id,
        pinned_at=updated_at if entry.pinned else None,
        archived_at=updated_at if entry.archived else None,
    )


def _said(parent: str | None, role: str, text: str, at: float | None, model: str | None) -> DraftMessage:
    """What is neither a person's nor a model's, or says nothing, is left out of the tree."""
    if role not in ("user", "assistant") or not text.strip():
        return DraftMessage(parent, None)
    return DraftMessage(parent, role, text, _moment(at), model=model)


def _text(content: str | _Parts | None) -> str:
    """A text, or the texts among the parts of one; pictures and files are not taken."""
    if isinstance(content, str):
        return content
    parts = content if isinstance(content, list) else []
    texts = [part.text if isinstance(part, _Part) else part for part in parts]
    return "\n\n".join(text for text in texts if text is not None)


def _moment(seconds: float | None) -> datetime | None:
    """Seconds, or milliseconds where they cannot be seconds; None for what is no time at all."""
    if seconds is None:
        return None
    try:
        return datetime.fromtimestamp(seconds if seconds < 1e11 else seconds / 1000, UTC)
    except (OverflowError, ValueError, OSError):
        return None


def _is_json(line: bytes) -> bool:
    try:
        msgspec.json.decode(line, type=msgspec.Raw)
    except (msgspec.DecodeError, RecursionError):
        return False
    return True

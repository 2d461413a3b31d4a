"""A chat as it leaves and comes back: one JSON object, with every branch. Among others it is a line."""

from datetime import datetime
from typing import Annotated, Literal

import msgspec

from chatkeep.chat.records import ChatSession, Message, State

FORMAT = "chatkeep.chat/1"

Moment = Annotated[datetime, msgspec.Meta(tz=True)]
# Flat, so that no file nests deeper than what reads it can follow.
Flat = dict[str, str | int | float | bool | None]


class ExportedMessage(msgspec.Struct):
    """A turn; `parent_id` is the `id` of another one of the same chat."""

    id: str
    role: Literal["user", "assistant"]
    content: str
    created_at: Moment
    parent_id: str | None = None
    status: State = State.COMPLETED
    model: str | None = None
    reasoning: str | None = None
    citations: list[Flat] = []
    usage: dict[str, int | float] | None = None
    error: Flat | None = None


class ExportedChat(msgspec.Struct):
    """All of a chat but its messages, which come last so that they can be written one after the other."""

    format: str
    id: str
    created_at: Moment
    updated_at: Moment
    title: str | None = None
    titled_by: Literal["user", "model"] | None = None
    model: str | None = None
    leaf_id: str | None = None
    pinned_at: Moment | None = None
    archived_at: Moment | None = None
    messages: list[ExportedMessage] = []


def opening(session: ChatSession) -> bytes:
    """The JSON up to the first message."""
    chat = ExportedChat(
        FORMAT,
        session.id,
        session.created_at,
        session.updated_at,
        session.title,
        "user" if session.titled_by == "user" else "model" if session.titled_by else None,
        session.model,
        session.leaf_id,
        session.pinned_at,
        session.archived_at,
    )
    return msgspec.json.encode(chat).removesuffix(b"]}")


def encoded(message: Message) -> bytes:
    """One message. What is still being written is told as it is so far, and as interrupted."""
    return msgspec.json.encode(
        ExportedMessage(
            message.id,
            "user" if message.role == "user" else "assistant",
            message.content,
            message.created_at,
            message.parent_id,
            State.INTERRUPTED if message.status.is_running else message.status,
            message.model,
            message.reasoning,
            message.citations,
            message.usage,
            message.error,
        )
    )


CLOSING = b"]}\n"

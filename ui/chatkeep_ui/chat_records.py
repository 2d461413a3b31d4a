"""What the API sends, as far as the page shows it. Unknown members are ignored: an older page reads a newer API."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Self

RUNNING = frozenset({"queued", "running"})


@dataclass(frozen=True, slots=True)
class Account:
    """The user."""

    id: str
    email: str
    name: str
    role: str

    @classmethod
    def read(cls, body: Mapping[str, Any]) -> Self:
        """From /auth/me."""
        return cls(body["id"], body["email"], body.get("name") or "", body.get("role") or "")


@dataclass(frozen=True, slots=True)
class ChatSession:
    """A conversation."""

    id: str
    title: str
    model: str | None
    updated_at: datetime

    @classmethod
    def read(cls, body: Mapping[str, Any]) -> Self:
        """From /chat/sessions."""
        return cls(
            body["id"], body.get("title") or "New chat", body.get("model"), datetime.fromisoformat(body["updated_at"])
        )


@dataclass(frozen=True, slots=True)
class SessionPage:
    """The newest conversations, and whether there are more."""

    items: Sequence[ChatSession]
    more: bool


@dataclass(frozen=True, slots=True)
class ChatMessage:
    """A turn. `error` is why an answer failed, in words for the reader."""

    id: str
    parent_id: str | None
    role: str
    content: str
    status: str
    model: str | None = None
    generation_id: str | None = None
    error: str = ""

    @classmethod
    def read(cls, body: Mapping[str, Any]) -> Self:
        """From a page of messages."""
        error = body.get("error") or {}
        return cls(
            id=body["id"],
            parent_id=body.get("parent_id"),
            role=body["role"],
            content=body.get("content") or "",
            status=body.get("status") or "completed",
            model=body.get("model"),
            generation_id=body.get("generation_id"),
            error=str(error.get("message") or ""),
        )


@dataclass(frozen=True, slots=True)
class Started:
    """An answer that is being written."""

    generation_id: str
    message_id: str

    @classmethod
    def read(cls, body: Mapping[str, Any]) -> Self:
        """From the 202 of /chat/send."""
        return cls(body["generation_id"], body["message_id"])


@dataclass(frozen=True, slots=True)
class Model:
    """Something that can answer; `progress` runs from 0 to 1 while it loads."""

    id: str
    builtin: bool
    ready: bool
    progress: float


@dataclass(frozen=True, slots=True)
class ModelOffer:
    """The models, the default first, or in `error` why they cannot be told."""

    models: Sequence[Model]
    error: str = ""

    @classmethod
    def read(cls, body: Mapping[str, Any]) -> Self:
        """From /chat/models."""
        items = sorted(body.get("items") or [], key=lambda item: not item.get("default"))
        models = [
            Model(item["id"], bool(item.get("builtin")), bool(item.get("ready", True)), float(item.get("progress", 1)))
            for item in items
        ]
        return cls(models, str((body.get("error") or {}).get("message") or ""))


def shown_path(messages: Sequence[ChatMessage]) -> list[ChatMessage]:
    """The branch that ends in the newest message: from it upwards by parents. Other attempts stay out of sight."""
    by_id = {message.id: message for message in messages}
    path: list[ChatMessage] = []
    step = messages[-1] if messages else None
    while step is not None:
        path.append(step)
        step = by_id.pop(step.parent_id, None) if step.parent_id else None
    return path[::-1]

"""What the API sends, as far as the page shows it. Unknown members are ignored: an older page reads a newer API."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Self

from chatkeep_ui.sources import Source, read_sources

RUNNING = frozenset({"queued", "running"})
# The model that only quotes from documents, and asks no other.
QUOTES = "quotes"


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
class DocumentUse:
    """Whether answers draw on documents: on those of the collections, or on all that are open to who asks."""

    on: bool = False
    collection_ids: tuple[str, ...] | None = None

    @classmethod
    def read(cls, body: Mapping[str, Any]) -> Self:
        """From /chat/sessions. Whoever names collections means them to be used."""
        wanted, named = body.get("use_documents"), body.get("collection_ids")
        return cls(bool(named) if wanted is None else bool(wanted), tuple(named) if named else None)

    @property
    def body(self) -> dict[str, Any]:
        """As the API takes it."""
        return {
            "use_documents": self.on,
            "collection_ids": list(self.collection_ids) if self.on and self.collection_ids else None,
        }


NO_DOCUMENTS: Final = DocumentUse()


@dataclass(frozen=True, slots=True)
class ChatSession:
    """A conversation."""

    id: str
    title: str
    model: str | None
    updated_at: datetime
    pinned: bool = False
    archived: bool = False
    deleted: bool = False
    expires_at: datetime | None = None
    titled_by: str | None = None
    documents: DocumentUse = NO_DOCUMENTS

    @classmethod
    def read(cls, body: Mapping[str, Any]) -> Self:
        """From /chat/sessions."""
        expires_at = body.get("expires_at")
        return cls(
            id=body["id"],
            title=body.get("title") or "New chat",
            model=body.get("model"),
            updated_at=datetime.fromisoformat(body["updated_at"]),
            pinned=body.get("pinned_at") is not None,
            archived=body.get("archived_at") is not None,
            deleted=body.get("deleted_at") is not None,
            expires_at=datetime.fromisoformat(expires_at) if expires_at else None,
            titled_by=body.get("titled_by"),
            documents=DocumentUse.read(body),
        )


@dataclass(frozen=True, slots=True)
class SessionPage:
    """The newest conversations, and whether there are more."""

    items: Sequence[ChatSession]
    more: bool


@dataclass(frozen=True, slots=True)
class Siblings:
    """The place of a message among those that follow the same one: `index` of `count`, from 1."""

    index: int = 1
    count: int = 1
    previous_id: str | None = None
    next_id: str | None = None

    @classmethod
    def read(cls, body: Mapping[str, Any]) -> Self:
        """From a message."""
        return cls(int(body["index"]), int(body["count"]), body.get("previous_id"), body.get("next_id"))


@dataclass(frozen=True, slots=True)
class ChatMessage:
    """A turn. `error` is why an answer failed, in words for the reader; `reasoning` how its model came to it, and
    `sources` are the passages that it cites.
    """

    id: str
    parent_id: str | None
    role: str
    content: str
    status: str
    model: str | None = None
    generation_id: str | None = None
    error: str = ""
    reasoning: str = ""
    siblings: Siblings = Siblings()
    sources: Sequence[Source] = ()

    @classmethod
    def read(cls, body: Mapping[str, Any]) -> Self:
        """From a page of messages."""
        error, siblings = body.get("error") or {}, body.get("siblings")
        return cls(
            id=body["id"],
            parent_id=body.get("parent_id"),
            role=body["role"],
            content=body.get("content") or "",
            status=body.get("status") or "completed",
            model=body.get("model"),
            generation_id=body.get("generation_id"),
            error=str(error.get("message") or ""),
            reasoning=body.get("reasoning") or "",
            siblings=Siblings.read(siblings) if siblings else Siblings(),
            sources=read_sources(body.get("citations")),
        )


@dataclass(frozen=True, slots=True)
class Branch:
    """The end of a branch, oldest message first, and whether there are `earlier` ones."""

    messages: Sequence[ChatMessage]
    earlier: bool


@dataclass(frozen=True, slots=True)
class Started:
    """An answer that is being written."""

    generation_id: str
    message_id: str

    @classmethod
    def read(cls, body: Mapping[str, Any]) -> Self:
        """From a 202 of /chat/send."""
        return cls(body["generation_id"], body["message_id"])


@dataclass(frozen=True, slots=True)
class Model:
    """Something that can answer; `progress` runs from 0 to 1 while it loads. `builtin` is not the one that quotes."""

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
            Model(
                item["id"],
                bool(item.get("builtin")) and item["id"] != QUOTES,
                bool(item.get("ready", True)),
                float(item.get("progress", 1)),
            )
            for item in items
        ]
        return cls(models, str((body.get("error") or {}).get("message") or ""))

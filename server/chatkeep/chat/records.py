"""What the chat slice speaks of: frozen records, as the repositories return them."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

# Why an answer or a stream ended, where it was a revocation that ended it.
LOGIN_ENDED = "login_ended"


class State(StrEnum):
    """Of a generation, and of the message it writes. A user's message is `completed` from the start."""

    QUEUED = "queued"
    RUNNING = "running"
    COMPLETED = "completed"
    STOPPED = "stopped"
    FAILED = "failed"
    INTERRUPTED = "interrupted"

    @property
    def is_running(self) -> bool:
        """Whether more is to come."""
        return self in (State.QUEUED, State.RUNNING)


@dataclass(frozen=True, slots=True)
class ChatSession:
    """A conversation. Without a title it takes one from its first message; without a model it has the default's.

    `leaf_id` is the newest message of the branch on show; None: the newest of all. `titled_by` is "user" or "model";
    None: the title is the first words. Its answers draw on documents if `use_documents` says so, or if that is None and
    there are `collection_ids`.
    """

    id: str
    title: str | None
    model: str | None
    created_at: datetime
    updated_at: datetime
    leaf_id: str | None = None
    titled_by: str | None = None
    pinned_at: datetime | None = None
    archived_at: datetime | None = None
    deleted_at: datetime | None = None
    expires_at: datetime | None = None
    use_documents: bool | None = None
    collection_ids: list[str] | None = None


@dataclass(frozen=True, slots=True)
class Siblings:
    """The messages with the same parent, in the order they were written. `index` counts from 1."""

    index: int
    count: int
    previous_id: str | None
    next_id: str | None


@dataclass(frozen=True, slots=True)
class Message:
    """One turn. `generation_id` is set while an answer is being written, so that a reader can follow it.

    `siblings` is set on pages, where they are shown.
    """

    id: str
    session_id: str
    parent_id: str | None
    role: str
    content: str
    status: State
    model: str | None
    citations: list[dict[str, Any]]
    usage: dict[str, float] | None
    error: dict[str, Any] | None
    created_at: datetime
    reasoning: str | None = None
    generation_id: str | None = None
    siblings: Siblings | None = None


@dataclass(frozen=True, slots=True)
class Generation:
    """One run of a model for one message.

    `last_seq` is the event that the message's text reaches to (None: none yet), and once it has ended the terminal
    event, whose fields are `ending`. `documents` is as `DocumentChoice.within` gives it.
    """

    id: str
    session_id: str
    user_message_id: str
    message_id: str
    state: State
    model: str | None
    last_seq: int | None
    heartbeat_at: datetime
    idempotency_key: str | None
    request_digest: str
    ending: dict[str, Any] | None = None
    documents: dict[str, Any] | None = None
    finished_at: datetime | None = None

    @property
    def opening(self) -> dict[str, Any]:
        """What `generation.created` says, and every snapshot again."""
        names = ("session_id", "user_message_id", "message_id", "model")
        return {name: getattr(self, name) for name in names}

"""What the slice speaks of: frozen records, as the repositories return them."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Final

EVERYONE: Final = "*"
"""The member that is whoever has an account."""


class Status(StrEnum):
    """Of a document. Only what is `ready` is found."""

    QUEUED = "queued"
    RUNNING = "running"
    READY = "ready"
    FAILED = "failed"

    @property
    def is_unfinished(self) -> bool:
        """Whether more is to come."""
        return self in (Status.QUEUED, Status.RUNNING)


class Role(StrEnum):
    """Of a person in a collection. The owner also decides who else is in it, and may delete it."""

    OWNER = "owner"
    EDITOR = "editor"
    READER = "reader"

    @property
    def may_write(self) -> bool:
        """Whether this one adds and deletes documents."""
        return self is not Role.READER


@dataclass(frozen=True, slots=True)
class Collection:
    """Documents that are shared. `role` is that of the person who asked."""

    id: str
    name: str
    description: str
    role: Role
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class Member:
    """Somebody a collection is shared with; `EVERYONE`, or a user's id."""

    member: str
    role: Role
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Document:
    """A file that was uploaded, and how far it has come.

    Attributes:
        owner: who uploaded it. In a collection that gives no right to it.
        stage, done, total: of the ingestion: `parsing`, `embedding` with chunks, `storing`.
        chunks: how many there are, numbered from 1.
        notices: what its owner should know of what could not be read.
        error: `code` and `message`, of one that failed or waits to be tried again.
        indexed_in: the name of the index with its points.
    """

    id: str
    owner: str
    collection_id: str | None
    sha256: str
    filename: str
    media_type: str | None
    size: int
    status: Status
    stage: str | None
    done: int
    total: int
    pages: int | None
    chunks: int
    title: str | None
    notices: list[str]
    error: dict[str, Any] | None
    indexed_in: str | None
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class StoredChunk:
    """A chunk, with what is shown of the document that it is of. `n` counts from 1, and so does `page`."""

    document_id: str
    n: int
    text: str
    page: int | None
    headings: tuple[str, ...]
    start: int
    end: int
    tokens: int
    title: str | None
    filename: str
    collection_id: str | None

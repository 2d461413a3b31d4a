"""Documents as the API sends them, as far as the pages show them. Unknown members are ignored."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Self

from chatkeep_ui.wording import spoken_bytes, visible

_UNFINISHED: Final = frozenset({"queued", "running"})
_STAGES: Final = {"parsing": "Reading", "embedding": "Embedding", "storing": "Storing"}


@dataclass(frozen=True, slots=True)
class LibraryDocument:
    """Attributes:
    name: of the file; `title`, what the document calls itself.
    version: changes with whatever the row shows.
    done, total: of the stage it is in; `total` is 0 where that is not known.
    error, cancelled: why it failed, in words for its owner; it was they who ended it.
    """

    id: str
    name: str
    title: str
    collection_id: str | None
    status: str
    stage: str
    done: int
    total: int
    pages: int | None
    chunks: int
    size: str
    notices: Sequence[str]
    error: str
    cancelled: bool
    created_at: str

    @classmethod
    def read(cls, body: Mapping[str, Any]) -> Self:
        """From /documents."""
        error = body.get("error") or {}
        return cls(
            id=body["id"],
            name=visible(body["filename"]),
            title=visible(body.get("title") or ""),
            collection_id=body.get("collection_id"),
            status=body["status"],
            stage=body.get("stage") or "",
            done=int(body.get("done") or 0),
            total=int(body.get("total") or 0),
            pages=body.get("pages"),
            chunks=int(body.get("chunks") or 0),
            size=spoken_bytes(int(body.get("size") or 0)),
            notices=[visible(str(notice)) for notice in body.get("notices") or []],
            error=visible(str(error.get("message") or "")),
            cancelled=error.get("code") == "cancelled",
            created_at=body["created_at"],
        )

    @property
    def unfinished(self) -> bool:
        """Whether more is to come."""
        return self.status in _UNFINISHED

    @property
    def standing(self) -> str:
        """How far it has come, in a few words."""
        if self.status == "ready":
            return "Ready" if self.chunks else "No text found"
        if self.status == "failed":
            return "Cancelled" if self.cancelled else "Failed"
        if self.status == "queued":
            return "Waiting to be tried again" if self.error else "Waiting its turn"
        return _STAGES.get(self.stage, "Reading")

    @property
    def version(self) -> str:
        """The same as long as the row looks the same."""
        return f"{self.status} {self.stage} {self.done}/{self.total} {self.error}"


@dataclass(frozen=True, slots=True)
class LibraryCollection:
    """`role` is that of who looks: owner, editor or reader."""

    id: str
    name: str
    description: str
    role: str

    @classmethod
    def read(cls, body: Mapping[str, Any]) -> Self:
        """From /collections."""
        name, description = visible(body["name"]), body.get("description") or ""
        return cls(body["id"], name, description, body.get("role") or "reader")

    @property
    def may_write(self) -> bool:
        """Whether who looks adds and deletes documents."""
        return self.role in ("owner", "editor")


@dataclass(frozen=True, slots=True)
class Passage:
    """A chunk of a document; `document` is what that is called."""

    document_id: str
    n: int
    text: str
    page: int | None
    headings: Sequence[str]
    document: str

    @classmethod
    def read(cls, body: Mapping[str, Any]) -> Self:
        """From /documents/{id}/chunks/{n}, or a hit of /search."""
        return cls(
            document_id=body["document_id"],
            n=int(body["n"]),
            text=body["text"],
            page=body.get("page"),
            headings=[visible(heading) for heading in body.get("headings") or []],
            document=visible(body.get("title") or body.get("filename") or "Document"),
        )

    @property
    def place(self) -> str:
        """`Page 4`, where the format has pages."""
        return f"Page {self.page}" if self.page is not None else f"Passage {self.n}"

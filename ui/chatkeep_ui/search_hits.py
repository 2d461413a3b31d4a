"""What a search over messages found, as the page shows it: excerpts with the words that were looked for."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Self

from chatkeep_ui.answer_html import plain_html


@dataclass(frozen=True, slots=True)
class SearchHit:
    """A message. `highlights` are places within `snippet`, from and up to, in characters."""

    session_id: str
    message_id: str
    title: str
    role: str
    snippet: str
    highlights: Sequence[tuple[int, int]]
    created_at: datetime

    @classmethod
    def read(cls, body: Mapping[str, Any]) -> Self:
        """From /chat/search."""
        return cls(
            session_id=body["session_id"],
            message_id=body["message_id"],
            title=body.get("title") or "New chat",
            role=body.get("role") or "",
            snippet=body.get("snippet") or "",
            highlights=[(int(start), int(end)) for start, end in body.get("highlights") or []],
            created_at=datetime.fromisoformat(body["created_at"]),
        )

    def snippet_html(self) -> str:
        """The excerpt, marked. Places that overlap or lie outside mark nothing."""
        pieces, done = [], 0
        for start, end in sorted(self.highlights):
            if done <= start < end <= len(self.snippet):
                pieces += [plain_html(self.snippet[done:start]), f"<mark>{plain_html(self.snippet[start:end])}</mark>"]
                done = end
        return "".join([*pieces, plain_html(self.snippet[done:])])


@dataclass(frozen=True, slots=True)
class SearchHits:
    """The best ones, and whether there are more."""

    items: Sequence[SearchHit]
    more: bool

    @classmethod
    def read(cls, items: Sequence[Mapping[str, Any]], *, more: bool) -> Self:
        """From the items of one or several pages."""
        return cls([SearchHit.read(item) for item in items], more)

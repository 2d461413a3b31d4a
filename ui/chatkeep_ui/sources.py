"""The passages that an answer is from: numbered, as it cites them, each leading to where it stands in its document."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from html import escape
from typing import Any, Self

from chatkeep_ui.chat_ids import find_chat_id
from chatkeep_ui.wording import visible


@dataclass(frozen=True, slots=True)
class Source:
    """Attributes:
    n: what it is cited by.
    chunk, last_chunk: the numbers in the document of the first and the last chunk that it is made of.
    """

    n: int
    document_id: str
    chunk: int
    last_chunk: int
    title: str
    page: int | None

    @classmethod
    def read(cls, body: Mapping[str, Any]) -> Self:
        """From the citations of a message, or from `retrieval.completed`."""
        document_id, page = find_chat_id(body["document_id"]) or "-", body.get("page")
        title = visible(str(body.get("title") or "Document"))
        first = int(body["chunk"])
        last = int(body.get("last_chunk") or first)
        return cls(int(body["n"]), document_id, first, last, title, int(page) if page is not None else None)

    @property
    def name(self) -> str:
        """Title and page, in one line."""
        return f"{self.title}, page {self.page}" if self.page is not None else self.title

    @property
    def opening(self) -> str:
        """The attributes of a link to it, which leaves the chat where it is."""
        place = f"{self.chunk}-{self.last_chunk}" if self.last_chunk > self.chunk else self.chunk
        return f'href="/library/documents/{self.document_id}/{place}" target="_blank" rel="noopener"'

    def cited_html(self) -> str:
        """Within an answer: its number."""
        name = escape(self.name)
        return f'<a class="ck-cite" {self.opening} title="{name}" aria-label="Source {self.n}: {name}">{self.n}</a>'

    def chip_html(self) -> str:
        """Under an answer: number, title and page."""
        page = f'<span class="ck-page">p. {self.page}</span>' if self.page is not None else ""
        title = f'<span class="ck-title"><bdi>{escape(self.title)}</bdi></span>'
        return f'<a class="ck-source" {self.opening}><span class="ck-n">{self.n}</span>{title}{page}</a>'


def read_sources(items: Iterable[Mapping[str, Any]] | None) -> tuple[Source, ...]:
    """In the order of their numbers."""
    return tuple(sorted(map(Source.read, items or ()), key=lambda source: source.n))


def sources_html(sources: Iterable[Source]) -> str:
    """All of them, or nothing."""
    chips = "".join(f"<li>{source.chip_html()}</li>" for source in sources)
    return f'<ol class="ck-sources" aria-label="Sources">{chips}</ol>' if chips else ""

"""What parsing makes of a file: passages in reading order, each of which knows where it stands."""

from dataclasses import dataclass
from typing import NewType

MediaType = NewType("MediaType", str)
"""What a file is by its bytes, whatever its name says: `application/pdf`."""


@dataclass(frozen=True, slots=True)
class Chunk:
    """A passage.

    Attributes:
        n: its number in the document, from 1.
        text: as it is read, searched, cited and shown to a model.
        start, end: where it stands in the document's whole text, in characters.
        page: from 1; None where the format has no pages.
        headings: those it stands under, the outermost first.
        tokens: how long it is for the embedding model.
    """

    n: int
    text: str
    start: int
    end: int
    page: int | None
    headings: tuple[str, ...]
    tokens: int


@dataclass(frozen=True, slots=True)
class ParsedDocument:
    """A file that could be read.

    Attributes:
        title: the document's own, or None.
        pages: how many it has; None where the format has none.
        chunks: empty only together with a notice that says why.
        notices: what its owner should know: "Pages 3 to 7 are pictures without text."
    """

    media_type: MediaType
    title: str | None
    pages: int | None
    chunks: tuple[Chunk, ...]
    notices: tuple[str, ...] = ()


class Unreadable(Exception):
    """No text can be had from the file.

    Attributes:
        code: stable, for programs: `unsupported_type`, `encrypted`, `damaged`, `too_large`, `took_too_long` or `empty`.
        message: for the owner: what is wrong, and what to do.
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message

"""What is read out of a file, in reading order, before it is cut into chunks. Bounded while it grows."""

import itertools
import re
from collections.abc import Iterable
from dataclasses import dataclass

from chatkeep.parsing.refusals import too_large

# Nothing that is read: C0 and C1 controls but tab and line feed, surrogates (which are no UTF-8), soft hyphens and
# noncharacters. Among them are NUL, which PostgreSQL refuses, and U+FFFE, PDFium's mark for a hyphen at a line's end.
_UNREAD = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x84\x86-\x9f\xad\ud800-\udfff\ufdd0-\ufdef\ufffe\uffff]+")
_LINE_ENDS = re.compile("\r\n?|[\x0b\x0c\x85\u2028\u2029]")
_SPACES_BEFORE_LINE_END = re.compile(r"(?<![^\S\n])[^\S\n]+(?=\n)")
_SPACES = re.compile(r"\s+")

_LONGEST_HEADING = 200
_LONGEST_TITLE = 300
_MOST_NOTICES = 20
# What a block costs beside its text: otherwise ten million of one letter each take a gigabyte.
_BLOCK_COSTS = 20
_LINES_IN_A_BLOCK = 100


@dataclass(frozen=True, slots=True)
class Block:
    """A paragraph, a heading, or some rows of a table.

    Attributes:
        text: not blank, and without what nobody reads; its first line keeps its indentation.
        level: 1 to 9 for a heading, 1 the outermost; None for everything else.
    """

    text: str
    page: int | None = None
    level: int | None = None


class Transcript:
    """What a parser hands over, piece by piece.

    Attributes:
        title: the document's own.
        pages: how many there are; None where the format has none.
    """

    def __init__(self, characters: int) -> None:
        self._characters = characters
        self._left = characters
        self._title: str | None = None
        self.pages: int | None = None
        self.blocks: list[Block] = []
        self.notices: list[str] = []

    @property
    def title(self) -> str | None:
        return self._title

    @title.setter
    def title(self, title: str | None) -> None:
        self._title = one_line(title or "")[:_LONGEST_TITLE].rstrip() or None

    def add(self, text: str, page: int | None = None) -> None:
        """A paragraph; without effect when it is blank.

        Raises:
            Unreadable: the document has more characters than it may have.
        """
        self._keep(readable(text), page, None)

    def add_heading(self, level: int, text: str, page: int | None = None) -> None:
        """A heading; level 1 is the outermost.

        Raises:
            Unreadable: as `add`.
        """
        self._keep(one_line(text), page, min(max(level, 1), 9))

    def add_lines(self, lines: Iterable[str], page: int | None = None) -> None:
        """Rows of a table, however many.

        Raises:
            Unreadable: as `add`.
        """
        rest = iter(lines)
        while some := list(itertools.islice(rest, _LINES_IN_A_BLOCK)):
            self.add("\n".join(some), page)

    def notice(self, text: str) -> None:
        """What the document's owner should know; a full sentence."""
        if len(self.notices) < _MOST_NOTICES and text not in self.notices:
            self.notices.append(text)

    def _keep(self, text: str, page: int | None, level: int | None) -> None:
        if not text:
            return
        self._left -= len(text) + _BLOCK_COSTS
        if self._left < 0:
            raise too_large(f"It has more text ({self._characters:,} characters)")
        self.blocks.append(Block(text, page, level))


def readable(text: str) -> str:
    """Line ends as line feeds, and nothing that is not read."""
    return _SPACES_BEFORE_LINE_END.sub("", _UNREAD.sub("", _LINE_ENDS.sub("\n", text))).strip("\n").rstrip()


def one_line(text: str) -> str:
    """As a heading, a title or a cell is."""
    return _SPACES.sub(" ", readable(text)).strip()


def shortened(heading: str) -> str:
    """As it stands in the path of headings of each chunk under it."""
    return heading if len(heading) <= _LONGEST_HEADING else heading[: _LONGEST_HEADING - 1].rstrip() + "…"

"""ODT, ODS and ODP (ISO/IEC 26300): text with its headings, sheets with their rows, slides as pages."""

from collections.abc import Iterable, Mapping
from typing import BinaryIO

from chatkeep.parsing.archive import Archive
from chatkeep.parsing.limits import Limits
from chatkeep.parsing.office_package import read_title
from chatkeep.parsing.refusals import encrypted
from chatkeep.parsing.tables import add_table, begin_row
from chatkeep.parsing.transcript import Transcript
from chatkeep.parsing.xml_events import Event, xml_events

_MANIFEST = "META-INF/manifest.xml"
_CONTENT = "content.xml"
# What was deleted or said beside the text; and how the rest looks.
_PASSED_OVER = {"text:tracked-changes", "office:annotation", "office:automatic-styles", "office:styles", "office:forms"}
_PARAGRAPHS = {"text:p", "text:h"}
_MOST_SPACES = 20
_LEVELS = {str(level): level for level in range(1, 10)}


def read_open_document(file: BinaryIO, transcript: Transcript, limits: Limits) -> None:
    """The whole of the file into the transcript.

    Raises:
        Unreadable
    """
    archive = Archive(file, limits)
    if archive.has(_MANIFEST):
        for kind, name, _ in xml_events(archive.pieces(_MANIFEST)):
            if kind == "start" and name == "manifest:encryption-data":
                raise encrypted()
    read_title(archive, transcript, "meta.xml")
    _Content(transcript, limits).read(xml_events(archive.pieces(_CONTENT)))


class _Content:
    """`_tables` counts how deep; the rows are those of the outermost."""

    def __init__(self, transcript: Transcript, limits: Limits) -> None:
        self._transcript = transcript
        self._limits = limits
        self._paragraphs: list[list[str]] = []
        self._level: int | None = None
        self._is_title = False
        self._is_spreadsheet = False
        self._page: int | None = None
        self._tables = 0
        self._rows: list[list[str]] = []
        self._cell: list[str] = []
        self._repeated = 1
        self._passed_over = 0

    def read(self, events: Iterable[Event]) -> None:
        for kind, name, attributes in events:
            if name in _PASSED_OVER and kind != "text":
                self._passed_over += 1 if kind == "start" else -1
            elif self._passed_over:
                continue
            elif kind == "start":
                self._start(name, attributes)
            elif kind == "end":
                self._end(name)
            elif self._paragraphs:
                # White space is one space (5.1.5 of part 3); more of it are elements.
                self._paragraphs[-1].append(name.replace("\n", " "))
        self._transcript.pages = self._page

    def _start(self, name: str, attributes: Mapping[str, str]) -> None:
        if name in _PARAGRAPHS:
            self._paragraphs.append([])
            level = _LEVELS.get(attributes.get("text:outline-level", ""), 1)
            self._level = level if name == "text:h" or self._is_title else None
        elif name == "text:s":
            self._append(" " * _count(attributes, "text:c", _MOST_SPACES))
        elif name == "text:tab":
            self._append("\t")
        elif name == "text:line-break":
            self._append("\n")
        elif name == "office:spreadsheet":
            self._is_spreadsheet = True
        elif name == "draw:page":
            self._page = (self._page or 0) + 1
        elif name == "draw:frame":
            self._is_title = attributes.get("presentation:class") == "title"
        else:
            self._start_of_table(name, attributes)

    def _start_of_table(self, name: str, attributes: Mapping[str, str]) -> None:
        if name == "table:table":
            self._tables += 1
            if self._tables == 1 and self._is_spreadsheet:
                self._transcript.add_heading(1, attributes.get("table:name", ""))
        elif self._tables == 1 and name == "table:table-row":
            begin_row(self._rows, self._limits)
        elif self._tables == 1 and name == "table:table-cell":
            self._cell.clear()
            # A last cell that is repeated to the edge of the sheet is empty: one that is not is seldom repeated often.
            self._repeated = _count(attributes, "table:number-columns-repeated", self._limits.columns + 1)

    def _append(self, text: str) -> None:
        if self._paragraphs:
            self._paragraphs[-1].append(text)

    def _end(self, name: str) -> None:
        if name in _PARAGRAPHS and self._paragraphs:
            self._end_paragraph("".join(self._paragraphs.pop()))
        elif name == "table:table":
            self._tables = max(0, self._tables - 1)
            if not self._tables:
                add_table(self._rows, self._transcript, self._limits, page=self._page)
                self._rows.clear()
        elif self._tables == 1 and name == "table:table-cell" and self._rows:
            self._end_cell(self._rows[-1])
        elif name == "draw:frame":
            self._is_title = False

    def _end_cell(self, row: list[str]) -> None:
        text = " ".join(self._cell)
        self._cell.clear()
        row.extend([text] * min(self._repeated, self._limits.columns + 1 - len(row)))

    def _end_paragraph(self, text: str) -> None:
        if self._tables:
            self._cell.append(text)
        elif self._level:
            self._transcript.add_heading(self._level, text, self._page)
        else:
            self._transcript.add(text, self._page)


def _count(attributes: Mapping[str, str], name: str, most: int) -> int:
    """How often something is there, within reason: a billion is four bytes to write."""
    value = attributes.get(name, "1")
    return max(1, min(int(value[:9]), most)) if value.isdecimal() else 1

"""PPTX (ECMA-376, part 1, 19): each slide is a page, under its title, with its notes."""

from collections.abc import Iterable, Mapping
from typing import BinaryIO

from chatkeep.parsing.archive import Archive
from chatkeep.parsing.limits import Limits
from chatkeep.parsing.office_package import main_part, parts_of_kind, read_title, related_parts
from chatkeep.parsing.tables import add_table, begin_row
from chatkeep.parsing.transcript import Transcript
from chatkeep.parsing.xml_events import Event, xml_events

_TITLES = {"title", "ctrTitle"}
# The same on each slide.
_FURNITURE = {"sldNum", "dt", "ftr", "hdr", "sldImg"}


def read_slides(file: BinaryIO, transcript: Transcript, limits: Limits) -> None:
    """The whole of the file into the transcript.

    Raises:
        Unreadable
    """
    archive = Archive(file, limits)
    read_title(archive, transcript)
    slides = _slides(archive)
    transcript.pages = len(slides)
    for page, slide in enumerate(slides, 1):
        _Slide(transcript, limits, page).read(xml_events(archive.pieces(slide)))
        for notes in parts_of_kind(archive, slide, "notesSlide"):
            _Slide(transcript, limits, page).read(xml_events(archive.pieces(notes)))


def _slides(archive: Archive) -> list[str]:
    """In the order in which they are shown."""
    part = main_part(archive)
    related = related_parts(archive, part)
    return [
        related[attributes["r:id"]].part
        for kind, name, attributes in xml_events(archive.pieces(part))
        if kind == "start" and name == "p:sldId" and attributes.get("r:id") in related
    ]


class _Slide:
    def __init__(self, transcript: Transcript, limits: Limits, page: int) -> None:
        self._transcript = transcript
        self._limits = limits
        self._page = page
        self._text: list[str] = []
        self._placeholder = ""
        self._in_text = False
        self._rows: list[list[str]] | None = None

    def read(self, events: Iterable[Event]) -> None:
        for kind, name, attributes in events:
            if kind == "start":
                self._start(name, attributes)
            elif kind == "end":
                self._end(name)
            elif self._in_text:
                self._text.append(name)

    def _start(self, name: str, attributes: Mapping[str, str]) -> None:
        if name == "a:t":
            self._in_text = True
        elif name == "p:sp":
            self._placeholder = ""
        elif name == "p:ph":
            self._placeholder = attributes.get("type", "")
        elif name == "a:br":
            self._text.append("\n")
        elif name == "a:tbl":
            self._rows = []
        elif name == "a:tr" and self._rows is not None:
            begin_row(self._rows, self._limits)
        elif name == "a:tc" and self._rows:
            self._rows[-1].append("")

    def _end(self, name: str) -> None:
        if name == "a:t":
            self._in_text = False
        elif name == "a:p":
            self._end_paragraph()
        elif name == "a:tbl" and self._rows is not None:
            add_table(self._rows, self._transcript, self._limits, page=self._page)
            self._rows = None

    def _end_paragraph(self) -> None:
        text = "".join(self._text)
        self._text.clear()
        if self._placeholder in _FURNITURE:
            return
        if self._rows is not None:
            if self._rows and self._rows[-1]:
                self._rows[-1][-1] += f" {text}"
        elif self._placeholder in _TITLES:
            self._transcript.add_heading(1, text, self._page)
        else:
            self._transcript.add(text, self._page)

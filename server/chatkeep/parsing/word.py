"""DOCX (ECMA-376, part 1, 17): paragraphs, headings by their styles, tables, foot- and endnotes."""

import re
from collections.abc import Iterable, Mapping
from typing import BinaryIO

from chatkeep.parsing.archive import Archive
from chatkeep.parsing.limits import Limits
from chatkeep.parsing.office_package import main_part, parts_of_kind, read_title
from chatkeep.parsing.tables import add_table, begin_row
from chatkeep.parsing.transcript import Transcript
from chatkeep.parsing.xml_events import Event, xml_events

_HEADING_STYLE = re.compile(r"heading ?([1-9])", re.IGNORECASE)
_OUTLINE_LEVELS = {str(level): level + 1 for level in range(9)}
# What is shown otherwise in newer programs, and what was moved elsewhere: both are there twice.
_TWICE = {"mc:Fallback", "w:moveFrom"}
_SIGNS = {"w:tab": "\t", "w:br": "\n", "w:cr": "\n", "w:noBreakHyphen": "-"}
_MOST_INHERITED = 10


def read_word(file: BinaryIO, transcript: Transcript, limits: Limits) -> None:
    """The whole of the file into the transcript.

    Raises:
        Unreadable
    """
    archive = Archive(file, limits)
    read_title(archive, transcript)
    part = main_part(archive)
    levels: dict[str, int] = {}
    for styles in parts_of_kind(archive, part, "styles"):
        levels = _heading_levels(xml_events(archive.pieces(styles)))
    for story in (part, *parts_of_kind(archive, part, "footnotes"), *parts_of_kind(archive, part, "endnotes")):
        _Story(transcript, limits, levels).read(xml_events(archive.pieces(story)))


def _heading_levels(events: Iterable[Event]) -> dict[str, int]:
    """Of the styles of headings, by their ids. Styles are named in English in the file, whatever the program shows."""
    levels: dict[str, int] = {}
    parents: dict[str, str] = {}
    style = ""
    for kind, name, attributes in events:
        if kind != "start":
            continue
        value = attributes.get("w:val", "")
        if name == "w:style":
            style = attributes.get("w:styleId", "")
        elif name == "w:basedOn":
            parents[style] = value
        elif name == "w:name" and (named := _named_level(value)):
            levels.setdefault(style, named)
        elif name == "w:outlineLvl" and value in _OUTLINE_LEVELS:
            levels[style] = _OUTLINE_LEVELS[value]
    return levels | {style: level for style in parents if (level := _inherited(style, levels, parents))}


def _named_level(name: str) -> int | None:
    heading = _HEADING_STYLE.fullmatch(name)
    if heading:
        return int(heading[1])
    return 1 if name.lower() == "title" else None


def _inherited(style: str, levels: Mapping[str, int], parents: Mapping[str, str]) -> int | None:
    for _ in range(_MOST_INHERITED):
        if style in levels:
            return levels[style]
        style = parents.get(style, "")
    return None


class _Story:
    """A body of text. A paragraph can lie within another (a text box), and a table within a cell."""

    def __init__(self, transcript: Transcript, limits: Limits, levels: Mapping[str, int]) -> None:
        self._transcript = transcript
        self._limits = limits
        self._levels = levels
        self._paragraphs: list[list[str]] = []
        self._tables: list[list[list[str]]] = []
        self._level: int | None = None
        self._in_text = False
        self._twice = 0

    def read(self, events: Iterable[Event]) -> None:
        for kind, name, attributes in events:
            if kind == "text":
                if self._in_text and not self._twice and self._paragraphs:
                    self._paragraphs[-1].append(name)
            elif name in _TWICE:
                self._twice += 1 if kind == "start" else -1
            elif self._twice:
                continue
            elif kind == "start":
                self._start(name, attributes)
            else:
                self._end(name)

    def _start(self, name: str, attributes: Mapping[str, str]) -> None:
        if name == "w:t":
            self._in_text = True
        elif name == "w:p":
            self._paragraphs.append([])
            self._level = None
        elif name == "w:pStyle":
            style = attributes.get("w:val", "")
            self._level = self._levels.get(style, _named_level(style))
        elif name == "w:outlineLvl":
            self._level = _OUTLINE_LEVELS.get(attributes.get("w:val", ""), self._level)
        elif name in _SIGNS and self._paragraphs:
            self._paragraphs[-1].append(_SIGNS[name])
        elif name == "w:tbl":
            self._tables.append([])
        elif name == "w:tr" and self._tables:
            begin_row(self._tables[-1], self._limits)
        elif name == "w:tc" and self._tables and self._tables[-1]:
            self._tables[-1][-1].append("")

    def _end(self, name: str) -> None:
        if name == "w:t":
            self._in_text = False
        elif name == "w:p" and self._paragraphs:
            self._end_paragraph("".join(self._paragraphs.pop()))
        elif name == "w:tbl" and self._tables:
            rows = self._tables.pop()
            if self._tables:
                self._end_paragraph("; ".join(cell for row in rows for cell in row))
            else:
                add_table(rows, self._transcript, self._limits)

    def _end_paragraph(self, text: str) -> None:
        if self._tables:
            row = self._tables[-1][-1] if self._tables[-1] else []
            if row:
                row[-1] += f" {text}" if row[-1] else text
        elif self._level:
            self._transcript.add_heading(self._level, text)
            self._level = None
        else:
            self._transcript.add(text)

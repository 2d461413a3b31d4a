"""XLSX (ECMA-376, part 1, 18): each sheet under its name, its rows with the names of their columns."""

import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime, timedelta
from typing import BinaryIO, NamedTuple

from chatkeep.parsing.archive import Archive
from chatkeep.parsing.limits import Limits
from chatkeep.parsing.office_package import main_part, parts_of_kind, read_title, related_parts
from chatkeep.parsing.refusals import too_large
from chatkeep.parsing.tables import add_table
from chatkeep.parsing.transcript import Transcript
from chatkeep.parsing.xml_events import Event, xml_events

_COLUMN = re.compile(r"[A-Z]{1,3}")
_BUILT_IN_DATES = frozenset({*range(14, 23), *range(27, 37), *range(45, 48), *range(50, 59)})
# Of a format, what is not taken by its letters: what is quoted, escaped, or in brackets.
_LITERAL = re.compile(r'"[^"]*"|\\.|_.|\[[^\]]*\]')
_DATE_LETTERS = re.compile(r"[ymdhs]", re.IGNORECASE)
_EPOCH = datetime(1899, 12, 30)  # noqa: DTZ001 - a spreadsheet's days have no zone
_EPOCH_1904 = datetime(1904, 1, 1)  # noqa: DTZ001
_LAST_DAY = 2_958_465
_STRING_COSTS = 16


class _Book(NamedTuple):
    """`dates`: which of the cells' styles are dates."""

    strings: list[str]
    dates: list[bool]
    epoch: datetime


def read_spreadsheet(file: BinaryIO, transcript: Transcript, limits: Limits) -> None:
    """The whole of the file into the transcript.

    Raises:
        Unreadable
    """
    archive = Archive(file, limits)
    read_title(archive, transcript)
    part = main_part(archive)
    sheets, epoch = _sheets(archive, part)
    strings: list[str] = []
    for shared in parts_of_kind(archive, part, "sharedStrings"):
        strings = list(_strings(xml_events(archive.pieces(shared)), limits.characters))
    dates: list[bool] = []
    for styles in parts_of_kind(archive, part, "styles"):
        dates = _date_styles(xml_events(archive.pieces(styles)))
    book = _Book(strings, dates, epoch)
    for name, sheet in sheets:
        transcript.add_heading(1, name)
        add_table(_rows(xml_events(archive.pieces(sheet)), book, limits.columns), transcript, limits)


def _sheets(archive: Archive, part: str) -> tuple[list[tuple[str, str]], datetime]:
    """Names and parts in order, and the day from which days are counted. Hidden sheets are the owner's too."""
    related = related_parts(archive, part)
    sheets = []
    epoch = _EPOCH
    for kind, name, attributes in xml_events(archive.pieces(part)):
        if kind == "start" and name == "x:sheet" and attributes.get("r:id") in related:
            found = related[attributes["r:id"]]
            if found.kind == "worksheet":
                sheets.append((attributes.get("name", ""), found.part))
        elif kind == "start" and name == "x:workbookPr" and attributes.get("date1904") in {"1", "true"}:
            epoch = _EPOCH_1904
    return sheets, epoch


def _strings(events: Iterable[Event], characters: int) -> Iterator[str]:
    """Those that the cells of all sheets share."""
    text: list[str] = []
    left = characters
    in_text = False
    for kind, name, _ in events:
        if kind == "text":
            if in_text:
                text.append(name)
        elif name in {"x:t", "x:rPh"}:  # rPh is how it is pronounced, and has a text of its own
            in_text = kind == "start" and name == "x:t"
        elif name == "x:si" and kind == "end":
            left -= sum(map(len, text)) + _STRING_COSTS
            if left < 0:
                raise too_large("It has more text")
            yield "".join(text)
            text.clear()


def _date_styles(events: Iterable[Event]) -> list[bool]:
    custom: dict[str, bool] = {}
    styles: list[bool] = []
    within = False
    for kind, name, attributes in events:
        if name == "x:cellXfs":
            within = kind == "start"
        elif kind == "start" and name == "x:numFmt":
            custom[attributes.get("numFmtId", "")] = _is_date(attributes.get("formatCode", ""))
        elif kind == "start" and name == "x:xf" and within:
            number = attributes.get("numFmtId", "0")
            styles.append(custom.get(number, number.isdecimal() and int(number[:5]) in _BUILT_IN_DATES))
    return styles


def _is_date(code: str) -> bool:
    code = _LITERAL.sub("", code)
    return bool(_DATE_LETTERS.search(code)) and "general" not in code.lower()


def _rows(events: Iterable[Event], book: _Book, columns: int) -> Iterator[list[str]]:
    """Up to one column more than is read, so that what is left out is noticed."""
    row: list[str] = []
    cell: Mapping[str, str] = {}
    value: list[str] = []
    in_value = False
    for kind, name, attributes in events:
        if kind == "text":
            if in_value:
                value.append(name)
        elif name in {"x:v", "x:t"}:
            in_value = kind == "start"
        elif name == "x:c" and kind == "start":
            cell = attributes
            value.clear()
        elif name == "x:c":
            _place(row, _column(cell.get("r", ""), len(row)), columns, _shown("".join(value), cell, book))
        elif name == "x:row" and kind == "end":
            yield row
            row = []


def _place(row: list[str], column: int, columns: int, text: str) -> None:
    if text and len(row) <= column <= columns:
        row.extend([""] * (column + 1 - len(row)))
        row[column] = text
    elif text and column > columns:
        row.extend([""] * (columns + 1 - len(row)))


def _column(reference: str, following: int) -> int:
    """Of "BC12", 54; a cell that does not say where it is follows the one before."""
    letters = _COLUMN.match(reference)
    if not letters:
        return following
    number = 0
    for letter in letters[0]:
        number = number * 26 + ord(letter) - ord("A") + 1
    return number - 1


def _shown(value: str, cell: Mapping[str, str], book: _Book) -> str:
    """As a reader of the sheet sees it, but for the number of decimals."""
    kind = cell.get("t", "n")
    if kind == "s":
        return book.strings[int(value)] if value.isdecimal() and int(value[:9]) < len(book.strings) else ""
    if kind == "b":
        return "TRUE" if value.strip() == "1" else "FALSE"
    style = cell.get("s", "")
    if kind == "n" and style.isdecimal() and int(style[:9]) < len(book.dates) and book.dates[int(style[:9])]:
        return _date(value, book.epoch)
    return value


def _date(value: str, epoch: datetime) -> str:
    try:
        days = float(value)
        if not 0 <= days <= _LAST_DAY:
            return value
        moment = epoch + timedelta(seconds=round(days * 86_400))
    except (ValueError, OverflowError):
        return value
    if days < 1:
        return f"{moment:%H:%M:%S}"
    return f"{moment:%Y-%m-%d}" if days == int(days) else f"{moment:%Y-%m-%d %H:%M:%S}"

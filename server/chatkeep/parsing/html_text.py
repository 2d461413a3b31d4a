"""What a reader of a web page sees, as paragraphs, headings and tables; nothing is run or fetched."""

import re
from html.parser import HTMLParser
from typing import BinaryIO

from chatkeep.parsing.decoding import decoded
from chatkeep.parsing.limits import Limits
from chatkeep.parsing.refusals import too_large
from chatkeep.parsing.tables import add_table, begin_row
from chatkeep.parsing.transcript import Transcript, one_line

_NEVER_SHOWN = frozenset({"script", "style", "template", "noscript", "nav", "select", "datalist", "dialog"}) | {
    *("svg", "math", "iframe", "object", "applet", "canvas", "audio", "video")
}
# Hidden until a script has run, on pages that are afraid of flickering.
_ALWAYS_SHOWN = frozenset({"html", "body", "main"})
_BLOCKS = frozenset(
    {"article", "aside", "body", "center", "div", "footer", "form", "header", "html", "main", "section"}
) | {
    *("address", "blockquote", "details", "dd", "dl", "dt", "fieldset", "figcaption", "figure", "hr", "legend"),
    *("li", "menu", "ol", "p", "section", "summary", "ul"),
}
_HEADINGS = {f"h{level}": level for level in range(1, 7)}
_NO_END = frozenset(
    ("area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "param", "source", "track", "wbr")
)
# Their end tags may be left out (HTML, 13.1.2.4): the next of the same kind ends them.
_END_BY_THEMSELVES = frozenset(["p", "li", "dt", "dd", "tr", "td", "th", "option"])
_HIDDEN_STYLE = re.compile(r"(?:display\s*:\s*none|visibility\s*:\s*hidden)", re.IGNORECASE)
_CHARSET = re.compile(
    rb"<(?:meta\b[^>]{0,200}?charset|\?xml\b[^>]{0,100}?encoding)\s*=\s*[\"']?([\w-]{1,30})", re.IGNORECASE
)
_ITEM = "- "
_ITEM_AND_SPACE = 2
_LOOKED_AT = 4096
# Stands for a line break in text whose own line breaks are spaces.
_BREAK = "\x00"
_MOST_BYTES_A_CHARACTER = 20


def read_html(file: BinaryIO, transcript: Transcript, limits: Limits) -> None:
    """The whole of the file into the transcript.

    Raises:
        Unreadable
    """
    file.seek(0)
    data = file.read(limits.characters * _MOST_BYTES_A_CHARACTER + 1)
    if len(data) > limits.characters * _MOST_BYTES_A_CHARACTER:
        raise too_large("It is a larger page")
    add_html(data, transcript, limits)


def add_html(data: bytes, transcript: Transcript, limits: Limits, charset: str | None = None) -> None:
    """A page out of something else, such as a mail or a book; `charset` as that names it.

    Raises:
        Unreadable
    """
    named = _CHARSET.search(data, 0, _LOOKED_AT)
    text, _ = decoded(data, charset or (named[1].decode() if named else None))
    reader = _Reader(transcript, limits)
    reader.feed(_without_open_ends(text))
    reader.close()
    reader.end_block()


def _without_open_ends(text: str) -> str:
    """Markup that never ends becomes text: HTMLParser would look for the end from each beginning anew."""
    for begin, end in (("<!--", "-->"), ("<![", "]>"), ("<", ">")):
        last = text.rfind(end) + 1
        if text.find(begin, last) >= 0:
            text = text[:last] + text[last:].replace(begin, "&lt;" + begin[1:])
    return text


class _Reader(HTMLParser):
    """`_skipped` is the element that is passed over, and how often it is nested within itself."""

    def __init__(self, transcript: Transcript, limits: Limits) -> None:
        super().__init__(convert_charrefs=True)
        self._transcript = transcript
        self._limits = limits
        self._text: list[str] = []
        self._heading = 0
        self._preformatted = 0
        self._in_title = False
        self._skipped: tuple[str, int] | None = None
        self._tables = 0
        self._rows: list[list[str]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if self._skipped and not self._still_skipped(tag):
            return
        if tag in _NO_END:
            self._empty(tag)
        elif tag in _NEVER_SHOWN or (tag not in _ALWAYS_SHOWN and _is_hidden(attrs)):
            self._skipped = (tag, 1)
        elif tag == "title":
            self._in_title = not self._transcript.title
            self._skipped = None if self._in_title else (tag, 1)
        elif tag in _HEADINGS and not self._tables:
            self.end_block()
            self._heading = _HEADINGS[tag]
        elif tag in {"table", "tr", "td", "th", "caption"}:
            self._table_tag(tag)
        elif tag in _BLOCKS or tag == "pre":
            self._begin_block()
            self._preformatted += tag == "pre"
            if tag == "li":
                self._text.append(_ITEM)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """XHTML's `<br/>`; also `<script/>`, which HTML does not close."""
        self.handle_starttag(tag, attrs)
        self.handle_endtag(tag)

    def handle_endtag(self, tag: str) -> None:
        if self._skipped:
            name, depth = self._skipped
            if tag == name or (name == "p" and tag in _BLOCKS):
                self._skipped = (name, depth - 1) if depth > 1 else None
        elif tag == "title":
            self._end_title()
        elif tag == "table":
            self._end_table()
        elif tag in _BLOCKS or tag in _HEADINGS or tag in {"pre", "caption"}:
            self.end_block()
            self._preformatted = max(0, self._preformatted - (tag == "pre"))

    def handle_data(self, data: str) -> None:
        if not self._skipped:
            self._text.append(data)

    def _begin_block(self) -> None:
        """The mark of a list's item goes with the paragraph in it."""
        if len(self._text) <= _ITEM_AND_SPACE and "".join(self._text).strip() == _ITEM.strip():
            self._text = [_ITEM]
        else:
            self.end_block()

    def end_block(self) -> None:
        """What was read since the last block is one."""
        if self._tables:
            self._text.append(" ")
            return
        text = "".join(self._text)
        self._text.clear()
        if self._heading:
            self._transcript.add_heading(self._heading, text)
            self._heading = 0
        elif self._preformatted:
            self._transcript.add(text)
        else:
            self._transcript.add("\n".join(map(one_line, text.split(_BREAK))))

    def _still_skipped(self, tag: str) -> bool:
        """Whether what begins is outside of what is passed over. Changes how deep that is."""
        name, depth = self._skipped or ("", 0)
        if tag != name and not (name == "p" and (tag in _BLOCKS or tag in _HEADINGS)):
            return False
        if name in _END_BY_THEMSELVES:
            self._skipped = None
            return True
        self._skipped = (name, depth + 1)
        return False

    def _empty(self, tag: str) -> None:
        if tag == "br":
            self._text.append("\n" if self._preformatted else _BREAK)
        elif tag == "hr":
            self.end_block()

    def _end_title(self) -> None:
        if self._in_title:
            self._transcript.title = "".join(self._text)
            self._text.clear()
            self._in_title = False

    def _table_tag(self, tag: str) -> None:
        """Tables within a cell become part of its text."""
        if tag == "table":
            self.end_block()
            self._tables += 1
        elif self._tables == 1 and tag == "tr":
            self._end_cell()
            begin_row(self._rows, self._limits)
        elif self._tables == 1 and tag in {"td", "th"}:
            self._end_cell()
            if not self._rows:
                self._rows.append([])
            self._rows[-1].append("")

    def _end_cell(self) -> None:
        text = "".join(self._text).replace(_BREAK, " ")
        self._text.clear()
        if self._rows and self._rows[-1]:
            self._rows[-1][-1] = text
        else:  # a caption, or what stands where no text may
            self._transcript.add(one_line(text))

    def _end_table(self) -> None:
        if self._tables == 1:
            self._end_cell()
            add_table(self._rows, self._transcript, self._limits)
            self._rows.clear()
        self._tables = max(0, self._tables - 1)

    def close(self) -> None:
        super().close()
        self._tables = min(self._tables, 1)
        self._end_table()
        self._tables = 0


def _is_hidden(attrs: list[tuple[str, str | None]]) -> bool:
    for name, value in attrs:
        if (
            name == "hidden"
            or (name == "aria-hidden" and value == "true")
            or (name == "role" and value == "navigation")
        ):
            return True
        if name == "style" and value and _HIDDEN_STYLE.search(value):
            return True
    return False

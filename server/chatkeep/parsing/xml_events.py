"""XML as a stream of events, by expat: no document type, so no entities to expand; nothing fetched; bounded depth."""

import xml.parsers.expat
from collections.abc import Iterable, Iterator, Mapping
from typing import Literal, NamedTuple

from chatkeep.parsing.refusals import damaged

_OOXML = "http://schemas.openxmlformats.org"
_STRICT = "http://purl.oclc.org/ooxml"
_ODF = "urn:oasis:names:tc:opendocument:xmlns"

_PREFIXES = {
    f"{_OOXML}/wordprocessingml/2006/main": "w",
    f"{_STRICT}/wordprocessingml/main": "w",
    f"{_OOXML}/presentationml/2006/main": "p",
    f"{_STRICT}/presentationml/main": "p",
    f"{_OOXML}/spreadsheetml/2006/main": "x",
    f"{_STRICT}/spreadsheetml/main": "x",
    f"{_OOXML}/drawingml/2006/main": "a",
    f"{_STRICT}/drawingml/main": "a",
    f"{_OOXML}/officeDocument/2006/relationships": "r",
    f"{_STRICT}/officeDocument/relationships": "r",
    f"{_OOXML}/package/2006/relationships": "rels",
    f"{_OOXML}/markup-compatibility/2006": "mc",
    "http://purl.org/dc/elements/1.1/": "dc",
    "http://www.idpf.org/2007/opf": "opf",
    f"{_ODF}:container": "ocf",
    **{f"{_ODF}:{name}:1.0": name for name in ("office", "text", "table", "presentation", "manifest")},
    f"{_ODF}:drawing:1.0": "draw",
}

_DEEPEST = 256
_MOST_NAMES = 10_000


class Event(NamedTuple):
    """`name` of an element is `prefix:local`, by the prefixes in here, whatever the document's own are; of a text it is
    the text.
    """

    kind: Literal["start", "end", "text"]
    name: str
    attributes: Mapping[str, str]


_NO_ATTRIBUTES: Mapping[str, str] = {}


def xml_events(pieces: Iterable[bytes]) -> Iterator[Event]:
    """Lazily: what is not asked for is not read.

    Raises:
        Unreadable: it is no well-formed XML, has a document type, or is nested too deep.
    """
    reader = _Reader()
    for piece in pieces:
        yield from reader.feed(piece, last=False)
    yield from reader.feed(b"", last=True)


class _Reader:
    def __init__(self) -> None:
        self._events: list[Event] = []
        self._depth = 0
        self._names: dict[str, str] = {}
        self._parser = xml.parsers.expat.ParserCreate(namespace_separator=" ")
        self._parser.buffer_text = True
        self._parser.StartElementHandler = self._start
        self._parser.EndElementHandler = self._end
        self._parser.CharacterDataHandler = self._text
        self._parser.StartDoctypeDeclHandler = self._doctype

    def feed(self, piece: bytes, *, last: bool) -> list[Event]:
        try:
            self._parser.Parse(piece, last)
        except xml.parsers.expat.ExpatError as error:
            raise damaged("the XML in it is broken") from error
        events, self._events = self._events, []
        return events

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        self._depth += 1
        if self._depth > _DEEPEST:
            raise damaged("it is nested too deep")
        known = {self._short(key): value for key, value in attributes.items()} if attributes else _NO_ATTRIBUTES
        self._events.append(Event("start", self._short(name), known))

    def _end(self, name: str) -> None:
        self._depth -= 1
        self._events.append(Event("end", self._short(name), _NO_ATTRIBUTES))

    def _text(self, text: str) -> None:
        self._events.append(Event("text", text, _NO_ATTRIBUTES))

    def _doctype(self, *_: object) -> None:
        raise damaged("it declares a document type, which no office program writes")

    def _short(self, name: str) -> str:
        short = self._names.get(name)
        if short is None:
            if len(self._names) > _MOST_NAMES:
                self._names.clear()
            namespace, _, local = name.rpartition(" ")
            short = self._names[name] = f"{_PREFIXES.get(namespace, '?')}:{local}" if namespace else local
        return short

"""A form (multipart/form-data, RFC 7578) as it arrives: its parts in order, and of each its bytes, none held back."""

from collections.abc import AsyncIterator
from dataclasses import dataclass

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from chatkeep.rag.errors import UploadInvalid

MOST_PARTS = 50
_MOST_HEADERS = 16
_LONGEST_HEADER = 8 * 1024


@dataclass(frozen=True, slots=True)
class Part:
    """A part begins. `filename` is None where it is no file; both are as the client wrote them."""

    name: str
    filename: str | None


@dataclass(frozen=True, slots=True)
class PartEnd:
    """All of the part has come."""


async def read_form(stream: AsyncIterator[bytes], content_type: str) -> AsyncIterator[Part | bytes | PartEnd]:
    """What there is, in order: a `Part`, its bytes, its `PartEnd`, and the next one.

    Raises:
        UploadInvalid: it is no form, or a broken one, or breaks off.
    """
    kind, options = parse_options_header(content_type)
    boundary = options.get(b"boundary", b"")
    if kind != b"multipart/form-data" or not boundary:
        raise UploadInvalid("Send the files as multipart/form-data, each in a part with the name file.")
    form = _Form()
    try:
        parser = form.parser(boundary)
        async for piece in stream:
            parser.write(piece)
            for event in form.take():
                yield event
        parser.finalize()
    except FormParserError:
        raise UploadInvalid("The form cannot be taken apart.") from None
    if not form.ended:
        raise UploadInvalid("The form breaks off before its end.")


class _Form:
    def __init__(self) -> None:
        self._events: list[Part | bytes | PartEnd] = []
        self._header = b""
        self._value = b""
        self._disposition = b""
        self._parts = 0
        self.ended = False

    def parser(self, boundary: bytes) -> MultipartParser:
        return MultipartParser(
            boundary,
            {
                "on_part_begin": self._begin,
                "on_header_field": self._on_header,
                "on_header_value": self._on_value,
                "on_header_end": self._on_header_end,
                "on_headers_finished": self._on_headers,
                "on_part_data": self._on_data,
                "on_part_end": self._on_part_end,
                "on_end": self._on_end,
            },
            max_header_count=_MOST_HEADERS,
            max_header_size=_LONGEST_HEADER,
        )

    def take(self) -> list[Part | bytes | PartEnd]:
        events, self._events = self._events, []
        return events

    def _begin(self) -> None:
        self._disposition = b""
        self._parts += 1
        if self._parts > MOST_PARTS:
            raise UploadInvalid(f"A form may have {MOST_PARTS} parts.")

    def _on_header(self, data: bytes, start: int, end: int) -> None:
        self._header += data[start:end]

    def _on_value(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]

    def _on_header_end(self) -> None:
        if self._header.lower() == b"content-disposition":
            self._disposition = self._value
        self._header = self._value = b""

    def _on_headers(self) -> None:
        _, options = parse_options_header(self._disposition)
        filename = options.get(b"filename")
        name = options.get(b"name", b"").decode(errors="replace")
        self._events.append(Part(name, None if filename is None else filename.decode(errors="replace")))

    def _on_data(self, data: bytes, start: int, end: int) -> None:
        self._events.append(data[start:end])

    def _on_part_end(self) -> None:
        self._events.append(PartEnd())

    def _on_end(self) -> None:
        self.ended = True

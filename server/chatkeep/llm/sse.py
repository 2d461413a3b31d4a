"""Server-sent events, read as bytes (WHATWG HTML, section 9.2.6 "Interpreting an event stream").

OpenAI's streaming format puts everything into `data`, so an event is its data bytes; the fields `event`, `id` and
`retry` are parsed past. The bytes stay undecoded: decoding is the reader's, once for a frame, not once for a line.
"""

_BOM = b"\xef\xbb\xbf"
_LINE_ENDS = (b"\n", b"\r")


class SseEventTooLarge(Exception):
    """An event, or a single line of one, is longer than the bound."""


class SseParser:
    """An incremental parser: any way of cutting the same bytes into reads yields the same events."""

    __slots__ = ("_at_start", "_data", "_data_size", "_max_event_bytes", "_skip_line_feed", "_tail", "_tail_size")

    def __init__(self, max_event_bytes: int = 1 << 20) -> None:
        self._max_event_bytes = max_event_bytes
        self._at_start = True
        self._skip_line_feed = False
        # The line that has not ended yet, as the reads brought it: joined once, so that a sender of single bytes
        # costs linear time and not quadratic.
        self._tail: list[bytes] = []
        self._tail_size = 0
        self._data: list[bytes] = []
        self._data_size = 0

    def feed(self, data: bytes) -> list[bytes]:
        """The data of every event that `data` completes. What is incomplete at the end of a stream is no event.

        Raises:
            SseEventTooLarge: an event is larger than the bound; the parser is of no further use.
        """
        if self._at_start or self._skip_line_feed:
            data = self._drop_prefix(data)
        if b"\n" not in data and b"\r" not in data:
            self._keep_tail(data)
            return []
        if self._tail:
            data = b"".join((*self._tail, data))
            self._tail.clear()
            self._tail_size = 0
        if self._data or b"\r" in data:
            return self._by_line(data)
        return self._by_block(data)

    def _drop_prefix(self, data: bytes) -> bytes:
        if self._skip_line_feed and data:
            self._skip_line_feed = False
            if data[:1] == b"\n":
                data = data[1:]
        if self._at_start and data:
            if self._tail:
                data = b"".join((*self._tail, data))
                self._tail.clear()
                self._tail_size = 0
            if len(data) < len(_BOM) and _BOM.startswith(data):
                self._keep_tail(data)
                return b""
            self._at_start = False
            data = data.removeprefix(_BOM)
        return data

    def _by_block(self, data: bytes) -> list[bytes]:
        """The common shape, one `data:` line and an empty one, costs a single split; anything else goes by line."""
        blocks = data.split(b"\n\n")
        tail = blocks.pop()
        events: list[bytes] = []
        for block in blocks:
            if block.startswith(b"data: ") and b"\n" not in block:
                if len(block) >= self._max_event_bytes:
                    raise SseEventTooLarge
                events.append(block[6:])
            else:
                events += self._by_line(block + b"\n\n")
        if b"\n" in tail:
            events += self._by_line(tail)
        elif tail:
            self._keep_tail(tail)
        return events

    def _by_line(self, data: bytes) -> list[bytes]:
        # bytes.splitlines knows LF, CR and CRLF and nothing else, which is just what the standard counts as line ends.
        lines = data.splitlines(keepends=True)
        if not lines[-1].endswith(_LINE_ENDS):
            self._keep_tail(lines.pop())
        elif lines[-1].endswith(b"\r"):
            self._skip_line_feed = True
        events: list[bytes] = []
        for line in lines:
            stripped = line.rstrip(b"\r\n")
            if stripped:
                self._field(stripped)
            elif self._data:
                events.append(b"\n".join(self._data))
                self._data.clear()
                self._data_size = 0
        return events

    def _field(self, line: bytes) -> None:
        if self._data_size + len(line) >= self._max_event_bytes:
            raise SseEventTooLarge
        name, _, value = line.partition(b":")
        if name == b"data":
            self._data_size += len(line) + 1
            self._data.append(value.removeprefix(b" "))

    def _keep_tail(self, data: bytes) -> None:
        if not data:
            return
        self._tail.append(data)
        self._tail_size += len(data)
        if self._tail_size + self._data_size > self._max_event_bytes:
            raise SseEventTooLarge

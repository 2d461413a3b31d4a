"""One HTTP/1.1 connection of the streaming client: an asyncio.Protocol with llhttp behind it, and the response on it.

There is no task and no timer per response. Bytes are parsed where the event loop delivers them, a reader waits on one
future, and the client's sweep looks at the deadlines of all connections together.

Errors, all of them `HttpStreamError`; their texts name neither address nor content:

    HttpStreamError
      ├─ ConnectFailed        no connection came about (`reason` says why)
      ├─ ResponseTimeout      silence for longer than allowed, or an answer without end
      ├─ ConnectionBroken     closed in the middle
      ├─ ProtocolViolation    not HTTP/1.1, or a part of it that was not asked for
      └─ ResponseTooLarge     more than the bound
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, cast

import httptools
from typing_extensions import override

ConnectFailure = Literal["refused", "unknown host", "tls", "unreachable", "timeout", "forbidden address", "too many"]


class HttpStreamError(Exception):
    """The exchange failed."""


class ConnectFailed(HttpStreamError):
    """No connection came about."""

    def __init__(self, reason: ConnectFailure) -> None:
        super().__init__(reason)
        self.reason = reason


class ResponseTimeout(HttpStreamError):
    """The peer was silent for too long, or its answer took longer than any answer may."""


class ConnectionBroken(HttpStreamError):
    """The peer closed the connection before the response was complete."""


class ProtocolViolation(HttpStreamError):
    """What came is not HTTP/1.1."""


class ResponseTooLarge(HttpStreamError):
    """Header fields or body exceed their bound."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """Times in seconds, sizes in bytes.

    `first_byte` runs from the request to the end of the response's header, `idle` from one read of the body to the
    next, `total` over the whole exchange. `body` counts what comes over the wire: JSON around a token is some sixty
    times the token. A response whose reader is slower than its sender holds `buffer` bytes and then stops reading.
    """

    connect: float = 10.0
    first_byte: float = 180.0
    idle: float = 120.0
    total: float = 3600.0
    header: int = 64 << 10
    body: int = 128 << 20
    buffer: int = 64 << 10


class Response:
    """A response under way. Made by the client; `read` until it returns nothing, and `close` in any case.

    `idle` is the longest silence between two reads, in seconds; a reader may change it on the way. `began` is true
    from the first byte on, `header_done` once `status` and `headers` (names in lower case) are there.
    """

    __slots__ = (
        "_bounds", "_buffered", "_complete", "_connection", "_deadline", "_error", "_expires", "_late", "_pieces",
        "_received", "_waiter", "began", "header_done", "headers", "idle", "status",
    )  # fmt: skip

    def __init__(self, connection: "Connection", bounds: Bounds, now: float) -> None:
        self._connection = connection
        self._bounds = bounds
        self._pieces: list[bytes] = []
        self._buffered = 0
        self._received = 0
        self._complete = False
        self._error: HttpStreamError | None = None
        self._waiter: asyncio.Future[None] | None = None
        self._expires = now + bounds.total
        self._deadline = now + bounds.first_byte
        self._late = False
        self.idle = bounds.idle
        self.began = False
        self.header_done = False
        self.status = 0
        self.headers: dict[bytes, bytes] = {}

    @property
    def complete(self) -> bool:
        """The whole body has come, though perhaps it has not been read."""
        return self._complete

    async def wait_for_header(self) -> None:
        """Wait until `status` and `headers` are there.

        Raises:
            HttpStreamError: they never will be.
        """
        while not self.header_done:
            if self._error is not None:
                raise self._error
            await self._wait()

    async def read(self) -> bytes:
        """All that has come since the last call, at least one byte; nothing once the body is complete.

        Raises:
            HttpStreamError: what came before the failure has been returned already.
        """
        while not self._pieces:
            if self._error is not None:
                raise self._error
            if self._complete:
                return b""
            self._deadline = self._connection.now() + self.idle
            self._late = False
            await self._wait()
        data = self._pieces[0] if len(self._pieces) == 1 else b"".join(self._pieces)
        self._pieces.clear()
        if self._buffered > self._bounds.buffer:
            self._connection.resume_reading()
        self._buffered = 0
        return data

    def close(self) -> None:
        """Give the connection back when the body is complete; otherwise close it, which cancels the peer's work."""
        self._connection.finished_with(self, drain=False)

    def close_after_end(self) -> None:
        """Like `close`, but the peer has announced the end, so that the rest of the framing is worth waiting for."""
        self._connection.finished_with(self, drain=True)

    async def _wait(self) -> None:
        self._waiter = self._connection.create_future()
        try:
            await self._waiter
        finally:
            self._waiter = None

    def wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def fail(self, error: HttpStreamError) -> None:
        if self._error is None and not self._complete:
            self._error = error
        self.wake()

    def received(self, size: int) -> None:
        """Count what came over the wire: framing too, so that endless chunk extensions are bounded as well."""
        self._received += size
        if not self.header_done and self._received > self._bounds.header:
            raise ResponseTooLarge("header")
        if self._received > self._bounds.body:
            raise ResponseTooLarge("body")

    def append(self, body: bytes) -> bool:
        """Keep a piece of the body; true when the buffer has just become full."""
        was_full = self._buffered > self._bounds.buffer
        self._pieces.append(body)
        self._buffered += len(body)
        return not was_full and self._buffered > self._bounds.buffer

    def set_complete(self) -> None:
        self._complete = True

    def is_overdue(self, now: float) -> bool:
        """Only a waiting reader is kept waiting by the peer; `total` runs in any case.

        Silence takes two calls to be sure of: after this machine slept, or was too busy, time is up although data is
        already there to be read.
        """
        late = self._waiter is not None and now > self._deadline
        was_late, self._late = self._late, late
        return (late and was_late) or now > self._expires


class Connection(asyncio.Protocol):
    """Carries one exchange at a time, over and over."""

    # What may still come after the announced end of a body before reuse is not worth it: bytes and seconds.
    _DRAIN_BYTES = 4096
    _DRAIN_SECONDS = 2.0

    def __init__(
        self, bounds: Bounds, on_idle: Callable[["Connection"], None], on_lost: Callable[["Connection"], None]
    ) -> None:
        self._bounds = bounds
        self._on_idle = on_idle
        self._on_lost = on_lost
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._parser = httptools.HttpResponseParser(self)
        self._response: Response | None = None
        self._header_bytes = 0
        self._draining_until: float | None = None
        self._drained = 0
        self._reusable = True
        self.idle_since = 0.0
        self.now = self._loop.time
        self.create_future = self._loop.create_future

    @property
    def is_open(self) -> bool:
        return self._transport is not None and not self._transport.is_closing()

    def send(self, request: bytes) -> Response:
        """Write a whole request. The connection is open and idle."""
        if self._transport is None:
            raise ConnectionBroken("closed")
        self._header_bytes = 0
        self._response = Response(self, self._bounds, self.now())
        self._transport.write(request)
        return self._response

    def abort(self) -> None:
        """Close at once, without waiting for anything to be written."""
        self._reusable = False
        if self._transport is not None:
            self._transport.abort()

    def resume_reading(self) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.resume_reading()

    def check_deadline(self, now: float) -> None:
        """Called by the client's sweep."""
        if self._response is not None and self._response.is_overdue(now):
            self._fail(ResponseTimeout("the peer was silent for too long"))
        elif self._draining_until is not None and now > self._draining_until:
            self.abort()

    def finished_with(self, response: Response, *, drain: bool) -> None:
        """The reader needs no more of `response`."""
        if response is not self._response:
            return
        self._response = None
        if response.complete and self._reusable:
            self.resume_reading()
            self._become_idle()
        elif drain and self._reusable and self.is_open:
            self._draining_until = self.now() + self._DRAIN_SECONDS
            self._drained = 0
            self.resume_reading()
        else:
            self.abort()

    @override
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    @override
    def data_received(self, data: bytes) -> None:
        response = self._response
        if response is None:
            self._drain(data)
            return
        response.began = True
        try:
            self._parser.feed_data(data)
            response.received(len(data))
        except HttpStreamError as error:
            self._fail(error)
        except httptools.HttpParserCallbackError as error:
            self._fail(
                error.__context__ if isinstance(error.__context__, HttpStreamError) else ProtocolViolation("HTTP")
            )
        except (httptools.HttpParserError, httptools.HttpParserUpgrade):
            # The parser's own text quotes the bytes it stumbled over, which are not for a log.
            self._fail(ProtocolViolation("what came is not HTTP/1.1"))
        else:
            response.wake()

    @override
    def connection_lost(self, exc: Exception | None) -> None:
        response, self._response = self._response, None
        if response is not None:
            if self._ends_with_connection(response):
                response.set_complete()
            response.fail(ConnectionBroken("the peer closed the connection"))
        self._transport = None
        del self._parser  # it holds our methods: without this, every connection is a cycle for the collector
        self._on_lost(self)

    def on_header(self, name: bytes, value: bytes) -> None:
        self._header_bytes += len(name) + len(value)
        if self._header_bytes > self._bounds.header:
            raise ResponseTooLarge("header")
        if self._response is not None and not self._response.header_done:
            self._response.headers[name.lower()] = value

    def on_headers_complete(self) -> None:
        if self._response is None or self._response.complete:
            raise ProtocolViolation("a second response to one request")
        status = self._parser.get_status_code()
        if status < 200:  # 1xx: an interim response, the real one follows (RFC 9110, section 15.2)
            self._response.headers.clear()
            return
        self._response.status = status
        self._response.header_done = True

    def on_body(self, body: bytes) -> None:
        if self._response is not None and self._response.append(body) and self._transport is not None:
            self._transport.pause_reading()

    def on_message_complete(self) -> None:
        self._reusable = self._reusable and self._parser.should_keep_alive()
        if self._response is None:
            self._draining_until = None
            self._become_idle()
        elif self._response.header_done:
            self._response.set_complete()

    def _become_idle(self) -> None:
        if self._reusable and self.is_open:
            self.idle_since = self.now()
            self._on_idle(self)
        else:
            self.abort()

    def _drain(self, data: bytes) -> None:
        """Bytes that nobody reads: the end of a body that was announced, or else something that was never asked for."""
        self._drained += len(data)
        if self._draining_until is None or self._drained > self._DRAIN_BYTES:
            self.abort()
            return
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade):
            self.abort()

    def _fail(self, error: HttpStreamError) -> None:
        response, self._response = self._response, None
        self.abort()
        if response is not None:
            response.fail(error)

    @staticmethod
    def _ends_with_connection(response: Response) -> bool:
        """Whether the body's end is the connection's end (RFC 9112, section 6.3, item 8)."""
        return response.header_done and not ({b"transfer-encoding", b"content-length"} & response.headers.keys())

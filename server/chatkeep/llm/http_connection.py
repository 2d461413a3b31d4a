"""One HTTP/1.1 connection of the streaming client: an asyncio.Protocol with llhttp behind it.

Bytes are parsed where the event loop delivers them; what they mean lands in the `Response` that waits for them.
"""

import asyncio
from collections.abc import Callable
from typing import cast

import httptools
from typing_extensions import override

from chatkeep.llm.http_response import (
    Bounds,
    ConnectionBroken,
    HttpStreamError,
    ProtocolViolation,
    Response,
    ResponseTimeout,
    ResponseTooLarge,
)
from chatkeep.llm.wheel import Wheel


class Connection(asyncio.Protocol):
    """Carries one exchange at a time, over and over."""

    # What may still come after the announced end of a body before reuse is not worth it: bytes and seconds.
    _DRAIN_BYTES = 4096
    _DRAIN_SECONDS = 2.0

    def __init__(
        self,
        bounds: Bounds,
        wheel: Wheel,
        on_idle: Callable[["Connection"], None],
        on_lost: Callable[["Connection"], None],
    ) -> None:
        self._bounds = bounds
        self._wheel = wheel
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

    @property
    def is_open(self) -> bool:
        return self._transport is not None and not self._transport.is_closing()

    def send(self, request: bytes, first_byte: float | None = None) -> Response:
        """Write a whole request. The connection is open and idle. `first_byte` stands in for the bound of that name."""
        if self._transport is None:
            raise ConnectionBroken("closed")
        self._header_bytes = 0
        self._response = Response(
            self._loop,
            self._bounds,
            self._wheel,
            on_room=self.resume_reading,
            on_finished=self._finished_with,
            first_byte=first_byte,
        )
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

    def _finished_with(self, response: Response, drain: bool) -> None:
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

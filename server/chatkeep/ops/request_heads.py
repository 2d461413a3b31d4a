"""The heads of requests, bounded in time and size. uvicorn bounds neither: sockets on which nothing comes would stay
open for ever, and a head without end would be kept in memory as it grows.
"""

import asyncio
from typing import ClassVar

from typing_extensions import override
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol


class BoundedHeads(HttpToolsProtocol):
    """Closes a connection whose request does not begin, or whose head does not end."""

    head_seconds: ClassVar[float] = 20.0
    # What a browser sends is a hundredth of it. It is looked at after each read, so a head may be one read longer.
    max_head_bytes: ClassVar[int] = 64 * 1024

    _deadline: asyncio.TimerHandle | None = None
    _head_bytes = 0
    _is_answering = False

    @override
    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._await_head()

    @override
    def connection_lost(self, exc: Exception | None) -> None:
        self._end_waiting()
        super().connection_lost(exc)

    @override
    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self._deadline is not None:
            self._head_bytes += len(data)
            if self._head_bytes > self.max_head_bytes:
                self._refuse(b"431 Request Header Fields Too Large")

    @override
    def on_message_begin(self) -> None:
        super().on_message_begin()
        # The first was awaited from the start; on later ones uvicorn's own keep-alive has been waiting.
        if self._deadline is None:
            self._await_head()

    @override
    def on_headers_complete(self) -> None:
        self._end_waiting()
        self._is_answering = True
        super().on_headers_complete()

    @override
    def on_response_complete(self) -> None:
        self._is_answering = False
        super().on_response_complete()

    def _await_head(self) -> None:
        self._deadline = self.loop.call_later(self.head_seconds, self._refuse, b"408 Request Timeout")

    def _end_waiting(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
        self._deadline, self._head_bytes = None, 0

    def _refuse(self, status: bytes) -> None:
        if self._head_bytes and not self._is_answering:
            self.transport.write(b"HTTP/1.1 %s\r\nconnection: close\r\ncontent-length: 0\r\n\r\n" % status)
        self._end_waiting()
        # What else comes is not even read.
        self.transport.pause_reading()
        self.transport.close()

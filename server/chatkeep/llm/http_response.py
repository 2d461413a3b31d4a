"""A response of the streaming client while it is under way, what it may cost, and how it can fail.

There is no task and no timer per response: a reader waits on one future, and the client's sweep looks at the deadlines
of all connections together.

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
from typing import Literal

from chatkeep.llm.wheel import Wheel

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

    `idle` is the longest silence between two reads, in seconds. With `gathers`, what comes soon after a read waits for
    a turn of the wheel, to be read together with what comes meanwhile; after a silence it does not, nor at the end. A
    reader may change both on the way. `began` is true from the first byte on, `header_done` once `status` and `headers`
    (names in lower case) are there.
    """

    __slots__ = (
        "_bounds", "_buffered", "_complete", "_deadline", "_error", "_expires", "_gathering", "_late", "_loop",
        "_on_finished", "_on_room", "_pieces", "_read_at", "_received", "_waiter", "_wheel", "began", "gathers",
        "header_done", "headers", "idle", "status",
    )  # fmt: skip

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        bounds: Bounds,
        wheel: Wheel,
        *,
        on_room: Callable[[], None],
        on_finished: Callable[["Response", bool], None],
        first_byte: float | None = None,
    ) -> None:
        now = loop.time()
        self._loop = loop
        self._bounds = bounds
        self._wheel = wheel
        self._on_room = on_room
        self._on_finished = on_finished
        self._pieces: list[bytes] = []
        self._buffered = 0
        self._received = 0
        self._complete = False
        self._error: HttpStreamError | None = None
        self._waiter: asyncio.Future[None] | None = None
        self._expires = now + bounds.total
        self._deadline = now + (bounds.first_byte if first_byte is None else first_byte)
        self._late = False
        self._gathering = False
        self._read_at = now
        self.gathers = False
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
            self._deadline = self._loop.time() + self.idle
            self._late = False
            await self._wait()
        self._read_at = self._loop.time()
        data = self._pieces[0] if len(self._pieces) == 1 else b"".join(self._pieces)
        self._pieces.clear()
        if self._buffered > self._bounds.buffer:
            self._on_room()
        self._buffered = 0
        return data

    def close(self) -> None:
        """Give the connection back when the body is complete; otherwise close it, which cancels the peer's work."""
        self._on_finished(self, False)

    def close_after_end(self) -> None:
        """Like `close`, but the peer has announced the end, so that the rest of the framing is worth waiting for."""
        self._on_finished(self, True)

    async def _wait(self) -> None:
        self._waiter = self._loop.create_future()
        try:
            await self._waiter
        finally:
            self._waiter = None

    # What follows is for the connection.

    def wake(self) -> None:
        """Something has come: let the reader go on, now or with the next turn of the wheel."""
        if self.gathers and self._may_wait():
            if not self._gathering:
                self._gathering = True
                self._wheel.join(self._wake_now)
        else:
            self._wake_now()

    def _may_wait(self) -> bool:
        if self._gathering or self._loop.time() - self._read_at < self._wheel.seconds:
            return not self._complete and self._error is None and self._buffered * 2 < self._bounds.buffer
        return False

    def _wake_now(self) -> None:
        self._gathering = False
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
        late = self._waiter is not None and not self._gathering and now > self._deadline
        was_late, self._late = self._late, late
        return (late and was_late) or now > self._expires

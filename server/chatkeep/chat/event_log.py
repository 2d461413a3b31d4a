"""The events of one generation: encoded once, numbered without a gap, shared by every follower.

A follower holds a position, not a copy, so a slow one costs nothing but the socket it reads from. When a log has grown
past its bound the oldest events go, and whoever stood there continues with a snapshot of the text so far.
"""

import asyncio
import itertools
from collections import deque
from collections.abc import AsyncIterator, Callable
from typing import Any

import msgspec

TERMINAL = frozenset({"generation.completed", "generation.stopped", "generation.failed", "generation.interrupted"})
MAX_LOG_BYTES = 4 * 1024 * 1024

_encode = msgspec.json.Encoder().encode


def encode_frame(seq: int, event: str, generation_id: str, fields: dict[str, Any]) -> bytes:
    """One server-sent event (WHATWG HTML, 9.2). JSON escapes every line break, so no content can end the frame."""
    data = _encode({"type": event, "seq": seq, "generation_id": generation_id, **fields})
    return b"id: %d\nevent: %s\ndata: %s\n\n" % (seq, event.encode("ascii"), data)


class EventLog:
    """The events of one generation, from 1; ended by exactly one terminal event."""

    def __init__(self, generation_id: str, max_bytes: int = MAX_LOG_BYTES) -> None:
        self.generation_id = generation_id
        self.last_seq = 0
        self.ended = False
        self.last_append = 0.0
        self._max_bytes = max_bytes
        self.size = 0
        # Each frame with the text it added, so that what is dropped can still be told as text.
        self._frames: deque[tuple[bytes, str]] = deque()
        self._dropped_text: list[str] = []
        self._opening: dict[str, Any] = {}
        self._waiting: list[asyncio.Future[None]] = []

    @property
    def text(self) -> str:
        """The answer so far."""
        return "".join(self._dropped_text) + "".join(text for _, text in self._frames)

    def append(self, event: str, fields: dict[str, Any] | None = None, text: str = "") -> None:
        """Number, encode and keep an event, and wake whoever waits. Nothing follows a terminal event."""
        if self.ended:
            return
        self.last_seq += 1
        if self.last_seq == 1:
            self._opening = fields or {}
        frame = encode_frame(self.last_seq, event, self.generation_id, fields or {})
        self._frames.append((frame, text))
        self.size += len(frame)
        while self.size > self._max_bytes and len(self._frames) > 1:
            dropped, dropped_text = self._frames.popleft()
            self.size -= len(dropped)
            self._dropped_text.append(dropped_text)
        self.ended = event in TERMINAL
        self.last_append = asyncio.get_running_loop().time()
        self.wake()

    def append_text(self, text: str) -> None:
        """A `message.delta`."""
        self.append("message.delta", {"text": text}, text)

    def wake(self) -> None:
        """Let every follower look again."""
        waiting, self._waiting = self._waiting, []
        for future in waiting:
            if not future.done():
                future.set_result(None)

    def after(self, seq: int) -> bytes:
        """Everything after event `seq`, as bytes ready to send; begins with a snapshot where events are gone."""
        count = self.last_seq - seq
        if count <= len(self._frames):
            newest_first = itertools.islice(reversed(self._frames), max(count, 0))
            return b"".join([frame for frame, _ in newest_first][::-1])
        gone = self.last_seq - len(self._frames)
        fields = {**self._opening, "text": "".join(self._dropped_text)}
        snapshot = encode_frame(gone, "message.snapshot", self.generation_id, fields)
        return snapshot + b"".join([frame for frame, _ in self._frames])

    async def follow(self, seq: int, until: Callable[[], bool]) -> AsyncIterator[bytes]:
        """What comes after event `seq`, as it comes, to the terminal event or until `until()`, asked at each waking."""
        while not until():
            if seq < self.last_seq:
                batch = self.after(seq)
                seq = self.last_seq
                yield batch
            elif self.ended:
                return
            else:
                await self.changed()

    def changed(self) -> asyncio.Future[None]:
        """Done at the next event (or `wake`)."""
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(future)
        return future

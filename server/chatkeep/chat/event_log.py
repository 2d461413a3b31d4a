"""The events of one generation: encoded once, numbered without a gap, shared by every follower.

A follower holds a position, not a copy, so a slow one costs nothing but the socket it reads from. Events that have been
told are packed, since an event of one token is twenty times the token. When a log has grown past its bound the oldest
events go, and whoever stood there continues with a snapshot of the text so far.

The process that writes an answer fills its log by `append`; another one that lets people follow it there fills a mirror
by `take`, with events as they were encoded, and by `restart`, with the text and reasoning that SQL holds.
"""

import asyncio
import zlib
from collections.abc import AsyncGenerator, Callable, Iterator
from typing import Any, NamedTuple

import msgspec

TERMINAL = frozenset({"generation.completed", "generation.stopped", "generation.failed", "generation.interrupted"})
MAX_LOG_BYTES = 4 * 1024 * 1024
BATCH_BYTES = 64 * 1024
_BLOCK = 32
# Larger events are mostly text, which packing makes little smaller.
_MOST_PACKED_BYTES = _BLOCK * 512

_encode = msgspec.json.Encoder().encode


class _Event(msgspec.Struct):
    """What a mirror has to know of an event beside its bytes."""

    type: str
    seq: int
    generation_id: str
    text: str = ""
    reasoning: str = ""


_decode = msgspec.json.Decoder(_Event).decode
_NOT_THE_OPENING = frozenset(_Event.__struct_fields__)


def encode_frame(seq: int, event: str, generation_id: str, fields: dict[str, Any]) -> bytes:
    """One server-sent event (WHATWG HTML, 9.2). JSON escapes every line break, so no content can end the frame."""
    data = _encode({"type": event, "seq": seq, "generation_id": generation_id, **fields})
    return b"id: %d\nevent: %s\ndata: %s\n\n" % (seq, event.encode("ascii"), data)


def encode_stream_ended(generation_id: str, reason: str) -> bytes:
    """What ends one stream and not the answer. It has no id, since it is none of the answer's events: whoever may come
    back resumes behind the last of those.
    """
    return b"event: stream.ended\ndata: %s\n\n" % _encode(
        {"type": "stream.ended", "generation_id": generation_id, "reason": reason}
    )


class _Block(NamedTuple):
    """`_BLOCK` events, packed. The lengths are those of text and thoughts behind the last of them."""

    data: bytes
    is_packed: bool
    size: int
    text_end: int
    thought_end: int

    def frames(self) -> list[bytes]:
        data = zlib.decompress(self.data) if self.is_packed else self.data
        return [frame + b"\n\n" for frame in data.split(b"\n\n")[:-1]]


class EventLog:
    """The events of one generation, from 1; ended by exactly one terminal event."""

    def __init__(self, generation_id: str, max_bytes: int = MAX_LOG_BYTES) -> None:
        self.generation_id = generation_id
        self.last_seq = 0
        self.ended = False
        self.size = 0
        self.last_append = 0.0
        self.text_length = 0
        self._max_bytes = max_bytes
        self._blocks: list[_Block] = []
        self._frames: list[bytes] = []
        # How long the text was when the frame was appended, so that what is dropped can still be told as text.
        self._text_ends: list[int] = []
        self._parts: list[str] = []
        self._gone_text_length = 0
        # The same of what the model thought before.
        self._thoughts: list[str] = []
        self._thought_ends: list[int] = []
        self.reasoning_length = 0
        self._gone_reasoning_length = 0
        # What the first event says; a snapshot says it again.
        self.opening: dict[str, Any] = {}
        self._snapshot: bytes | None = None
        self._left = False
        self._watcher: Callable[[], None] | None = None
        self._waiting: list[asyncio.Future[None]] = []

    @property
    def first_seq(self) -> int:
        """The oldest event that is still held."""
        return self._gone + 1

    @property
    def _gone(self) -> int:
        return self.last_seq - len(self._frames) - len(self._blocks) * _BLOCK

    @property
    def text(self) -> str:
        """The answer so far."""
        if len(self._parts) > 1:
            self._parts = ["".join(self._parts)]
        return self._parts[0] if self._parts else ""

    @property
    def reasoning(self) -> str:
        """What the model thought before it answered, so far."""
        if len(self._thoughts) > 1:
            self._thoughts = ["".join(self._thoughts)]
        return self._thoughts[0] if self._thoughts else ""

    def append(self, event: str, fields: dict[str, Any] | None = None) -> None:
        """Number, encode and keep an event, and wake whoever waits. Nothing follows a terminal event."""
        if self.ended:
            return
        if self.last_seq == 0:
            self.opening = fields or {}
        self._keep(event, encode_frame(self.last_seq + 1, event, self.generation_id, fields or {}))
        self.wake()

    def append_text(self, text: str) -> None:
        """A `message.delta`."""
        if self.ended:
            return
        self._add_text(text)
        self.append("message.delta", {"text": text})

    def append_reasoning(self, text: str) -> None:
        """A `reasoning.delta`."""
        if self.ended:
            return
        self._add_thought(text)
        self.append("reasoning.delta", {"text": text})

    def append_sources(self, sources: list[dict[str, Any]]) -> None:
        """A `retrieval.completed`: what the answer is written from, which a snapshot says again."""
        self.append("retrieval.completed", {"sources": sources})
        self.opening = {**self.opening, "sources": sources}

    def take(self, batch: bytes) -> None:
        """Keep events as another process has numbered and encoded them; what is known already is passed over.

        Raises:
            ValueError: an event is missing before one of these, or they are none of this log's.
        """
        for frame in batch.split(b"\n\n")[:-1]:
            _, _, data = frame.split(b"\n")
            try:
                event = _decode(data.removeprefix(b"data: "))
            except msgspec.DecodeError as error:
                raise ValueError("not an event") from error
            if event.generation_id != self.generation_id:
                raise ValueError("an event of another log")
            if event.seq > self.last_seq and not self.ended:
                self._take(event, frame + b"\n\n", data.removeprefix(b"data: "))
        self.wake()

    def _take(self, event: _Event, frame: bytes, data: bytes) -> None:
        is_snapshot = event.type == "message.snapshot"
        if is_snapshot or event.seq == 1:
            fields: dict[str, Any] = msgspec.json.decode(data)
            self.opening = {key: value for key, value in fields.items() if key not in _NOT_THE_OPENING}
        elif event.type == "retrieval.completed":
            self.opening = {**self.opening, "sources": msgspec.json.decode(data)["sources"]}
        if is_snapshot:
            self.restart(event.seq, self.opening, event.text, event.reasoning)
        elif event.seq > self.last_seq + 1:
            raise ValueError("events are missing before this one")
        else:
            if event.type == "message.delta":
                self._add_text(event.text)
            elif event.type == "reasoning.delta":
                self._add_thought(event.text)
            self._keep(event.type, frame)

    def restart(self, seq: int, opening: dict[str, Any], text: str, reasoning: str = "") -> None:
        """Stand at event `seq` with `text`, and without the events up to there: who comes is told by a snapshot."""
        self._blocks, self._frames, self._text_ends, self._parts = [], [], [], [text]
        self._thought_ends, self._thoughts = [], [reasoning]
        self.reasoning_length = self._gone_reasoning_length = len(reasoning)
        self.size, self.last_seq = 0, seq
        self.opening, self._snapshot = opening, None
        self.text_length = self._gone_text_length = len(text)
        self.last_append = asyncio.get_running_loop().time()
        self.wake()

    def leave(self) -> None:
        """Send the followers away, who may come back elsewhere: this process goes, and the answer goes on."""
        self._left = True
        self.wake()

    def wake(self) -> None:
        """Let every follower look again."""
        waiting, self._waiting = self._waiting, []
        for future in waiting:
            if not future.done():
                future.set_result(None)
        if self._watcher is not None:
            self._watcher()

    def watch(self, watcher: Callable[[], None]) -> None:
        """Call `watcher` at each event from now on; there is one."""
        self._watcher = watcher

    def after(self, seq: int) -> tuple[bytes, int]:
        """What comes after event `seq`, as bytes ready to send, and the number of the last event in it.

        It is about `BATCH_BYTES` at most, so that a reader who is late or slow is fed as fast as it reads. It begins
        with a snapshot of the text where events are gone.
        """
        gone = self._gone
        batch: list[bytes] = []
        if seq < gone:
            if self._snapshot is None:
                fields = {**self.opening, "text": self.text[: self._gone_text_length]}
                if self._gone_reasoning_length:
                    fields["reasoning"] = self.reasoning[: self._gone_reasoning_length]
                self._snapshot = encode_frame(gone, "message.snapshot", self.generation_id, fields)
            batch.append(self._snapshot)
            seq = gone
        size = 0
        for frame in self._behind(seq):
            batch.append(frame)
            seq += 1
            size += len(frame)
            if size >= BATCH_BYTES:
                break
        return b"".join(batch), seq

    def _behind(self, seq: int) -> Iterator[bytes]:
        index = seq - self._gone - len(self._blocks) * _BLOCK
        if index < 0:
            number, offset = divmod(seq - self._gone, _BLOCK)
            for block in self._blocks[number:]:
                yield from block.frames()[offset:]
                offset = 0
        # By index: a slice would be copied, and islice walks to where it begins.
        for number in range(max(index, 0), len(self._frames)):
            yield self._frames[number]

    async def follow(self, seq: int, until: Callable[[], bool]) -> AsyncGenerator[tuple[bytes, int], None]:
        """What comes after event `seq`, as it comes, to the terminal event or until `until()`, asked at each waking.

        In batches as `after` gives them.
        """
        while not until() and not self._left:
            if seq < self.last_seq:
                batch, seq = self.after(seq)
                yield batch, seq
            elif self.ended:
                return
            else:
                await self.changed()

    def changed(self) -> asyncio.Future[None]:
        """Done at the next event (or `wake`)."""
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(future)
        return future

    def _add_text(self, text: str) -> None:
        if text:
            self._parts.append(text)
            self.text_length += len(text)

    def _add_thought(self, text: str) -> None:
        if text:
            self._thoughts.append(text)
            self.reasoning_length += len(text)

    def _keep(self, event: str, frame: bytes) -> None:
        self.last_seq += 1
        self._frames.append(frame)
        self._text_ends.append(self.text_length)
        self._thought_ends.append(self.reasoning_length)
        self.size += len(frame)
        if self.size > self._max_bytes:
            self._drop_oldest()
        if len(self._frames) >= 2 * _BLOCK:
            self._pack_oldest()
        self.ended = event in TERMINAL
        self.last_append = asyncio.get_running_loop().time()

    def _pack_oldest(self) -> None:
        data = b"".join(self._frames[:_BLOCK])
        is_packed = len(data) <= _MOST_PACKED_BYTES
        ends = self._text_ends[_BLOCK - 1], self._thought_ends[_BLOCK - 1]
        self._blocks.append(_Block(zlib.compress(data, 1) if is_packed else data, is_packed, len(data), *ends))
        self._forget(_BLOCK)

    def _drop_oldest(self) -> None:
        """Down to three quarters of the bound, so that a long answer does not pay for this with every event."""
        bound = self._max_bytes * 3 // 4
        while self.size > bound and self._blocks:
            block = self._blocks.pop(0)
            self.size -= block.size
            self._gone_text_length, self._gone_reasoning_length = block.text_end, block.thought_end
        count = 0
        while self.size > bound and count < len(self._frames) - 1:
            self.size -= len(self._frames[count])
            count += 1
        if count:
            self._gone_text_length = self._text_ends[count - 1]
            self._gone_reasoning_length = self._thought_ends[count - 1]
        self._snapshot = None
        self._forget(count)

    def _forget(self, count: int) -> None:
        del self._frames[:count]
        del self._text_ends[:count]
        del self._thought_ends[:count]

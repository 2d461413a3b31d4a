"""The event feed by Valkey Streams (or Redis): one stream for each generation, one reader for each process.

An entry holds the frames that were appended since the one before, as they go to the clients, and its id is the number
of the last of them. So whoever stands at event n reads behind n, what is sent twice is stored once, and of two
processes that believe to write the same answer the second is not heard where the first was.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Collection
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any

from valkey.asyncio import Valkey
from valkey.exceptions import ResponseError, ValkeyError

from chatkeep.chat.event_log import EventLog
from chatkeep.identity import OwnerId

log = logging.getLogger(__name__)

# What is appended within so long goes out together: nobody sees it, and one round trip takes a hundred answers.
_TOGETHER_SECONDS = 0.04
_MAX_BYTES_AT_ONCE = 1024 * 1024
_TIMEOUT_SECONDS = 0.5
_BLOCK_SECONDS = 0.5
_AGAIN_SECONDS = 1.0
_ENTRIES_PER_READ = 32
_SECONDS_KEPT_RUNNING = 3600
_SECONDS_KEPT_ENDED = 300
_RENEW_SECONDS = 600.0
_STOPS_KEPT = 1000
# What Valkey says to an entry that others have already, or that another process has written.
_BEHIND = "equal or smaller"
_OUTAGE = (ValkeyError, OSError, TimeoutError)


@dataclass(slots=True)
class _Published:
    """A log that is written here. `seq` is the last event that was sent, `renew_at` when its key grows too old."""

    key: str
    log: EventLog
    seq: int
    renew_at: float = 0.0


class ValkeyLog:
    """See `event_feed.EventFeed`.

    Publishing is one pipeline at a time, straight from the logs, which are bounded: a Valkey that is slow makes larger
    batches, one that is away makes none, and no answer waits for either.

    Args:
        prefix: of this deployment's keys. The keys of a generation hold its owner, so that a mistake about whose it is
            finds nothing.

    Raises:
        ValueError: the URL has a part that cannot be read.
    """

    def __init__(self, url: str, *, prefix: str = "chatkeep:") -> None:
        self._client = Valkey.from_url(url, socket_timeout=_TIMEOUT_SECONDS, socket_connect_timeout=_TIMEOUT_SECONDS)
        # A connection of its own, which waits for as long as nothing happens.
        self._reader = Valkey.from_url(
            url,
            socket_timeout=_BLOCK_SECONDS + _TIMEOUT_SECONDS,
            socket_connect_timeout=_TIMEOUT_SECONDS,
            single_connection_client=True,
        )
        self._prefix = prefix
        self._stops_key = f"{prefix}stops"
        self._something = asyncio.Event()
        self._dirty: dict[str, _Published] = {}
        self._stops: list[str] = []
        self._followed: dict[bytes, EventLog] = {}
        # Where a log stood when what came was not its next event: it is not read again before it stands elsewhere.
        self._stuck_at: dict[bytes, int] = {}
        self._stops_read: bytes | str | None = None
        self._reader_id: int | None = None
        self._reader_must_look = False
        self._away: set[str] = set()

    @asynccontextmanager
    async def running(self, on_stop: Callable[[str], object]) -> AsyncIterator[None]:
        tasks = [
            asyncio.create_task(self._keep("publishing", self._publish), name="valkey-publish"),
            asyncio.create_task(self._keep("reading", lambda: self._read(on_stop)), name="valkey-read"),
        ]
        try:
            yield
        finally:
            await _end(tasks)
            # The ends of what was interrupted a moment ago.
            with suppress(*_OUTAGE):
                await self._send()
            await self._client.aclose()
            await self._reader.aclose()

    def publish(self, owner: OwnerId, log: EventLog) -> None:
        published = _Published(self._key(owner, log), log, log.last_seq)
        log.watch(lambda: self._mark(published))

    def follow(self, owner: OwnerId, log: EventLog) -> None:
        self._followed[self._key(owner, log).encode()] = log
        self._reader_must_look = True
        self._something.set()

    def unfollow(self, owner: OwnerId, log: EventLog) -> None:
        key = self._key(owner, log).encode()
        self._followed.pop(key, None)
        self._stuck_at.pop(key, None)

    async def recall(self, owner: OwnerId, log: EventLog) -> None:
        try:
            entries = await self._client.xrange(self._key(owner, log), min=f"{log.last_seq + 1}-0")
            _fill(log, entries)
        except (*_OUTAGE, ValueError):
            # SQL's checkpoint is there all the same.
            return

    def stop(self, generation_id: str) -> None:
        self._stops.append(generation_id)
        del self._stops[:-_STOPS_KEPT]
        self._something.set()

    def _key(self, owner: OwnerId, log: EventLog) -> str:
        return f"{self._prefix}events:{{{owner}:{log.generation_id}}}"

    def _mark(self, published: _Published) -> None:
        self._dirty[published.key] = published
        self._something.set()

    async def _keep(self, what: str, work: Callable[[], Awaitable[None]]) -> None:
        while True:
            try:
                await work()
                if what in self._away:
                    self._away.discard(what)
                    log.warning("Valkey is back: %s events again", what)
            except _OUTAGE as error:
                if what not in self._away:
                    self._away.add(what)
                    log.warning("Valkey does not answer (%s): %s no events until it does", type(error).__name__, what)
                await asyncio.sleep(_AGAIN_SECONDS)
            except Exception:  # whatever it is, following elsewhere must not end with it
                log.exception("%s events failed; it will be tried again", what)
                await asyncio.sleep(_AGAIN_SECONDS)

    async def _publish(self) -> None:
        await self._something.wait()
        self._something.clear()
        await self._send()
        await asyncio.sleep(_TOGETHER_SECONDS)

    async def _send(self) -> None:
        pipe = self._client.pipeline(transaction=False)
        if self._reader_must_look and self._reader_id is not None:
            pipe.client_unblock(self._reader_id)
        self._reader_must_look = False
        for generation_id in self._stops:
            pipe.xadd(self._stops_key, {"generation": generation_id}, maxlen=_STOPS_KEPT)
        self._stops = []
        sent = self._add_batches(pipe)
        try:
            replies = await pipe.execute(raise_on_error=False)
        except _OUTAGE:
            # What runs goes on later from where it got to; an end is told by SQL, too.
            self._dirty |= {each.key: each for each, _ in sent if not each.log.ended}
            self._something.set()
            raise
        self._settle(sent)
        if refused := [reply for reply in replies if isinstance(reply, ResponseError) and _BEHIND not in str(reply)]:
            raise refused[0]

    def _add_batches(self, pipe: Any) -> list[tuple[_Published, int]]:
        now = asyncio.get_running_loop().time()
        sent: list[tuple[_Published, int]] = []
        size = 0
        while self._dirty and size < _MAX_BYTES_AT_ONCE:
            published = self._dirty.pop(next(iter(self._dirty)))
            batch, seq = published.log.after(published.seq)
            if not batch:
                continue
            size += len(batch)
            # Trimmed where the log itself is.
            oldest = f"{published.log.first_seq}-0"
            pipe.execute_command("XADD", published.key, "MINID", oldest, f"{seq}-0", "frames", batch)
            if published.log.ended or now >= published.renew_at:
                published.renew_at = now + _RENEW_SECONDS
                pipe.expire(published.key, _SECONDS_KEPT_ENDED if published.log.ended else _SECONDS_KEPT_RUNNING)
            sent.append((published, seq))
        return sent

    def _settle(self, sent: list[tuple[_Published, int]]) -> None:
        for published, seq in sent:
            published.seq = seq
            if seq < published.log.last_seq:
                self._mark(published)
        if self._dirty:
            self._something.set()

    async def _read(self, on_stop: Callable[[str], object]) -> None:
        if self._reader_id is None:
            await self._begin_reading()
        positions: dict[Any, Any] = {self._stops_key: self._stops_read}
        for key, followed in self._followed.items():
            if not followed.ended and self._stuck_at.get(key) != followed.last_seq:
                positions[key] = f"{followed.last_seq}-0"
        try:
            reply = await self._reader.xread(positions, count=_ENTRIES_PER_READ, block=int(_BLOCK_SECONDS * 1000))
        except _OUTAGE:
            self._reader_id = None
            raise
        for key, entries in reply or []:
            if (found := self._followed.get(key)) is not None:
                before = found.last_seq
                with suppress(ValueError):
                    _fill(found, entries)
                if found.last_seq == before:
                    self._stuck_at[key] = before
            elif key == self._stops_key.encode():
                self._stops_read = entries[-1][0]
                for _, fields in entries:
                    on_stop(fields.get(b"generation", b"").decode(errors="replace"))

    async def _begin_reading(self) -> None:
        reader_id = await self._reader.client_id()
        if self._stops_read is None:
            newest = await self._reader.xrevrange(self._stops_key, count=1)
            self._stops_read = newest[0][0] if newest else "0-0"
        self._reader_id = reader_id


async def _end(tasks: Collection["asyncio.Task[None]"]) -> None:
    """Until they have ended: the client sends by `asyncio.wait_for`, which swallows a cancellation now and then before
    Python 3.12.
    """
    while tasks:
        for task in tasks:
            task.cancel()
        _, tasks = await asyncio.wait(tasks, timeout=_AGAIN_SECONDS)


def _fill(log: EventLog, entries: Any) -> None:
    for _, fields in entries:
        log.take(fields.get(b"frames", b""))

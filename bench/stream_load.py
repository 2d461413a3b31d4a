"""Streams as their readers see them: how long the first token takes, and how late the others are when many wait."""

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

from bench.load import encode_request
from bench.processes import Server


@dataclass(frozen=True, slots=True)
class Target:
    """Where streams are asked for, and how many tokens of text are in what has come of one."""

    server: Server
    path: str
    count: Callable[[bytes], int]

    async def open(self, body: bytes, headers: dict[str, str]) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """Ask for one stream, on a connection of its own."""
        parts = urlsplit(self.server.url)
        reader, writer = await asyncio.open_connection(parts.hostname, parts.port, limit=1 << 20)
        fields = {"Host": parts.netloc, "Content-Type": "application/json", "Connection": "close", **headers}
        writer.write(encode_request("POST", self.path, fields, body))
        return reader, writer


@dataclass(frozen=True, slots=True)
class Ask:
    """A body to send, with the header fields of whoever sends it."""

    body: bytes
    headers: dict[str, str]


async def first_tokens(target: Target, asks: Sequence[Ask], at_once: int) -> list[float]:
    """Seconds from each request to its first token, so many requests at a time; every stream is read to its end."""
    seconds: list[float] = []
    waiting = list(asks)

    async def one() -> None:
        while waiting:
            ask = waiting.pop()
            started = time.perf_counter()
            reader, writer = await target.open(ask.body, ask.headers)
            data = b""
            while not target.count(data):
                data += await _some(reader)
            seconds.append(time.perf_counter() - started)
            while await reader.read(1 << 18):
                pass
            writer.close()

    await asyncio.gather(*(one() for _ in range(at_once)))
    return seconds


@dataclass(frozen=True, slots=True)
class Held:
    """`delays`: by how much each token came later than the schedule of its stream, in seconds. Memory in bytes."""

    delays: list[float]
    bytes_per_stream: float
    cpu_share: float


class _Stream:
    """One that is read for as long as the measurement takes."""

    def __init__(self, interval: float) -> None:
        self.arrivals: list[tuple[float, int]] = []
        self._interval = interval
        self._tokens = 0

    async def read(self, target: Target, ask: Ask, opening: asyncio.Semaphore, begun: "asyncio.Future[None]") -> None:
        async with opening:
            reader, writer = await target.open(ask.body, ask.headers)
            while not self.arrivals:
                self._count(target, await _some(reader))
        begun.set_result(None)
        try:
            while True:
                self._count(target, await _some(reader))
        finally:
            writer.transport.abort()

    def _count(self, target: Target, data: bytes) -> None:
        tokens = target.count(data)
        if tokens:
            self._tokens += tokens
            self.arrivals.append((time.perf_counter(), self._tokens))

    def delays(self, since: float) -> list[float]:
        """The upstream writes by schedule, so the token that came earliest in its place tells the schedule."""
        early = [moment - count * self._interval for moment, count in self.arrivals]
        return [delay - min(early) for delay, (moment, _) in zip(early, self.arrivals, strict=True) if moment >= since]


async def hold(target: Target, asks: Sequence[Ask], interval: float, seconds: float) -> Held:
    """Open a stream for each of `asks`, all of them open at once, and read them for so long."""
    before = target.server.memory()
    opening = asyncio.Semaphore(32)
    loop = asyncio.get_running_loop()
    streams = [_Stream(interval) for _ in asks]
    begun = [loop.create_future() for _ in asks]
    reading = [
        loop.create_task(stream.read(target, ask, opening, future))
        for stream, ask, future in zip(streams, asks, begun, strict=True)
    ]
    all_begun = asyncio.gather(*begun)
    # One that ends before all have begun has failed.
    for task in reading:
        task.add_done_callback(lambda _: all_begun.cancel())
    await asyncio.wait([all_begun])
    if all_begun.cancelled():
        await asyncio.gather(*reading)
    await asyncio.sleep(1.0)
    since, cpu = time.perf_counter(), target.server.cpu_seconds()
    await asyncio.sleep(seconds)
    share = (target.server.cpu_seconds() - cpu) / (time.perf_counter() - since)
    memory = target.server.memory() - before
    for task in reading:
        task.cancel()
    await asyncio.wait(reading)
    return Held([delay for stream in streams for delay in stream.delays(since)], memory / len(asks), share)


async def _some(reader: asyncio.StreamReader) -> bytes:
    data = await reader.read(1 << 18)
    if not data:
        raise RuntimeError("a stream ended early")
    return data

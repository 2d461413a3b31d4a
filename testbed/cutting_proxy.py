"""A TCP proxy that cuts connections: what a phone in a tunnel, or a proxy that restarts, does to a stream.

Before several servers it takes them in turn, one for each connection, and passes over those that do not listen.
"""

import asyncio
import threading
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from urllib.parse import urlsplit


class CuttingProxy:
    """Passes bytes through; the first `cuts` answers are cut off after `after_bytes` bytes each."""

    def __init__(self, targets: Sequence[str], cuts: int, after_bytes: int) -> None:
        self._targets = deque(urlsplit(target) for target in targets)
        self._cuts = cuts
        self._after_bytes = after_bytes
        self.url = ""
        self._handling: set[asyncio.Task[None]] = set()

    async def serve(self, started: threading.Event, stopping: asyncio.Event) -> None:
        """Listen until told to stop; open connections are cut then."""
        server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        started.set()
        await stopping.wait()
        server.close()
        for task in self._handling:
            task.cancel()
        await asyncio.gather(*self._handling, return_exceptions=True)

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(self._handle(reader, writer))
        self._handling.add(task)
        task.add_done_callback(self._handling.discard)

    async def _handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            upstream_reader, upstream_writer = await self._connect()
        except OSError:
            writer.transport.abort()
            return
        budget = self._after_bytes if self._cuts > 0 else None
        self._cuts -= 1
        up = asyncio.create_task(self._copy(reader, upstream_writer, None))
        try:
            await self._copy(upstream_reader, writer, budget)
        except (OSError, asyncio.CancelledError):
            pass
        finally:
            up.cancel()
            upstream_writer.transport.abort()
            writer.transport.abort()
            await asyncio.gather(up, return_exceptions=True)

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        for _ in range(len(self._targets) - 1):
            with suppress(OSError):
                return await self._connect_to_next()
        return await self._connect_to_next()

    async def _connect_to_next(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        self._targets.rotate(-1)
        return await asyncio.open_connection(self._targets[-1].hostname, self._targets[-1].port)

    async def _copy(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, budget: int | None) -> None:
        while data := await reader.read(65536):
            if budget is not None:
                data, budget = data[:budget], budget - len(data)
            writer.write(data)
            await writer.drain()
            if budget is not None and budget <= 0:
                return


@contextmanager
def cutting_proxy(*targets: str, cuts: int = 0, after_bytes: int = 0) -> Iterator[CuttingProxy]:
    """Run a proxy before `targets` in a thread of its own."""
    proxy = CuttingProxy(targets, cuts, after_bytes)
    started, stopping = threading.Event(), asyncio.Event()
    runner = asyncio.Runner()
    loop = runner.get_loop()
    thread = threading.Thread(target=lambda: loop.run_until_complete(proxy.serve(started, stopping)))
    thread.start()
    started.wait()
    try:
        yield proxy
    finally:
        loop.call_soon_threadsafe(stopping.set)
        thread.join()
        runner.close()

"""A TCP proxy that cuts connections: what a phone in a tunnel, or a proxy that restarts, does to a stream."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit


class CuttingProxy:
    """Passes bytes through; the first `cuts` answers are cut off after `after_bytes` bytes each."""

    def __init__(self, target: str, cuts: int, after_bytes: int) -> None:
        parts = urlsplit(target)
        self._host, self._port = parts.hostname, parts.port
        self._cuts = cuts
        self._after_bytes = after_bytes
        self.url = ""

    async def serve(self, started: threading.Event, stopping: asyncio.Event) -> None:
        """Listen until told to stop; open connections are cut then."""
        server = await asyncio.start_server(self._handle, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        started.set()
        await stopping.wait()
        server.close()

    async def _handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        upstream_reader, upstream_writer = await asyncio.open_connection(self._host, self._port)
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

    async def _copy(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, budget: int | None) -> None:
        while data := await reader.read(65536):
            if budget is not None:
                data, budget = data[:budget], budget - len(data)
            writer.write(data)
            await writer.drain()
            if budget is not None and budget <= 0:
                return


@contextmanager
def cutting_proxy(target: str, *, cuts: int, after_bytes: int) -> Iterator[CuttingProxy]:
    """Run a proxy to `target` in a thread of its own."""
    proxy = CuttingProxy(target, cuts, after_bytes)
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

"""How long a reader may take over one send of a stream, at the price of one timer a minute.

A timer for each send would cost a tenth of what it takes to stream an answer, and hardly any send has to wait at all.
"""

import asyncio
from types import TracebackType
from typing import Self

from starlette.types import Message, Send


class Patience:
    """`async with Patience(send, seconds) as patience:`, and then `patience.send(...)` in place of `send(...)`.

    Raises:
        TimeoutError: one send has taken so long; raised out of the block.
    """

    __slots__ = ("_seconds", "_send", "_since", "_timeout", "_timer")

    def __init__(self, send: Send, seconds: float) -> None:
        self._send = send
        self._seconds = seconds
        self._since: float | None = None
        self._timeout = asyncio.timeout(None)
        self._timer: asyncio.TimerHandle | None = None

    async def send(self, message: Message) -> None:
        """Pass it on."""
        self._since = asyncio.get_running_loop().time()
        await self._send(message)
        self._since = None

    def _look(self) -> None:
        loop = asyncio.get_running_loop()
        left = self._seconds - (loop.time() - self._since if self._since is not None else 0.0)
        if left <= 0:
            self._timeout.reschedule(loop.time())
        else:
            self._timer = loop.call_later(left, self._look)

    async def __aenter__(self) -> Self:
        """Begin to look."""
        await self._timeout.__aenter__()
        self._timer = asyncio.get_running_loop().call_later(self._seconds, self._look)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Look no more."""
        if self._timer is not None:
            self._timer.cancel()
        await self._timeout.__aexit__(kind, error, traceback)

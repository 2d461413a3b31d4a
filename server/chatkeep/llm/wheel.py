"""One timer for all who may wait a little, so that what comes within one turn is handled together."""

import asyncio
from collections.abc import Callable


class Wheel:
    """Turns every `seconds` while anybody is on it; each turn calls everybody who has joined since the last."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._joined: list[Callable[[], None]] = []
        self._timer: asyncio.TimerHandle | None = None

    def join(self, call: Callable[[], None]) -> None:
        """Have `call` called once, at the next turn."""
        self._joined.append(call)
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(self.seconds, self.turn)

    def stop(self) -> None:
        """Call nobody any more of those who have joined."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._joined.clear()

    def turn(self) -> None:
        """Call them, now."""
        self._timer = None
        joined, self._joined = self._joined, []
        for call in joined:
            call()

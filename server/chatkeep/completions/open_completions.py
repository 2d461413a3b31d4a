"""The answers that are under way: how many each user may have, and how all of them end when the server does."""

import asyncio
from collections import Counter
from collections.abc import Callable, Coroutine
from typing import Any

from chatkeep.completions.errors import Stopping, TooManyCompletions
from chatkeep.identity import OwnerId

MAX_PER_OWNER = 256
_LOOK_FOR_HURRY_SECONDS = 0.25
# Beyond this a database that does not answer is no reason to stay.
_ACCOUNTING_SECONDS = 8.0


class OpenCompletions:
    """Held by the application's state, drained before it ends."""

    def __init__(self, drain_seconds: float = 0.0, max_per_owner: int = MAX_PER_OWNER) -> None:
        self._drain_seconds = drain_seconds
        self._max = max_per_owner
        self._open: Counter[OwnerId] = Counter()
        self._work: dict[asyncio.Task[None], Callable[[], None]] = {}
        self.draining = False
        self.hurried = False

    def start(
        self, owner: OwnerId, work: Callable[[], Coroutine[Any, Any, None]], end: Callable[[], None]
    ) -> "asyncio.Task[None]":
        """Begin one more, as a task that outlives the request: what it leaves to be done is done, whoever has gone.

        Args:
            owner: whose it is.
            work: all of it, the accounting too.
            end: makes it end soon, when the server is about to stop.

        Raises:
            TooManyCompletions, Stopping: there may be no more.
        """
        if self.draining:
            raise Stopping
        if self._open[owner] >= self._max:
            raise TooManyCompletions(self._max)
        self._open[owner] += 1
        task = asyncio.create_task(work())
        self._work[task] = end
        task.add_done_callback(lambda done: self._done(owner, done))
        return task

    async def drain(self) -> None:
        """Take nothing new, let what is open end for a while (unless `hurried`), end the rest, and wait until all is
        accounted for.
        """
        self.draining = True
        deadline = asyncio.get_running_loop().time() + self._drain_seconds
        while self._work and not self.hurried and (left := deadline - asyncio.get_running_loop().time()) > 0:
            await asyncio.wait(tuple(self._work), timeout=min(left, _LOOK_FOR_HURRY_SECONDS))
        for end in tuple(self._work.values()):
            end()
        if self._work:
            await asyncio.wait(tuple(self._work), timeout=_ACCOUNTING_SECONDS)

    def _done(self, owner: OwnerId, task: "asyncio.Task[None]") -> None:
        del self._work[task]
        self._open[owner] -= 1
        if not self._open[owner]:
            del self._open[owner]

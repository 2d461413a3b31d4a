"""Whose turn it is: what runs is bounded in all, for each owner and for each model, and owners take turns.

    ask ──> a place is free: at once
        └─> wait in the owner's own line ──> the lines are served in turn, one answer from each

Of one process: each instance bounds what runs on it.
"""

import asyncio
from collections import Counter, deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from chatkeep.identity import OwnerId

# Where everybody stands changes with each answer that ends; nobody reads faster than this.
TELL_SECONDS = 1.0


class NoTurn(Exception):
    """None came for as long as somebody was willing to wait."""


def _tell_nobody(_: int) -> None:
    pass


class _Ticket:
    """One answer that waits. `position` is what its reader was told last."""

    __slots__ = ("granted", "lane", "on_position", "owner", "position")

    def __init__(self, owner: OwnerId, lane: "Lane | None", on_position: Callable[[int], None]) -> None:
        self.owner, self.lane, self.on_position = owner, lane, on_position
        self.granted: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.position = 0


class Lane:
    """A model that writes only so many answers at once, such as a local one."""

    __slots__ = ("running", "slots")

    def __init__(self, slots: int) -> None:
        self.slots, self.running = slots, 0

    @property
    def is_full(self) -> bool:
        """Whether one more would wait inside the model, where nobody takes turns."""
        return self.running >= self.slots


class Turns:
    """The places there are, and the lines before them.

    Args:
        in_all: answers that run at once.
        per_owner: of these, one owner's.
    """

    def __init__(self, in_all: int, per_owner: int) -> None:
        self._in_all, self._per_owner = in_all, per_owner
        self._running: Counter[OwnerId] = Counter()
        self._running_in_all = 0
        self._lanes: dict[str, Lane] = {}
        # By owner, in the order in which they are served next. Nobody without a ticket is in it.
        self._lines: dict[OwnerId, deque[_Ticket]] = {}
        self._telling: asyncio.TimerHandle | None = None

    @asynccontextmanager
    async def turn(
        self,
        owner: OwnerId,
        on_position: Callable[[int], None] = _tell_nobody,
        model: str = "",
        slots: int | None = None,
        patience: float | None = None,
    ) -> AsyncIterator[None]:
        """Wait for a place, and hold it within the block.

        Args:
            on_position: called with the place in the queue, from 1: when there is none free, and when that changes.
            model, slots: what writes the answer, and how many it writes at once; None: as many as it is asked for.
            patience: how long to wait, in seconds; None: until there is a place.

        Raises:
            NoTurn: it was not long enough.
        """
        lane = self._lane(model, slots)
        if self._lines.get(owner) or not self._has_room(owner, lane):
            try:
                async with asyncio.timeout(patience):
                    await self._wait(_Ticket(owner, lane, on_position))
            except TimeoutError:
                raise NoTurn from None
        else:
            self._take(owner, lane)
        try:
            yield
        finally:
            self._give_back(owner, lane)

    def _lane(self, model: str, slots: int | None) -> Lane | None:
        if slots is None:
            return None
        lane = self._lanes.setdefault(model, Lane(slots))
        lane.slots = max(1, slots)
        return lane

    def _has_room(self, owner: OwnerId, lane: Lane | None) -> bool:
        if self._running_in_all >= self._in_all or self._running[owner] >= self._per_owner:
            return False
        return lane is None or not lane.is_full

    def _take(self, owner: OwnerId, lane: Lane | None) -> None:
        self._running_in_all += 1
        self._running[owner] += 1
        if lane is not None:
            lane.running += 1

    def _give_back(self, owner: OwnerId, lane: Lane | None) -> None:
        self._running_in_all -= 1
        self._running[owner] -= 1
        if not self._running[owner]:
            del self._running[owner]
        if lane is not None:
            lane.running -= 1
        self._serve()

    async def _wait(self, ticket: _Ticket) -> None:
        self._lines.setdefault(ticket.owner, deque()).append(ticket)
        # Whoever comes to a free place behind a line that cannot move, such as one for a full model, need not wait.
        self._serve()
        if not ticket.granted.done():
            self._tell_one(ticket)
            self._tell_soon()
        try:
            await ticket.granted
        except asyncio.CancelledError:
            if ticket.granted.done() and not ticket.granted.cancelled():
                self._give_back(ticket.owner, ticket.lane)
            else:
                self._leave(ticket)
            raise

    def _leave(self, ticket: _Ticket) -> None:
        line = self._lines.get(ticket.owner)
        if line is not None and ticket in line:
            line.remove(ticket)
            if not line:
                del self._lines[ticket.owner]

    def _serve(self) -> None:
        """Give out what is free, one place to each line in turn."""
        moved = True
        while moved and self._running_in_all < self._in_all:
            moved = False
            for owner in list(self._lines):
                ticket = next((t for t in self._lines[owner] if self._can_grant(t)), None)
                if ticket is not None:
                    self._grant(ticket)
                    moved = True
                if self._running_in_all >= self._in_all:
                    break

    def _can_grant(self, ticket: _Ticket) -> bool:
        # Whoever has been cancelled has not left yet, and must not take a place along.
        return not ticket.granted.done() and self._has_room(ticket.owner, ticket.lane)

    def _grant(self, ticket: _Ticket) -> None:
        self._take(ticket.owner, ticket.lane)
        self._leave(ticket)
        # Whoever has just been served comes last.
        if line := self._lines.pop(ticket.owner, None):
            self._lines[ticket.owner] = line
        ticket.granted.set_result(None)

    def _tell_one(self, ticket: _Ticket) -> None:
        """The newest in its line: before it come those of its line, and as many of each other line, or one more."""
        before = len(self._lines[ticket.owner]) - 1
        ahead, more = before, 1
        for owner, line in self._lines.items():
            if owner == ticket.owner:
                more = 0
            else:
                ahead += min(len(line), before + more)
        ticket.position = ahead + 1
        ticket.on_position(ticket.position)

    def _tell_soon(self) -> None:
        if self._telling is None:
            self._telling = asyncio.get_running_loop().call_later(TELL_SECONDS, self._tell_all)

    def _tell_all(self) -> None:
        self._telling = None
        for position, ticket in enumerate(list(self._order()), 1):
            if ticket.position != position:
                ticket.position = position
                ticket.on_position(position)
        if self._lines:
            self._tell_soon()

    def _order(self) -> list[_Ticket]:
        """Those who wait, in the order in which they would be served if places came free one by one."""
        lines = [list(line) for line in self._lines.values()]
        rounds = max(map(len, lines), default=0)
        return [line[n] for n in range(rounds) for line in lines if n < len(line)]

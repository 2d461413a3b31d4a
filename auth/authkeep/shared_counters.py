"""Counters that several processes share, wherever they are kept: in batches, within a time, and with a way out.

One round trip for each use of a limit would cost three times the request it protects. So what arrives while a round
trip is under way waits for the next one and shares it: alone, a use goes at once; under load hundreds go together.
Nothing is lent in advance, hence limits stay exact.

While the place does not answer, each process counts for itself: limits become as many times wider as there are
processes, and are neither gone nor closed to everybody. The first to notice waits for `patience` at most, nobody after
it; the place is tried again beside the requests, not in front of them.
"""

import asyncio
import logging
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field

from authkeep.clock import Clock, SystemClock
from authkeep.throttle import Counters, MemoryCounters

_log = logging.getLogger("authkeep.counters")
_MAX_BATCH = 256
_PROBE = "probe"


@dataclass(frozen=True, slots=True)
class Use:
    """One call of `Counters.advance`, waiting for its answer."""

    key: str
    cost: float
    ceiling: float
    answer: "asyncio.Future[tuple[bool, float] | None]" = field(repr=False)


class SharedCounters(ABC):
    """Args:
        fallback: counts while the place does not answer.
        patience: seconds that a round trip may take.
        retry: seconds between attempts to reach a place that did not answer.

    Attributes:
        outages: how often the place stopped answering.
        counted_alone: how many uses this process has counted for itself.
    """

    place = "The counter store"

    def __init__(
        self,
        *,
        fallback: Counters | None = None,
        patience: float = 0.25,
        retry: float = 1.0,
        clock: Clock | None = None,
    ) -> None:
        self.outages = 0
        self.counted_alone = 0
        self._clock = clock or SystemClock()
        self._fallback = fallback or MemoryCounters(self._clock)
        self._patience = patience
        self._retry = retry
        self._waiting: list[Use] = []
        self._courier: asyncio.Task[None] | None = None
        self._away_since: float | None = None
        self._try_again_at = 0.0

    @property
    def shared(self) -> bool:
        """Whether the place answers, as far as this process knows: limits hold across all processes."""
        return self._away_since is None

    @abstractmethod
    async def _advance_all(self, uses: Sequence[Use]) -> Sequence[tuple[bool, float]]:
        """What `Counters.advance` returns for each, in order, in one step."""

    @abstractmethod
    def _is_outage(self, error: Exception) -> bool:
        """Whether this is how the place fails, and not a mistake of ours."""

    async def advance(self, key: str, cost: float, ceiling: float) -> tuple[bool, float]:
        if self.shared:
            answered = await self._enqueue(key, cost, ceiling)
            if answered is not None:
                return answered
        elif self._clock.monotonic() >= self._try_again_at:
            self._try_again_at = self._clock.monotonic() + self._retry
            self._enqueue(_PROBE, 0.0, 0.0)
        self.counted_alone += 1
        return await self._fallback.advance(key, cost, ceiling)

    def _enqueue(self, key: str, cost: float, ceiling: float) -> "asyncio.Future[tuple[bool, float] | None]":
        answer: asyncio.Future[tuple[bool, float] | None] = asyncio.get_running_loop().create_future()
        self._waiting.append(Use(key, cost, ceiling, answer))
        if self._courier is None:
            self._courier = asyncio.create_task(self._carry(), name="authkeep counters")
        return answer

    async def _carry(self) -> None:
        """Until nobody waits: take those who do, ask for all of them at once."""
        try:
            while self._waiting:
                batch, self._waiting = self._waiting[:_MAX_BATCH], self._waiting[_MAX_BATCH:]
                await self._round_trip(batch)
        finally:
            self._courier = None
            self._settle(self._waiting, [])
            self._waiting = []

    async def _round_trip(self, batch: Sequence[Use]) -> None:
        answers: Sequence[tuple[bool, float]] = []
        try:
            async with asyncio.timeout(self._patience):
                answers = await self._advance_all(batch)
            self._came_back()
        except Exception as error:
            if not isinstance(error, TimeoutError | OSError) and not self._is_outage(error):
                raise
            self._went_away(error)
            batch, self._waiting = [*batch, *self._waiting], []
        finally:
            self._settle(batch, answers)

    @staticmethod
    def _settle(uses: Sequence[Use], answers: Sequence[tuple[bool, float]]) -> None:
        for position, use in enumerate(uses):
            # Who has hung up meanwhile has cancelled theirs.
            if not use.answer.done():
                use.answer.set_result(answers[position] if answers else None)

    def _went_away(self, error: Exception) -> None:
        self._try_again_at = self._clock.monotonic() + self._retry
        if self._away_since is None:
            self._away_since = self._clock.monotonic()
            self.outages += 1
            _log.warning("%s does not answer (%s): this process counts for itself", self.place, type(error).__name__)

    def _came_back(self) -> None:
        if self._away_since is not None:
            seconds = self._clock.monotonic() - self._away_since
            self._away_since = None
            _log.warning("%s counts again, after %.0f s: limits hold across processes", self.place, seconds)

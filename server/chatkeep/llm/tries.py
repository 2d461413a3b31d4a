"""Asking again, here or elsewhere, while nothing of an answer has come; after its first token never."""

import asyncio
import random
from collections.abc import Sequence
from typing import Generic, TypeVar

from chatkeep.llm.model import (
    ModelError,
    ModelRateLimited,
    ModelRefused,
    ModelStreamBroken,
    ModelUnavailable,
)

_MOST_ROUNDS = 3
_FIRST_PAUSE = 0.5
# Whoever is told to come back later than this is better told so, and not kept waiting.
_LONGEST_PAUSE = 10.0
# Refusals that are about the operator's account or address there, and not about the request.
_ELSEWHERE = frozenset({401, 402, 403, 404, 405})
_WORTH_REPEATING = (ModelUnavailable, ModelStreamBroken)

Place = TypeVar("Place")


class Tries(Generic[Place]):
    """`place` is whom to ask; `failed` moves it on. Each place is asked three times at most, all in turn.

    A timeout is not repeated, since it has cost the patience of whoever waits; a refusal of the request itself would be
    the same everywhere.
    """

    def __init__(self, places: Sequence[Place], first_pause: float = _FIRST_PAUSE) -> None:
        self._left = list(places)
        self._again: list[Place] = []
        self._round = 1
        self._first_pause = first_pause
        self._retry_after = 0.0
        self.place = self._left.pop(0)

    async def failed(self, error: ModelError) -> None:
        """Take the next place, after a pause when all have had their turn.

        Raises:
            ModelError: `error`, when there is nowhere else to ask.
        """
        if isinstance(error, ModelRefused) and error.status not in _ELSEWHERE:
            raise error
        if isinstance(error, _WORTH_REPEATING):
            self._again.append(self.place)
            if isinstance(error, ModelRateLimited):
                self._retry_after = max(self._retry_after, error.retry_after or 0.0)
        if not self._left:
            await self._begin_round(error)
        self.place = self._left.pop(0)

    async def _begin_round(self, error: ModelError) -> None:
        pause = self._first_pause * 2.0 ** (self._round - 1) * random.uniform(0.75, 1.25)  # noqa: S311 - no secret
        pause = max(pause, self._retry_after)
        if not self._again or self._round == _MOST_ROUNDS or pause > _LONGEST_PAUSE:
            raise error
        await asyncio.sleep(pause)
        self._left, self._again = self._again, []
        self._round += 1
        self._retry_after = 0.0

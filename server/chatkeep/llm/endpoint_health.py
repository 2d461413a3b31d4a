"""Whether an endpoint is worth asking first: one that fails is put aside, longer each time, and then probed."""

from collections.abc import Callable

from chatkeep.llm.model import (
    ModelError,
    ModelGarbage,
    ModelRateLimited,
    ModelStreamBroken,
    ModelTimeout,
    ModelUnavailable,
)

_FIRST_PAUSE = 5.0
_LONGEST_PAUSE = 300.0
# A refusal says something of the request, or of the key; the endpoint itself is up.
_FAILURES = (ModelUnavailable, ModelTimeout, ModelStreamBroken, ModelGarbage)


class EndpointHealth:
    """What the latest answers of one endpoint say. `clock` counts seconds and never goes back."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._failures = 0
        self._aside = False
        self._aside_until = 0.0

    @property
    def healthy(self) -> bool:
        """Whether it is not put aside. Aside is last in the row, not out of it: there may be no other."""
        return not self._aside

    @property
    def probe_due(self) -> bool:
        """Whether it has been aside for long enough to ask whether it is back."""
        return self._aside and self._clock() >= self._aside_until

    def failed(self, error: ModelError) -> None:
        """It answered so, or not at all."""
        if not isinstance(error, _FAILURES):
            return
        self._failures += 1
        pause = min(_FIRST_PAUSE * 2.0 ** min(self._failures - 1, 10), _LONGEST_PAUSE)
        if isinstance(error, ModelRateLimited) and error.retry_after is not None:
            pause = min(error.retry_after, _LONGEST_PAUSE)
        self._aside = True
        self._aside_until = self._clock() + pause

    def came_back(self) -> None:
        """It lists its models again. Whether it answers is not known yet: if not, the next pause is the longer one."""
        self._aside = False

    def answered(self) -> None:
        """It began to answer."""
        self._aside = False
        self._failures = 0

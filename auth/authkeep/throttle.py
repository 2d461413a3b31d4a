"""Rate limits by the generic cell rate algorithm, over counters that live in memory or in Valkey.

GCRA keeps one number per key, the theoretical arrival time (TAT): how far ahead of real time the caller has
bought. It allows a whole limit at once and then refills evenly, with no window edge at which a caller gets twice
the limit. Source: ITU-T I.371, annex A.
"""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import NamedTuple, Protocol, Self

from authkeep.clock import Clock, SystemClock
from authkeep.errors import RateLimited

_UNITS = {"second": 1, "minute": 60, "hour": 3600, "day": 86400}
_LIMIT = re.compile(r"\s*([1-9][0-9]{0,6})\s*/\s*([1-9][0-9]{0,3})?\s*(second|minute|hour|day)s?\s*", re.ASCII)


@dataclass(frozen=True, slots=True)
class Limit:
    """`count` uses in each `period`, all of which may come at once.

    Attributes:
        seconds: the period. interval: seconds that one use costs. quota: both as the RateLimit-Policy field has them.

    Raises:
        ValueError: the count or the period is not positive.
    """

    count: int
    period: timedelta
    seconds: float = field(init=False, repr=False, compare=False)
    interval: float = field(init=False, repr=False, compare=False)
    quota: str = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if self.count < 1 or self.period <= timedelta(0):
            raise ValueError("a limit needs a positive count and a positive period, such as 30/minute")
        # Worked out once, since every request that counts asks for them.
        object.__setattr__(self, "seconds", self.period.total_seconds())
        object.__setattr__(self, "interval", self.seconds / self.count)
        object.__setattr__(self, "quota", f"q={self.count};w={math.ceil(self.seconds)}")

    @classmethod
    def parse(cls, text: str) -> Self:
        """From `30/minute`, `100/hour`, `5/10 seconds`.

        Raises:
            ValueError: the text is none of these.
        """
        match = _LIMIT.fullmatch(text)
        if match is None:
            raise ValueError(f"{text!r} is not a limit: write it as 30/minute, 100/hour or 5/10 seconds")
        count, multiple, unit = match.groups()
        return cls(int(count), timedelta(seconds=int(multiple or 1) * _UNITS[unit]))


class Decision(NamedTuple):
    """What a limit said about one use.

    Attributes:
        name: of the limit, as clients see it in the RateLimit fields.
        remaining: uses left right now.
        retry_after: seconds until the next use is allowed; 0 when this one was.
        reset: seconds until there is one more use than there is now.
    """

    name: str
    allowed: bool
    limit: Limit
    remaining: int
    retry_after: float
    reset: float

    @property
    def policy(self) -> str:
        """The value of the RateLimit-Policy field."""
        return f'"{self.name}";{self.limit.quota}'

    @property
    def state(self) -> str:
        """The value of the RateLimit field."""
        return f'"{self.name}";r={self.remaining};t={math.ceil(self.reset if self.allowed else self.retry_after)}'

    def headers(self) -> dict[str, str]:
        """The fields of draft-ietf-httpapi-ratelimit-headers-11, and Retry-After on a refusal."""
        fields = {"RateLimit-Policy": self.policy, "RateLimit": self.state}
        if not self.allowed:
            fields["Retry-After"] = str(max(1, math.ceil(self.retry_after)))
        return fields


class Counters(Protocol):
    """Where arrival times are kept; one implementation per place."""

    async def advance(self, key: str, cost: float, ceiling: float) -> tuple[bool, float]:
        """Buy `cost` seconds for `key` unless that would put it more than `ceiling` seconds ahead of now.

        A negative cost gives back what was bought; nobody gets further back than now.

        Returns:
            Whether it was bought, and how many seconds ahead the key is afterwards.
        """
        ...


def buy(ahead: float, cost: float, ceiling: float) -> tuple[bool, float]:
    """The algorithm itself, for one key that is `ahead` seconds ahead of now; what `Counters.advance` returns."""
    ahead = max(ahead, 0.0)
    # A float of seconds cannot hold 1/3 exactly; without the tolerance the last use of a limit is refused.
    allowed = ahead + cost <= ceiling + 1e-6
    return allowed, max(ahead + cost, 0.0) if allowed else ahead


class MemoryCounters:
    """Counters of one process, bounded in number: the longest unused key is forgotten first."""

    def __init__(self, clock: Clock | None = None, *, max_keys: int = 100_000) -> None:
        self._clock = clock or SystemClock()
        self._max_keys = max_keys
        self._arrivals: dict[str, float] = {}

    async def advance(self, key: str, cost: float, ceiling: float) -> tuple[bool, float]:
        now = self._clock.monotonic()
        allowed, ahead = buy(self._arrivals.pop(key, now) - now, cost, ceiling)
        self._arrivals[key] = now + ahead
        if len(self._arrivals) > self._max_keys:
            del self._arrivals[next(iter(self._arrivals))]
        return allowed, ahead


class Throttle:
    """Named limits over one set of counters."""

    def __init__(self, counters: Counters, limits: Mapping[str, Limit] | None = None) -> None:
        self._counters = counters
        self.limits = dict(limits or {})

    def with_defaults(self, limits: Mapping[str, Limit]) -> "Throttle":
        """The same counters with more limits; those that this throttle names already stay as they are."""
        return Throttle(self._counters, {**limits, **self.limits})

    async def hit(self, name: str, key: str, *, uses: int = 1) -> Decision:
        """Count `uses` of limit `name` by `key`.

        Raises:
            KeyError: no limit has this name.
        """
        limit = self.limits[name]
        period, interval = limit.seconds, limit.interval
        cost = interval * uses
        allowed, ahead = await self._counters.advance(f"{name}:{key}", cost, period)
        remaining = max(0, int((period - ahead) / interval + 1e-6))
        retry_after = 0.0 if allowed else max(0.0, ahead + cost - period)
        return Decision(name, allowed, limit, remaining, retry_after, ahead - period + (remaining + 1) * interval)

    async def require(self, name: str, key: str, *, uses: int = 1) -> Decision:
        """As `hit`, for callers that have nothing else to do with a refusal.

        Raises:
            RateLimited: the limit is used up.
            KeyError: no limit has this name.
        """
        decision = await self.hit(name, key, uses=uses)
        if not decision.allowed:
            raise RateLimited(headers=decision.headers(), retry_after=decision.retry_after)
        return decision

    async def give_back(self, name: str, key: str) -> None:
        """Undo one `hit` that was allowed: for limits on failures, which everybody pays before it is known.

        Paid first and given back, so that of many who try at once no more get through than the limit says.
        """
        limit = self.limits[name]
        await self._counters.advance(f"{name}:{key}", -limit.interval, limit.seconds)

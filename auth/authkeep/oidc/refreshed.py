"""A value that lives elsewhere: fetched when it is needed, by one caller at a time, and kept for a while."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

from authkeep.clock import Clock
from authkeep.oidc.errors import ProviderUnavailable

Value = TypeVar("Value")
_KEPT_SECONDS = 3600.0
_STALE_SECONDS = 24 * 3600.0
# However many ask, and whatever they bring along, a provider is asked no more often than this.
_RENEWAL_SECONDS = 60.0
_RETRY_SECONDS = 5.0


class Refreshed(Generic[Value]):
    """One document of a provider.

    While it cannot be fetched again, the one we have serves for a day: a provider whose metadata is away for a moment
    should not lock anybody out.
    """

    def __init__(self, fetch: Callable[[], Awaitable[Value]], clock: Clock) -> None:
        self._fetch = fetch
        self._clock = clock
        self._lock = asyncio.Lock()
        self._value: Value | None = None
        self._fetched_at = 0.0
        self._failure: tuple[float, type[ProviderUnavailable]] | None = None

    async def get(self) -> Value:
        """The document, an hour old at most unless it cannot be had.

        Raises:
            ProviderUnavailable: there is none, and none can be fetched.
        """
        return await self._not_older_than(_KEPT_SECONDS)

    async def renew(self) -> Value:
        """As `get`, for a caller who has reason to think that it has changed: a minute old at most.

        Raises:
            ProviderUnavailable: as `get`.
        """
        return await self._not_older_than(_RENEWAL_SECONDS)

    async def _not_older_than(self, seconds: float) -> Value:
        async with self._lock:
            if self._value is not None and self._age() < seconds:
                return self._value
            if self._failure is None or self._clock.monotonic() - self._failure[0] >= _RETRY_SECONDS:
                await self._try()
            if self._value is not None and (self._failure is None or self._age() < _STALE_SECONDS):
                return self._value
            raise self._failure[1] if self._failure else ProviderUnavailable

    async def _try(self) -> None:
        try:
            self._value = await self._fetch()
            self._fetched_at, self._failure = self._clock.monotonic(), None
        except ProviderUnavailable as failure:
            self._failure = self._clock.monotonic(), type(failure)

    def _age(self) -> float:
        return self._clock.monotonic() - self._fetched_at

"""Time as a dependency, so that tests decide what it is."""

import time
from datetime import UTC, datetime
from typing import Protocol


class Clock(Protocol):
    """Three ways to ask for the time."""

    def now(self) -> datetime:
        """The wall clock, aware, in UTC: what is stored and shown."""
        ...

    def seconds(self) -> float:
        """The wall clock in Unix seconds: what tokens are compared with, without building a datetime."""
        ...

    def monotonic(self) -> float:
        """Seconds that never go back: what limits and leases are measured in."""
        ...


class SystemClock:
    """The machine's."""

    def now(self) -> datetime:
        return datetime.now(UTC)

    def seconds(self) -> float:
        return time.time()

    def monotonic(self) -> float:
        return time.monotonic()

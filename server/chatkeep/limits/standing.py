"""How things stand with a quota: what is used of it, what is left, and when it begins anew."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from chatkeep.settings_quotas import QuotaLimit, Window

# Nobody knows when an answer ends; this is soon enough to ask again, and not too soon.
SECONDS_UNTIL_ONE_ENDS = 5
_UNITS = {"requests": "requests", "tokens": "tokens", "cost": "cost-micros", "concurrent": "concurrent-requests"}


def begin_of(window: Window, now: datetime) -> datetime:
    """The first moment of the day or month of UTC that `now` is in."""
    midnight = now.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    return midnight if window == "day" else midnight.replace(day=1)


def end_of(window: Window, now: datetime) -> datetime:
    """The first moment of the next one."""
    begin = begin_of(window, now)
    # From the first of a month, 31 days always lead into the next.
    return begin + timedelta(days=1) if window == "day" else begin_of("month", begin + timedelta(days=31))


@dataclass(frozen=True, slots=True)
class Standing:
    """One limit at one moment, in the limit's own units.

    Attributes:
        used: what is settled and what is held.
        held: of that, what answers that are being written may give back.
    """

    limit: QuotaLimit
    used: int
    now: datetime
    held: int = 0

    @property
    def remaining(self) -> int:
        """What is left; never below zero, though an answer may have run over."""
        return max(0, self.limit.amount - self.used)

    @property
    def resets_at(self) -> datetime | None:
        """When it begins anew; None for what is counted at once."""
        return end_of(self.limit.window, self.now) if self.limit.window else None

    @property
    def waits_for_answers(self) -> bool:
        """Whether there is more as soon as an answer ends, before it begins anew."""
        return self.resets_at is None or 0 < self.limit.amount - (self.used - self.held) > self.remaining

    @property
    def reset_seconds(self) -> int | None:
        """Until it begins anew, rounded up; never none at all."""
        return max(1, -int(-(self.resets_at - self.now).total_seconds() // 1)) if self.resets_at else None

    @property
    def retry_after(self) -> int:
        """Seconds until it is worth asking again."""
        seconds = self.reset_seconds
        return SECONDS_UNTIL_ONE_ENDS if seconds is None or self.waits_for_answers else seconds

    @property
    def name(self) -> str:
        """As header fields have it: `tokens-day`, `concurrent`, `requests-day of gpt-5`."""
        name = self.limit.quantity + (f"-{self.limit.window}" if self.limit.window else "")
        return f"{name} of {self.limit.model}" if self.limit.model else name

    @property
    def policy(self) -> str:
        """Its item of the RateLimit-Policy field (draft-ietf-httpapi-ratelimit-headers-11, section 3)."""
        fields = f'"{self.name}";q={self.limit.amount};qu="{_UNITS[self.limit.quantity]}"'
        if self.limit.window is None:
            return fields
        length = end_of(self.limit.window, self.now) - begin_of(self.limit.window, self.now)
        return f"{fields};w={int(length.total_seconds())}"

    @property
    def state(self) -> str:
        """Its item of the RateLimit field (section 4 there)."""
        reset = f";t={self.reset_seconds}" if self.limit.window else ""
        return f'"{self.name}";r={self.remaining}{reset}'

"""Usage by day as bars, for an SVG without script or style that static/forms.css gives its colours."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any, Self

WIDTH, HEIGHT = 600.0, 150.0
_GAP = 0.25


@dataclass(frozen=True, slots=True)
class Usage:
    """What was used; `cost` in units of the currency, 0 where no prices are known."""

    requests: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    cost: float = 0.0

    @classmethod
    def read(cls, body: Mapping[str, Any]) -> Self:
        """From an item of /usage/days or /admin/usage."""
        return cls(
            int(body.get("requests") or 0),
            int(body.get("prompt_tokens") or 0),
            int(body.get("completion_tokens") or 0),
            float(body.get("cost") or 0),
        )

    def __add__(self, other: "Usage") -> "Usage":
        return Usage(
            self.requests + other.requests,
            self.prompt_tokens + other.prompt_tokens,
            self.completion_tokens + other.completion_tokens,
            self.cost + other.cost,
        )

    @property
    def tokens(self) -> int:
        """Read and written."""
        return self.prompt_tokens + self.completion_tokens


@dataclass(frozen=True, slots=True)
class Bar:
    """A day: what was read below, what was written on top of it. Measures are in the units of the drawing."""

    day: date
    usage: Usage
    x: float
    width: float
    read_height: float
    written_height: float


@dataclass(frozen=True, slots=True)
class Chart:
    """Attributes:
    most: tokens of the day with most, which the highest bar stands for.
    """

    bars: Sequence[Bar]
    most: int
    total: Usage

    @property
    def first(self) -> date:
        return self.bars[0].day

    @property
    def last(self) -> date:
        return self.bars[-1].day


def sum_by(items: Iterable[Mapping[str, Any]], name: str) -> dict[str, Usage]:
    """The usage of each value of a member, the most used first."""
    sums: dict[str, Usage] = {}
    for item in items:
        key = str(item.get(name) or "")
        sums[key] = sums.get(key, Usage()) + Usage.read(item)
    return dict(sorted(sums.items(), key=lambda pair: -pair[1].tokens))


def chart(by_day: Mapping[str, Usage], first: date, last: date) -> Chart:
    """A bar for each day from `first` to `last`, also for those on which nothing was used."""
    days = [first + timedelta(days=n) for n in range((last - first).days + 1)]
    usages = [by_day.get(day.isoformat(), Usage()) for day in days]
    most = max(usage.tokens for usage in usages)
    slot, unit = WIDTH / len(days), HEIGHT / max(most, 1)
    bars = [
        Bar(
            day,
            usage,
            round(n * slot + slot * _GAP / 2, 2),
            round(slot * (1 - _GAP), 2),
            round(usage.prompt_tokens * unit, 2),
            round(usage.completion_tokens * unit, 2),
        )
        for n, (day, usage) in enumerate(zip(days, usages, strict=True))
    ]
    return Chart(bars, most, sum(usages, Usage()))

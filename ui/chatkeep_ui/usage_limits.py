"""What is left of a quota, in words."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Self

from chatkeep_ui.local_time import spoken_moment

_NAMES: Final = {"requests": "messages", "tokens": "tokens", "cost": "of the budget"}
_WINDOWS: Final = {"day": " today", "month": " this month"}


@dataclass(frozen=True, slots=True)
class UsageLimit:
    """A quota, of all models together or of one; `resets_at` is when what was used no longer counts."""

    name: str
    window: str
    limit: float
    remaining: float
    resets_at: datetime | None = None
    model: str | None = None

    @classmethod
    def read(cls, body: Mapping[str, Any]) -> Self:
        """From /usage."""
        resets_at = body.get("resets_at")
        return cls(
            name=body["name"],
            window=body.get("window") or "",
            limit=float(body.get("limit") or 0),
            remaining=max(0.0, float(body.get("remaining") or 0)),
            resets_at=datetime.fromisoformat(resets_at) if resets_at else None,
            model=body.get("model"),
        )

    @property
    def title(self) -> str:
        """What it counts, and over which time."""
        what = "Budget" if self.name == "cost" else _NAMES.get(self.name, self.name).capitalize()
        return f"{what}{f' of {self.model}' if self.model else ''} a {self.window}"

    @property
    def words(self) -> str:
        """How much of it is left."""
        return f"{_amounts(self)} left"

    @property
    def left(self) -> float:
        """The share that is left, from 0 to 1."""
        return self.remaining / self.limit if self.limit else 1.0


def remaining_line(limits: Sequence[UsageLimit], model: str | None, now: datetime) -> str:
    """A sentence about the quota that runs out first; empty where none is set.

    Those of models other than `model` do not count. `now` is in the reader's time zone.
    """
    counted = [limit for limit in limits if limit.name in _NAMES and limit.limit > 0 and limit.model in (None, model)]
    if not counted:
        return ""
    tightest = min(counted, key=lambda limit: limit.left)
    what = _NAMES[tightest.name] + (f" of {tightest.model}" if tightest.model else "")
    window = _WINDOWS.get(tightest.window, "")
    if tightest.remaining > 0:
        return f"{_amounts(tightest)} {what} left{window}."
    again = f" There will be more {spoken_moment(tightest.resets_at, now)}." if tightest.resets_at else ""
    return f"{'Nothing' if tightest.name == 'cost' else 'No'} {what} left{window}.{again}"


def _amounts(limit: UsageLimit) -> str:
    if limit.name == "cost":
        return f"{limit.left:.0%}"
    return f"{limit.remaining:,.0f} of {limit.limit:,.0f}"

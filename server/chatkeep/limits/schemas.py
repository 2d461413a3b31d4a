"""What travels of usage. Cost is in units of the currency that the price table is in."""

from datetime import date, datetime
from typing import Literal, Self

from pydantic import BaseModel

from chatkeep.limits.reports import Sums
from chatkeep.limits.standing import Standing
from chatkeep.settings_quotas import MICROS


class LimitOut(BaseModel):
    """How things stand with one limit. Without a window it counts what is being written at this moment."""

    name: Literal["requests", "tokens", "cost", "concurrent"]
    window: Literal["day", "month"] | None
    model: str | None
    limit: int | float
    used: int | float
    remaining: int | float
    resets_at: datetime | None

    @classmethod
    def of(cls, standing: Standing) -> Self:
        """As it travels."""
        limit = standing.limit
        unit = MICROS if limit.quantity == "cost" else None
        amounts = (limit.amount, standing.used, standing.remaining)
        amount, used, remaining = (value / unit if unit else value for value in amounts)
        return cls(
            name=limit.quantity,
            window=limit.window,
            model=limit.model,
            limit=amount,
            used=used,
            remaining=remaining,
            resets_at=standing.resets_at,
        )


class SumsOut(BaseModel):
    requests: int
    prompt_tokens: int
    completion_tokens: int
    cost: float


class DayOut(SumsOut):
    """What was used of one model on one day of UTC; `model` is empty where nobody ever knew which it was."""

    day: date
    model: str

    @classmethod
    def of(cls, day: date, model: str, sums: Sums) -> Self:
        """As it travels."""
        return cls(day=day, model=model, **_fields(sums))


class DaysOut(BaseModel):
    items: list[DayOut]


class UsageOut(BaseModel):
    """What is left, and what was used lately."""

    limits: list[LimitOut]
    by_day: list[DayOut]


class GroupOut(SumsOut):
    """`key` is a user's id, a model or a day, whichever was asked for."""

    key: str

    @classmethod
    def of(cls, key: str, sums: Sums) -> Self:
        """As it travels."""
        return cls(key=key, **_fields(sums))


class ReportOut(BaseModel):
    """The largest, and what all of them come to, those that are left out included."""

    items: list[GroupOut]
    total: SumsOut

    @classmethod
    def of(cls, groups: list[tuple[str, Sums]], total: Sums) -> Self:
        """As it travels."""
        return cls(items=[GroupOut.of(key, sums) for key, sums in groups], total=SumsOut(**_fields(total)))


def _fields(sums: Sums) -> dict[str, int | float]:
    return {
        "requests": sums.requests,
        "prompt_tokens": sums.prompt_tokens,
        "completion_tokens": sums.completion_tokens,
        "cost": sums.cost_micros / MICROS,
    }

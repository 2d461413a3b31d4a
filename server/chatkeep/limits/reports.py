"""What has been used, added up for those who want to know: by day, model or user, over a bounded range of days."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, Literal

from sqlalchemy import ColumnElement, Row, func, select

from chatkeep.db import Db
from chatkeep.identity import OwnerId
from chatkeep.limits.tables import usage_days

Grouping = Literal["user", "model", "day"]

_GROUPS = {"user": usage_days.c.owner, "model": usage_days.c.model, "day": usage_days.c.day}
_TOKENS = func.sum(usage_days.c.prompt_tokens + usage_days.c.completion_tokens)
_SUMS = [func.sum(usage_days.c[name]) for name in ("requests", "prompt_tokens", "completion_tokens", "cost_micros")]


@dataclass(frozen=True, slots=True)
class Days:
    """From the first to the last, both included."""

    first: date
    last: date


@dataclass(frozen=True, slots=True)
class Sums:
    """What was settled; of the answers that are being written only their own owner knows."""

    requests: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    cost_micros: int = 0


async def list_days(db: Db, owner: OwnerId, days: Days, limit: int) -> list[tuple[date, str, Sums]]:
    """The owner's usage by day and model, the newest day first and in it the model most used."""
    table = usage_days.c
    statement = (
        select(table.day, table.model, table.requests, table.prompt_tokens, table.completion_tokens, table.cost_micros)
        .where(table.owner == owner, *_within(days))
        .order_by(table.day.desc(), (table.prompt_tokens + table.completion_tokens).desc(), table.model)
        .limit(limit)
    )
    return [(row[0], row[1], _sums(row[2:])) for row in (await db.execute(statement)).all()]


async def list_sums(db: Db, by: Grouping, days: Days, limit: int) -> list[tuple[str, Sums]]:
    """Everybody's usage: days in order, users and models by what they use, the most first. For administrators."""
    group = _GROUPS[by]
    order = [group] if by == "day" else [_TOKENS.desc(), group]
    statement = select(group, *_SUMS).where(*_within(days)).group_by(group).order_by(*order).limit(limit)
    return [(str(row[0]), _sums(row[1:])) for row in (await db.execute(statement)).all()]


async def total_of(db: Db, days: Days) -> Sums:
    """Everybody's usage of all models. For administrators."""
    return _sums((await db.execute(select(*_SUMS).where(*_within(days)))).one())


def _within(days: Days) -> list[ColumnElement[bool]]:
    return [usage_days.c.day >= days.first, usage_days.c.day <= days.last]


def _sums(row: Row[Any] | Sequence[Any]) -> Sums:
    return Sums(*(int(value or 0) for value in row))

"""/usage and /admin/usage: what is left, and what was used."""

from datetime import UTC, date, datetime, timedelta
from typing import Annotated

from fastapi import APIRouter, Depends, Query

from chatkeep.identity import ADMINISTRATOR, ChatOwner, PolicyFirst
from chatkeep.limits.dependencies import CurrentPayer, Services
from chatkeep.limits.errors import RangeInvalid
from chatkeep.limits.reports import Days, Grouping, list_days, list_sums, total_of
from chatkeep.limits.schemas import DayOut, DaysOut, LimitOut, ReportOut, UsageOut
from chatkeep.row_security import EVERYBODY

router = APIRouter(route_class=PolicyFirst, tags=["usage"])

LATELY = timedelta(days=29)
_MOST_DAYS = 366
# Far more than anybody uses in a year of days and models; a page that were cut would be wrong in its sums.
_MOST_ROWS = 20_000


async def _days(
    first: Annotated[date | None, Query(alias="from", description="A day of UTC; without it, 30 days back.")] = None,
    last: Annotated[date | None, Query(alias="to", description="A day of UTC; without it, today.")] = None,
) -> Days:
    last = last or datetime.now(UTC).date()
    first = first or date.fromordinal(max(1, last.toordinal() - LATELY.days))
    if not timedelta(0) <= last - first < timedelta(days=_MOST_DAYS):
        raise RangeInvalid(_MOST_DAYS)
    return Days(first, last)


AskedDays = Annotated[Days, Depends(_days)]


@router.get("/usage")
async def usage(owner: ChatOwner, payer: CurrentPayer, services: Services) -> UsageOut:
    """What is left of your quotas, and what you used in the last 30 days."""
    now = datetime.now(UTC)
    async with services.database.reading(owner) as db:
        standings = await services.quotas.standings(db, owner, payer.role, now)
        days = await list_days(db, owner, Days(now.date() - LATELY, now.date()), _MOST_ROWS)
    return UsageOut(limits=[LimitOut.of(standing) for standing in standings], by_day=[DayOut.of(*day) for day in days])


@router.get("/usage/days")
async def usage_by_day(owner: ChatOwner, days: AskedDays, services: Services) -> DaysOut:
    """What you used, by day and model, the newest day first."""
    async with services.database.reading(owner) as db:
        return DaysOut(items=[DayOut.of(*day) for day in await list_days(db, owner, days, _MOST_ROWS)])


@router.get("/admin/usage", dependencies=[ADMINISTRATOR])
async def usage_of_all(
    days: AskedDays,
    services: Services,
    by: Grouping = "user",
    limit: Annotated[int, Query(ge=1, le=1000, description="How many items at most.")] = 366,
) -> ReportOut:
    """What everybody used, added up by user, model or day; users and models by what they use, the most first."""
    async with services.database.reading(EVERYBODY) as db:
        return ReportOut.of(await list_sums(db, by, days, limit), await total_of(db, days))

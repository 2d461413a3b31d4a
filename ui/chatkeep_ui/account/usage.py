"""/account/usage: what is left of the quotas, and what was used by day and by model."""

from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta

from chatkeep_ui.account.area import AccountPage
from chatkeep_ui.account.visit import Visit
from chatkeep_ui.usage_chart import chart, sum_by
from chatkeep_ui.usage_limits import UsageLimit

SPANS = (7, 30, 90)


async def _load(visit: Visit) -> Mapping[str, object]:
    first, last = asked_days(visit)
    now = await visit.ask("GET", "/usage")
    days = await visit.ask("GET", "/usage/days", params={"from": first.isoformat(), "to": last.isoformat()})
    # How many answers may be written at a time is no amount that could be used up.
    limits = [limit for limit in map(UsageLimit.read, now["limits"]) if limit.window]
    drawn = chart(sum_by(days["items"], "day"), first, last)
    return {"limits": limits, "chart": drawn, "models": sum_by(days["items"], "model"), **spans(visit)}


def asked_days(visit: Visit) -> tuple[date, date]:
    """The first and the last day to show, of UTC, as the API counts them."""
    today = datetime.now(UTC).date()
    return today - timedelta(days=_span(visit) - 1), today


def spans(visit: Visit) -> Mapping[str, object]:
    """How many days can be asked for, and how many were."""
    return {"spans": SPANS, "span": _span(visit)}


def _span(visit: Visit) -> int:
    asked = visit.request.query_params.get("days", "")
    return next((span for span in SPANS if asked == str(span)), 30)


USAGE = AccountPage("/account/usage", "account/usage.html", _load)

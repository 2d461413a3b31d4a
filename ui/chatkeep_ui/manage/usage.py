"""/manage/usage: what everybody used, by day, person and model, for administrators. Nobody's words are in it."""

import asyncio
from collections.abc import Mapping
from typing import Any

from chatkeep_ui.account.area import AccountPage
from chatkeep_ui.account.devices import one_segment
from chatkeep_ui.account.usage import asked_days, spans
from chatkeep_ui.account.visit import Visit
from chatkeep_ui.problem import NotThere
from chatkeep_ui.usage_chart import Usage, chart, sum_by

# Each of them is looked up by name.
_MOST_PEOPLE = 20


async def _load(visit: Visit) -> Mapping[str, object]:
    first, last = asked_days(visit)
    asked = {"from": first.isoformat(), "to": last.isoformat()}

    async def sums(by: str, limit: int = 366) -> list[dict[str, Any]]:
        answer = await visit.ask("GET", "/admin/usage", params={**asked, "by": by, "limit": str(limit)})
        items: list[dict[str, Any]] = answer["items"]
        return items

    days, models, most = await sums("day"), await sums("model"), await sums("user", _MOST_PEOPLE)
    names = await asyncio.gather(*(_email(visit, item["key"]) for item in most))
    people = [(item["key"], name, Usage.read(item)) for item, name in zip(most, names, strict=True)]
    drawn = chart(sum_by(days, "key"), first, last)
    return {"chart": drawn, "models": sum_by(models, "key"), "people": people, **spans(visit)}


async def _email(visit: Visit, user_id: str) -> str:
    """Empty where the account is no more."""
    try:
        user = await visit.ask("GET", f"/admin/users/{one_segment(user_id)}")
    except NotThere:
        return ""
    return str(user["email"])


ALL_USAGE = AccountPage("/manage/usage", "manage/usage.html", _load)

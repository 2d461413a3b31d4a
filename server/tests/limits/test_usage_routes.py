"""/usage and /admin/usage: one's own to everybody, everybody's to administrators, and only so many days at once."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI
from uuid_utils.compat import uuid7

from authkeep.matrix import AsgiClient
from authkeep.testing import SignedInUser, signed_in
from chatkeep.app import create_app, prepare
from chatkeep.identity import OwnerId, Role
from chatkeep.limits.quotas import Claim, Outcome, Payer
from chatkeep.limits.tokens import Tokens
from chatkeep.settings import Settings

NOW = datetime.now(UTC)
TODAY = NOW.date().isoformat()
PRICED = {"quota_user": "9 requests/day, 1 cost/month", "model_prices": "m 2/4"}


@pytest.fixture
async def app(tmp_path: Path) -> AsyncIterator[FastAPI]:
    settings = Settings(data_dir=tmp_path / "data", llm_base_url="scripted:", page=False, **PRICED)
    await prepare(settings)
    app = create_app(settings, "http://127.0.0.1:1")
    async with app.router.lifespan_context(app):
        yield app


@pytest.fixture
async def people(app: FastAPI) -> list[SignedInUser]:
    """An administrator and two others."""
    auth = app.state.auth
    admin = await signed_in(auth, "admin@example.com", role=Role.ADMIN)
    return [admin, await signed_in(auth, "alice@example.com"), await signed_in(auth, "bob@example.com")]


async def use(app: FastAPI, person: SignedInUser, model: str, prompt: int, completion: int, days_ago: int = 0) -> None:
    services, owner, then = app.state.limits, OwnerId(person.user.id), NOW - timedelta(days=days_ago)
    claim = Claim(str(uuid7()), model, 0, 0)
    async with services.database.writing(owner) as db:
        await services.quotas.reserve(db, owner, Payer(), claim, then)
        await services.quotas.settle(db, owner, claim.id, Outcome(Tokens(prompt, completion)), then)


async def ask(app: FastAPI, person: SignedInUser, path: str) -> Any:
    answer = await AsgiClient(app).call("GET", path, person.access_token)
    assert answer.status == 200, answer
    return answer.content


async def test_one_sees_what_is_left_and_what_one_used(app: FastAPI, people: list[SignedInUser]) -> None:
    _, alice, bob = people
    await use(app, alice, "m", 1000, 500)
    await use(app, alice, "n", 1, 1, days_ago=2)
    await use(app, bob, "m", 7, 7)
    seen = await ask(app, alice, "/usage")
    requests, cost = seen["limits"]
    assert (requests["name"], requests["window"], requests["used"], requests["remaining"]) == ("requests", "day", 1, 8)
    assert (cost["limit"], cost["used"], cost["remaining"]) == (1, 0.004, 0.996)
    assert datetime.fromisoformat(requests["resets_at"]) > NOW
    today, earlier = seen["by_day"]
    used = {"requests": 1, "prompt_tokens": 1000, "completion_tokens": 500, "cost": 0.004}
    assert today == {"day": TODAY, "model": "m", **used}
    assert earlier["model"] == "n"
    assert (await ask(app, alice, f"/usage/days?from={TODAY}&to={TODAY}"))["items"] == [today]


async def test_an_administrator_sees_who_uses_how_much(app: FastAPI, people: list[SignedInUser]) -> None:
    admin, alice, bob = people
    await use(app, alice, "m", 1, 1)
    await use(app, bob, "m", 10, 5)
    await use(app, bob, "n", 1, 0, days_ago=1)
    by_user = await ask(app, admin, "/admin/usage")
    assert [item["key"] for item in by_user["items"]] == [bob.user.id, alice.user.id]
    assert by_user["total"]["requests"] == 3
    most = await ask(app, admin, "/admin/usage?limit=1")
    assert (len(most["items"]), most["total"]) == (1, by_user["total"])
    by_model = await ask(app, admin, "/admin/usage?by=model")
    assert [(item["key"], item["prompt_tokens"]) for item in by_model["items"]] == [("m", 11), ("n", 1)]
    by_day = await ask(app, admin, "/admin/usage?by=day")
    assert [item["requests"] for item in by_day["items"]] == [1, 2]


@pytest.mark.parametrize(
    "query",
    [
        "from=2026-02-01&to=2026-01-31",
        "from=2025-01-01&to=2026-01-02",
        "from=0001-01-01",
        "to=0001-01-01&from=9999-12-31",
        "from=2026-02-30",
        "to=10000-01-01",
        "from=-1",
        "to=%00",
    ],
)
async def test_a_range_that_is_none_or_without_end_is_refused(
    app: FastAPI, people: list[SignedInUser], query: str
) -> None:
    for path in ("/usage/days", "/admin/usage"):
        answer = await AsgiClient(app).call("GET", f"{path}?{query}", people[0].access_token)
        assert answer.status == 422, (path, answer)


async def test_the_ends_of_the_calendar_are_days_too(app: FastAPI, people: list[SignedInUser]) -> None:
    for query in ("to=0001-01-01", "from=9999-12-31&to=9999-12-31"):
        assert (await ask(app, people[1], f"/usage/days?{query}"))["items"] == []

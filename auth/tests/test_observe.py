"""Observing a policy while an older check decides: what is told, and what never passes."""

from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from typing import Annotated

import httpx
import pytest
from fastapi import Depends, FastAPI, Header, HTTPException

from authkeep import Auth, Role
from authkeep.http import Observation, mount, refuse_undeclared, require_role, signed_in
from authkeep.testing import FrozenClock
from authkeep.testing import signed_in as sign_in


async def older_check(x_user: Annotated[str | None, Header()] = None) -> str:
    if x_user is None:
        raise HTTPException(403, "the older application says no")
    return x_user


@pytest.fixture
def observation(clock: FrozenClock) -> Observation:
    return Observation(clock.now() + timedelta(days=30), clock=clock)


@pytest.fixture
def app(auth: Auth, observation: Observation) -> FastAPI:
    app = FastAPI()
    mount(app, auth)

    @app.get("/notes")
    async def notes(owner: Annotated[str, Depends(observation.of(signed_in, host=older_check))]) -> str:
        return owner

    @app.get("/statistics")
    async def statistics(
        owner: Annotated[str, Depends(observation.of(require_role(Role.ADMIN), host=older_check))],
    ) -> str:
        return owner

    return app


@pytest.fixture
async def client(app: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://x") as client:
        yield client


@pytest.mark.parametrize(
    ("headers", "code"), [({}, "not_signed_in"), ({"Authorization": "Bearer rubbish"}, "invalid_token")]
)
async def test_what_would_be_refused_passes_and_is_told(
    client: httpx.AsyncClient, observation: Observation, headers: dict[str, str], code: str,
    caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    for _ in range(3):
        answer = await client.get("/notes", headers={"X-User": "user_123", **headers})
        assert (answer.status_code, answer.json()) == (200, "user_123")
        assert answer.headers["authkeep-would-refuse"] == code
    assert observation.would_refuse == {code: 3}
    assert caplog.text.count("would be refused") == 1


async def test_what_the_older_check_refuses_never_passes(client: httpx.AsyncClient, auth: Auth) -> None:
    """Not even for an admin of authkeep: observing grants nobody anything."""
    admin = await sign_in(auth, role=Role.ADMIN)
    for path in ("/notes", "/statistics"):
        for headers in ({}, admin.headers):
            assert (await client.get(path, headers=headers)).status_code == 403


async def test_whoever_both_let_in_is_told_of_nothing(
    client: httpx.AsyncClient, auth: Auth, observation: Observation
) -> None:
    ada = await sign_in(auth)
    answer = await client.get("/notes", headers={"X-User": ada.user.id, **ada.headers})
    assert (answer.status_code, "authkeep-would-refuse" in answer.headers) == (200, False)
    assert not observation.would_refuse


async def test_two_checks_that_name_different_people_are_told(client: httpx.AsyncClient, auth: Auth) -> None:
    answer = await client.get("/notes", headers={"X-User": "user_123", **(await sign_in(auth)).headers})
    assert (answer.json(), answer.headers["authkeep-would-refuse"]) == ("user_123", "another_user")


async def test_left_on_it_ends_by_itself(client: httpx.AsyncClient, clock: FrozenClock) -> None:
    clock.advance(timedelta(days=30))
    answer = await client.get("/notes", headers={"X-User": "user_123"})
    assert answer.status_code == 401, answer.text
    assert answer.json()["code"] == "not_signed_in"


def test_it_says_so_when_it_begins(clock: FrozenClock, caplog: pytest.LogCaptureFixture) -> None:
    Observation(clock.now() + timedelta(days=1), clock=clock)
    assert "only told, and not refused" in caplog.text


@pytest.mark.parametrize("days", [91, 4000])
def test_nobody_can_set_it_to_for_ever(clock: FrozenClock, days: int) -> None:
    with pytest.raises(ValueError, match="at most 90 days"):
        Observation(clock.now() + timedelta(days=days), clock=clock)


def test_a_moment_without_a_time_zone_is_no_end() -> None:
    with pytest.raises(ValueError, match="time zone"):
        Observation(datetime(2026, 1, 1))  # noqa: DTZ001 - that is the mistake


def test_an_observed_route_is_declared_and_shows_until_when(app: FastAPI) -> None:
    refuse_undeclared(app)
    shown = app.openapi()["paths"]["/notes"]["get"]["x-authz"]
    assert shown == {"policy": "signed_in", "observed_until": "2026-01-31T12:00:00+00:00"}


async def test_authkeeps_own_routes_are_never_observed(client: httpx.AsyncClient) -> None:
    assert (await client.get("/auth/me", headers={"X-User": "user_123"})).status_code == 401

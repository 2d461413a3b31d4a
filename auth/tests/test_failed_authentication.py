"""Credentials that were never ours: they count, and they lock nobody else out."""

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import httpx
import pytest

from authkeep import Auth, Limit, Throttle
from authkeep.testing import FrozenClock, MemoryStore, SignedInUser, signed_in
from authkeep.throttle import MemoryCounters

LIMITS = {"failed_authentication": "5/minute", "refresh": "5/minute"}


@pytest.fixture
async def auth(
    memory_store: MemoryStore, clock: FrozenClock, settings: Any, keys: Any, make: Any
) -> AsyncIterator[Auth]:
    limits = {name: Limit.parse(text) for name, text in LIMITS.items()}
    with_keys = replace(settings, scopes={"read": "Read everything"})
    made: Auth = make(memory_store, clock, with_keys, keys, throttle=Throttle(MemoryCounters(clock), limits))
    async with made.running():
        yield made


@pytest.fixture
async def victim(auth: Auth) -> SignedInUser:
    return await signed_in(auth, "victim@example.com")


async def present(client: httpx.AsyncClient, token: str, count: int = 1) -> list[int]:
    headers = {"Authorization": f"Bearer {token}"}
    return [(await client.get("/auth/me", headers=headers)).status_code for _ in range(count)]


@pytest.mark.parametrize("token", ["x", "a.b.c", "ck_" + "x" * 60, "x" * 9000])
async def test_inventing_credentials_is_limited_by_address(client: httpx.AsyncClient, token: str) -> None:
    assert await present(client, token, 7) == [401] * 5 + [429] * 2


async def test_a_refusal_for_too_many_says_when_to_come_back(client: httpx.AsyncClient) -> None:
    await present(client, "x", 5)
    refused = await client.get("/auth/me", headers={"Authorization": "Bearer x"})
    assert (refused.json()["code"], refused.headers["retry-after"]) == ("rate_limited", "12")
    assert refused.headers["ratelimit"] == '"failed_authentication";r=0;t=12'


async def test_a_neighbour_who_invents_tokens_locks_nobody_out(client: httpx.AsyncClient, victim: SignedInUser) -> None:
    assert (await present(client, "x", 7))[-1] == 429
    assert await present(client, victim.access_token, 7) == [200] * 7


async def test_a_neighbour_who_invents_tokens_keeps_nobody_from_refreshing(
    auth: Auth, client: httpx.AsyncClient, victim: SignedInUser, clock: FrozenClock
) -> None:
    """The victim's token has just expired: it has to hear 401, and not to wait."""
    clock.advance(auth.settings.access_lifetime)
    await present(client, "x", 7)
    invented = {"refresh_token": "akr_" + "x" * 92}
    statuses = [(await client.post("/auth/refresh", json=invented)).status_code for _ in range(7)]
    assert statuses == [401] * 5 + [429] * 2
    assert await present(client, victim.access_token) == [401]
    answer = await client.post("/auth/refresh", json={"refresh_token": victim.refresh_token})
    assert answer.status_code == 200


async def test_a_token_that_was_revoked_is_no_invention(
    auth: Auth, client: httpx.AsyncClient, victim: SignedInUser
) -> None:
    await auth.logins.end_all(victim.principal)
    assert await present(client, victim.access_token, 7) == [401] * 7


async def test_refreshing_with_one_login_is_limited_whatever_else_is_in_the_body(
    client: httpx.AsyncClient, victim: SignedInUser, clock: FrozenClock
) -> None:
    bodies: list[Any] = [{"refresh_token": victim.refresh_token}, [victim.refresh_token], {"x": victim.refresh_token}]
    answers = [await client.post("/auth/refresh", json=body) for body in bodies * 3]
    assert [answer.status_code for answer in answers[5:]] == [429] * 4
    clock.advance(timedelta(minutes=1))
    assert (await client.post("/auth/refresh", json={})).headers["ratelimit"] == '"refresh";r=4;t=12'


async def test_a_public_route_works_for_whoever_presents_rubbish(client: httpx.AsyncClient) -> None:
    for _ in range(7):
        answer = await client.get("/auth/registration", headers={"Authorization": "Bearer x"})
        assert answer.status_code == 200

"""Guessing passwords, and turning the defence against guessing on the owner of an account."""

import asyncio
import string
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from hypothesis import given
from hypothesis import strategies as st

from authkeep import Auth, Limit, SigningKeys, Throttle
from authkeep.device_tokens import DeviceTokens
from authkeep.http import mount
from authkeep.testing import FrozenClock, MemoryStore
from authkeep.throttle import MemoryCounters

VICTIM = {"email": "victim@example.com", "password": "seven purple kettles sing"}
MALLORY = {"email": "mallory@example.com", "password": "nine silver ladders hum"}
HEADER = "Authkeep-Device"
LIMITS = {"login": "30/minute", "login_account": "10/15 minutes", "login_device": "20/15 minutes"}


@pytest.fixture
async def auth(
    memory_store: MemoryStore, clock: FrozenClock, settings: Any, keys: SigningKeys, make: Any
) -> AsyncIterator[Auth]:
    limits = {name: Limit.parse(text) for name, text in LIMITS.items()}
    made: Auth = make(memory_store, clock, settings, keys, throttle=Throttle(MemoryCounters(clock), limits))
    async with made.running():
        for person in (VICTIM, MALLORY):
            await made.accounts.register(person["email"], person["password"])
        yield made


@pytest.fixture
def app(auth: Auth) -> FastAPI:
    app = FastAPI()
    mount(app, auth)
    return app


@asynccontextmanager
async def browser(app: FastAPI, peer: str = "198.51.100.7") -> AsyncIterator[httpx.AsyncClient]:
    """It keeps its cookies."""
    transport = httpx.ASGITransport(app, client=(peer, 40000))
    async with httpx.AsyncClient(transport=transport, base_url="https://chat.example") as client:
        yield client


async def sign_in(client: httpx.AsyncClient, person: dict[str, str], **headers: str) -> httpx.Response:
    return await client.post("/auth/login?transport=cookie", json=person, headers=headers)


async def guess(app: FastAPI, count: int, email: str = VICTIM["email"], **headers: str) -> list[int]:
    """Wrong passwords, each from an address of its own."""
    statuses = []
    for n in range(count):
        async with browser(app, peer=f"2001:db8:{n:x}::1") as attacker:
            attempt = {"email": email, "password": f"wrong password number {n}"}
            statuses.append((await sign_in(attacker, attempt, **headers)).status_code)
    return statuses


async def test_500_wrong_passwords_from_500_addresses_do_not_lock_the_owner_out(app: FastAPI) -> None:
    async with browser(app) as victim:
        assert (await sign_in(victim, VICTIM)).status_code == 200
        statuses = await guess(app, 500)
        assert statuses == [401] * 10 + [429] * 490
        assert (await sign_in(victim, VICTIM)).status_code == 200


async def test_500_wrong_passwords_at_once_are_ten_guesses(app: FastAPI) -> None:
    """Counted before the password is checked: nobody slips through between the two."""

    async def one(n: int) -> int:
        async with browser(app, peer=f"2001:db8:{n:x}::1") as attacker:
            return (await sign_in(attacker, VICTIM | {"password": "wrong"})).status_code

    statuses = await asyncio.gather(*(one(n) for n in range(500)))
    assert (statuses.count(401), statuses.count(429)) == (10, 490)


async def test_the_right_password_found_after_the_limit_is_refused_like_a_wrong_one(app: FastAPI) -> None:
    await guess(app, 10)
    async with browser(app) as attacker:
        right, wrong = await sign_in(attacker, VICTIM), await sign_in(attacker, VICTIM | {"password": "wrong"})
    assert (right.status_code, right.text) == (429, wrong.text)


async def test_enumeration_by_limits(app: FastAPI) -> None:
    """An account that does not exist is throttled like one that does, to the last header."""
    answers: dict[str, Any] = {}
    for email in (VICTIM["email"], "nobody@example.com", "not an address"):
        async with browser(app, peer=f"192.0.2.{len(answers)}") as attacker:
            attempts = [await sign_in(attacker, {"email": email, "password": "wrong"}) for _ in range(12)]
        answers[email] = [(each.status_code, each.text, sorted(each.headers.items())) for each in attempts]
    known, unknown, impossible = answers.values()
    assert known == unknown == impossible
    assert known[-1][0] == 429


async def test_a_sign_in_that_succeeds_is_no_failure(app: FastAPI) -> None:
    async with browser(app) as client:
        for _ in range(12):
            client.cookies.clear()
            assert (await sign_in(client, VICTIM)).status_code == 200
    assert await guess(app, 11) == [401] * 10 + [429]


async def test_how_often_somebody_else_has_failed_is_not_shown(app: FastAPI) -> None:
    await guess(app, 5)
    async with browser(app) as stranger:
        assert "login_account" not in str((await sign_in(stranger, VICTIM | {"password": "wrong"})).headers)


async def test_other_spellings_of_an_address_are_the_same_account(app: FastAPI) -> None:
    spellings = ["Victim@Example.com", " victim@example.com", "VICTIM@EXAMPLE.COM", "\uff56ictim@example.com"]
    statuses = [status for email in spellings for status in await guess(app, 3, email)]
    assert statuses == [401] * 10 + [429] * 2


# -- device tokens ---------------------------------------------------------------------------------------------------


async def device_token(app: FastAPI, person: dict[str, str]) -> str:
    async with browser(app, peer="203.0.113.99") as client:
        token: str = (await client.post("/auth/login", json=person)).json()["device_token"]
        return token


async def test_a_device_token_of_another_account_gives_nothing(app: FastAPI) -> None:
    mallorys = await device_token(app, MALLORY)
    assert await guess(app, 12, **{HEADER: mallorys}) == [401] * 10 + [429] * 2


async def test_many_accounts_of_the_attackers_own_give_no_more_guesses(auth: Auth, app: FastAPI) -> None:
    await guess(app, 10)
    for n in range(3):
        sock = MALLORY | {"email": f"sock{n}@example.com"}
        await auth.accounts.register(sock["email"], sock["password"])
        token = await device_token(app, sock)
        assert await guess(app, 1, **{HEADER: token}) == [429]


async def test_forged_device_tokens_give_nothing(auth: Auth, app: FastAPI) -> None:
    genuine = await device_token(app, VICTIM)
    await guess(app, 10)
    changed = [genuine[:n] + ("A" if genuine[n] != "A" else "B") + genuine[n + 1 :] for n in (0, 4, 30, 40, -2)]
    foreign = DeviceTokens(SigningKeys.generate().derive, timedelta(days=1))
    forged = foreign.issue(None, foreign.account(VICTIM["email"]), auth.clock.seconds())
    for token in [*changed, forged, "", "akd_", genuine + "A", genuine + "=", "x" * 9000]:
        assert await guess(app, 1, **{HEADER: token}) == [429]


async def test_a_stolen_device_token_gives_a_limited_number_of_guesses(app: FastAPI) -> None:
    stolen = await device_token(app, VICTIM)
    assert await guess(app, 25, **{HEADER: stolen}) == [401] * 20 + [429] * 5


async def test_a_device_token_signs_nobody_in(app: FastAPI) -> None:
    token = await device_token(app, VICTIM)
    async with browser(app) as client:
        for headers in ({"Authorization": f"Bearer {token}"}, {HEADER: token}, {"Cookie": f"authkeep_refresh={token}"}):
            assert (await client.get("/auth/me", headers=headers)).status_code == 401
            assert (await client.post("/auth/refresh?transport=cookie", headers=headers)).status_code == 401


async def test_a_device_token_expires(auth: Auth, app: FastAPI, clock: FrozenClock) -> None:
    token = await device_token(app, VICTIM)
    clock.advance(auth.settings.device_lifetime)
    assert await guess(app, 12, **{HEADER: token}) == [401] * 10 + [429] * 2


async def test_a_neighbour_behind_the_same_address_locks_nobody_out(app: FastAPI) -> None:
    async with browser(app) as victim, browser(app) as neighbour:
        await sign_in(victim, VICTIM)
        while (await sign_in(neighbour, {"email": "x@example.com", "password": "x"})).status_code != 429:
            pass
        while (await neighbour.post("/auth/login", json={})).status_code != 429:
            pass
        assert (await sign_in(victim, VICTIM)).status_code == 200


async def test_two_people_on_one_browser_are_both_known(app: FastAPI) -> None:
    async with browser(app) as shared:
        for person in (VICTIM, MALLORY):
            assert (await sign_in(shared, person)).status_code == 200
        await guess(app, 12)
        await guess(app, 12, MALLORY["email"])
        for person in (VICTIM, MALLORY):
            assert (await sign_in(shared, person)).status_code == 200


async def test_signing_in_flood_with_a_device_of_ones_own_is_limited(app: FastAPI) -> None:
    """The address does not count there, so the device must: each attempt costs a password hash."""
    async with browser(app) as mallory:
        statuses = [(await sign_in(mallory, MALLORY)).status_code for _ in range(25)]
    assert (statuses.count(200), statuses[-1]) == (21, 429)


async def test_a_device_token_names_nobody(app: FastAPI) -> None:
    one, other = await device_token(app, VICTIM), await device_token(app, MALLORY)
    assert len(one) == len(other)
    assert not {text for text in (one, other) if "victim" in text or "mallory" in text}


async def test_the_device_cookie_is_for_no_script_and_no_other_site(app: FastAPI) -> None:
    async with browser(app) as client:
        answer = await sign_in(client, VICTIM)
        assert "device_token" not in answer.json()
        (line,) = [line for line in answer.headers.get_list("set-cookie") if "device" in line]
    assert line.startswith("__Host-authkeep_device=akd_")
    assert {"HttpOnly", "Path=/", "SameSite=lax", "Secure"} <= set(line.split("; "))


@given(st.text(alphabet=string.ascii_letters + string.digits + "-_=+/. é\x00", max_size=200))
def test_whatever_is_presented_is_no_device(text: str) -> None:
    tokens = DeviceTokens(SigningKeys.generate().derive, timedelta(days=1))
    assert tokens.read(text, 0.0) is tokens.read("akd_" + text, 0.0) is None


def test_a_device_remembers_the_latest_eight_accounts() -> None:
    tokens = DeviceTokens(SigningKeys.generate().derive, timedelta(days=1))
    accounts = [tokens.account(f"person{n}@example.com") for n in range(10)]
    device = None
    for account in accounts:
        device = tokens.read(tokens.issue(device, account, 0.0), 0.0)
    assert device is not None
    assert device.accounts == tuple(reversed(accounts[2:]))

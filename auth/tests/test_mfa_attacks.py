"""Attacks on codes, on the middle of a sign-in, and on step-up. Each test is named after one."""

import asyncio
from datetime import timedelta
from typing import Any

import httpx
import pytest

from authkeep import (
    Auth,
    AuthSettings,
    Device,
    Limit,
    RecentSignInRequired,
    Role,
    SigningKeys,
    Throttle,
    WrongFactor,
)
from authkeep.store import AuditAction, AuditFilter, Outcome
from authkeep.testing import (
    FrozenClock,
    MemoryStore,
    SignedInUser,
    SoftwareAuthenticator,
    add_passkey,
    add_totp,
    authenticator_code,
    signed_in,
)
from authkeep.throttle import MemoryCounters

STEP = timedelta(seconds=30)
MFA = ("pwd", "otp", "mfa")
HERE = Device("198.51.100.7", "Firefox")
ALICE = {"email": "alice@example.com", "password": "seven purple kettles sing"}
MALLORY = {"email": "mallory@example.com", "password": "nine silver ladders hum"}


class Victim:
    """Alice, with an authenticator app, as far as her password is known."""

    def __init__(self, auth: Auth, clock: FrozenClock, secret: str, codes: tuple[str, ...], user: SignedInUser) -> None:
        self.auth = auth
        self.clock = clock
        self.secret = secret
        self.codes = codes
        self.user = user

    @property
    def code(self) -> str:
        return authenticator_code(self.secret, self.clock.seconds())

    @property
    def wrong(self) -> str:
        return f"{(int(self.code) + 1) % 1_000_000:06}"


async def victim_on(auth: Auth, clock: FrozenClock, who: dict[str, str] = ALICE) -> Victim:
    await auth.accounts.register(who["email"], who["password"])
    user = await signed_in(auth, who["email"])
    secret, codes = await add_totp(auth, user)
    clock.advance(STEP)
    return Victim(auth, clock, secret, codes, await signed_in(auth, who["email"], methods=MFA))


@pytest.fixture
async def alice(auth: Auth, clock: FrozenClock) -> Victim:
    return await victim_on(auth, clock)


@pytest.fixture
async def alice_on(auth_on: Auth, clock: FrozenClock) -> Victim:
    """On each store, for what happens at once or has to be undone."""
    # Somebody else is the last admin, who cannot be disabled.
    await signed_in(auth_on, "root@example.com", role=Role.ADMIN)
    return await victim_on(auth_on, clock)


async def half_way(client: httpx.AsyncClient, who: dict[str, str] = ALICE) -> str:
    return str((await client.post("/auth/login", json=who)).json()["mfa_token"])


async def finish(client: httpx.AsyncClient, mfa_token: str, code: str, factor: str = "totp") -> httpx.Response:
    return await client.post("/auth/login/mfa", json={"mfa_token": mfa_token, "factor": factor, "code": code})


def refusal(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["code"]


STALE = (401, "invalid_mfa_token")
WRONG = (401, "invalid_second_factor")


# -- guessing --------------------------------------------------------------------------------------------------------


async def test_a_thousand_guesses_at_once_are_five(client_on: httpx.AsyncClient, alice_on: Victim) -> None:
    token = await half_way(client_on)
    answers = await asyncio.gather(*(finish(client_on, token, alice_on.wrong) for _ in range(30)))
    told = sorted(refusal(answer) for answer in answers)
    assert told.count(WRONG) <= 5
    assert told.count(STALE) >= 25
    assert refusal(await finish(client_on, token, alice_on.code)) == STALE


async def test_the_fifth_guess_may_still_be_right(client: httpx.AsyncClient, alice: Victim) -> None:
    token = await half_way(client)
    for _ in range(4):
        assert refusal(await finish(client, token, alice.wrong)) == WRONG
    assert (await finish(client, token, alice.code)).status_code == 200


async def test_guessing_with_ever_new_tokens(
    memory_store: MemoryStore, clock: FrozenClock, settings: AuthSettings, keys: SigningKeys, make: Any, browse: Any
) -> None:
    """Somebody has the password, and asks for a fresh token before each guess."""
    limits = {"login": Limit.parse("1000/second"), "second_factor": Limit.parse("20/hour")}
    auth = make(memory_store, clock, settings, keys, throttle=Throttle(MemoryCounters(clock), limits))
    async with auth.running(), browse(auth) as client:
        victim = await victim_on(auth, clock)
        told = [refusal(await finish(client, await half_way(client), victim.wrong)) for _ in range(24)]
        assert told == [WRONG] * 20 + [(429, "rate_limited")] * 4


async def test_who_signs_in_often_is_not_locked_out(
    memory_store: MemoryStore, clock: FrozenClock, settings: AuthSettings, keys: SigningKeys, make: Any, browse: Any
) -> None:
    limits = {"login": Limit.parse("1000/second"), "second_factor": Limit.parse("2/hour")}
    auth = make(memory_store, clock, settings, keys, throttle=Throttle(MemoryCounters(clock), limits))
    async with auth.running(), browse(auth) as client:
        victim = await victim_on(auth, clock)
        for _ in range(5):
            clock.advance(STEP)
            assert (await finish(client, await half_way(client), victim.code)).status_code == 200


async def test_guesses_leave_a_trace(client: httpx.AsyncClient, alice: Victim) -> None:
    await finish(client, await half_way(client), alice.wrong)
    (event,) = [
        event
        for event in await alice.auth.store.list_events(AuditFilter(action=AuditAction.LOGIN), 9, None)
        if event.outcome is Outcome.FAILURE
    ]
    assert (event.subject_id, event.details) == (alice.user.user.id, {"reason": "totp"})


# -- the same proof twice --------------------------------------------------------------------------------------------


async def test_replay_of_a_code(client_on: httpx.AsyncClient, alice_on: Victim) -> None:
    code = alice_on.code
    assert (await finish(client_on, await half_way(client_on), code)).status_code == 200
    assert refusal(await finish(client_on, await half_way(client_on), code)) == WRONG


async def test_one_code_in_eight_hands_at_once(client_on: httpx.AsyncClient, alice_on: Victim) -> None:
    tokens = [await half_way(client_on) for _ in range(8)]
    answers = await asyncio.gather(*(finish(client_on, token, alice_on.code) for token in tokens))
    assert sorted(answer.status_code for answer in answers) == [200] + [401] * 7


async def test_one_recovery_code_in_eight_hands_at_once(client_on: httpx.AsyncClient, alice_on: Victim) -> None:
    tokens = [await half_way(client_on) for _ in range(8)]
    answers = await asyncio.gather(*(finish(client_on, token, alice_on.codes[0], "recovery_code") for token in tokens))
    assert sorted(answer.status_code for answer in answers) == [200] + [401] * 7


async def test_an_mfa_token_works_once(client_on: httpx.AsyncClient, alice_on: Victim) -> None:
    token = await half_way(client_on)
    assert (await finish(client_on, token, alice_on.code)).status_code == 200
    alice_on.clock.advance(STEP)
    assert refusal(await finish(client_on, token, alice_on.code)) == STALE


# -- the middle of a sign-in is no sign-in -----------------------------------------------------------------------------


async def test_a_password_alone_gives_nothing_that_opens_anything(client: httpx.AsyncClient, alice: Victim) -> None:
    answer = await client.post("/auth/login", params={"transport": "cookie"}, json=ALICE)
    assert answer.json().keys() == {"mfa_required", "mfa_token", "factors"}
    assert "set-cookie" not in answer.headers
    token = answer.json()["mfa_token"]
    assert (await client.get("/auth/me", headers={"Authorization": f"Bearer {token}"})).status_code == 401
    assert (await client.post("/auth/refresh", json={"refresh_token": token})).status_code == 401
    assert len(await alice.auth.store.list_logins(alice.user.user.id, alice.clock.now(), 9, None)) == 2


async def test_the_cookie_comes_with_the_second_factor(client: httpx.AsyncClient, alice: Victim) -> None:
    body = {"mfa_token": await half_way(client), "factor": "totp", "code": alice.code}
    elsewhere = {"Origin": "https://evil.example"}
    forged = await client.post("/auth/login/mfa", params={"transport": "cookie"}, json=body, headers=elsewhere)
    assert refusal(forged) == (403, "cross_site_request")
    answer = await client.post("/auth/login/mfa", params={"transport": "cookie"}, json=body)
    assert "authkeep_refresh=" in answer.headers["set-cookie"]
    assert "refresh_token" not in answer.json()


@pytest.mark.parametrize("change", ["password", "logout everywhere", "disabled", "time"])
async def test_a_token_from_before_a_change(client_on: httpx.AsyncClient, alice_on: Victim, change: str) -> None:
    token, accounts = await half_way(client_on), alice_on.auth.accounts
    if change == "password":
        await accounts.change_password(alice_on.user.principal, ALICE["password"], "nine silver ladders hum")
    elif change == "logout everywhere":
        await alice_on.auth.logins.end_all(alice_on.user.principal)
    elif change == "disabled":
        await alice_on.auth.administration.change_user(None, alice_on.user.user.id, disabled=True)
    else:
        alice_on.clock.advance(timedelta(minutes=5))
    assert refusal(await finish(client_on, token, alice_on.code)) == STALE


async def test_the_token_of_one_with_the_code_of_another(client: httpx.AsyncClient, alice: Victim) -> None:
    mallory = await victim_on(alice.auth, alice.clock, MALLORY)
    token = await half_way(client)
    assert refusal(await finish(client, token, mallory.code)) == WRONG
    assert refusal(await finish(client, token, mallory.codes[0], "recovery_code")) == WRONG


async def test_an_app_that_was_never_confirmed(client: httpx.AsyncClient, auth: Auth, clock: FrozenClock) -> None:
    await auth.accounts.register(ALICE["email"], ALICE["password"])
    user = await signed_in(auth, ALICE["email"])
    offer = await auth.mfa.app.offer(user.principal)
    assert "access_token" in (await client.post("/auth/login", json=ALICE)).json()
    code = {"factor": "totp", "code": authenticator_code(offer.secret, clock.seconds())}
    assert refusal(await client.post("/auth/step-up", json=code, headers=user.headers)) == (422, "wrong_factor")


# -- weakening an account -------------------------------------------------------------------------------------------


def routes_that_weaken() -> list[tuple[str, str]]:
    return [
        ("DELETE", "/auth/mfa/totp"),
        ("POST", "/auth/mfa/totp"),
        ("POST", "/auth/mfa/recovery-codes"),
        ("POST", "/auth/passkeys/options"),
    ]


@pytest.mark.parametrize(("method", "path"), routes_that_weaken())
async def test_a_login_by_password_from_before_removes_no_factor(
    client: httpx.AsyncClient, alice: Victim, method: str, path: str
) -> None:
    old = await signed_in(alice.auth, ALICE["email"])
    answer = await client.request(method, path, headers=old.headers)
    assert refusal(answer) == (401, "recent_sign_in_required")
    assert "insufficient_user_authentication" in answer.headers["www-authenticate"]


@pytest.mark.parametrize(("method", "path"), routes_that_weaken())
async def test_a_forgotten_laptop_removes_no_factor(
    client: httpx.AsyncClient, alice: Victim, method: str, path: str
) -> None:
    found = await signed_in(alice.auth, ALICE["email"], methods=MFA)
    alice.clock.advance(timedelta(minutes=11))
    renewed = (await client.post("/auth/refresh", json={"refresh_token": found.refresh_token})).json()
    answer = await client.request(method, path, headers={"Authorization": f"Bearer {renewed['access_token']}"})
    assert refusal(answer) == (401, "recent_sign_in_required")


async def test_a_stolen_password_is_not_changed_past_a_second_factor(client: httpx.AsyncClient, alice: Victim) -> None:
    change = {"current_password": ALICE["password"], "new_password": "quite another long secret"}
    old = await signed_in(alice.auth, ALICE["email"])
    answer = await client.post("/auth/password", json=change, headers=old.headers)
    assert refusal(answer) == (401, "recent_sign_in_required")
    assert (await client.post("/auth/password", json=change, headers=alice.user.headers)).status_code == 204


async def test_a_removal_ends_the_thief_elsewhere(client_on: httpx.AsyncClient, alice_on: Victim) -> None:
    thief = await signed_in(alice_on.auth, ALICE["email"], methods=MFA)
    assert (await client_on.delete("/auth/mfa/totp", headers=alice_on.user.headers)).status_code == 204
    assert (await client_on.get("/auth/me", headers=thief.headers)).status_code == 401
    assert (await client_on.get("/auth/me", headers=alice_on.user.headers)).status_code == 200


async def test_a_second_app_does_not_replace_the_first(client: httpx.AsyncClient, alice: Victim) -> None:
    answer = await client.post("/auth/mfa/totp", headers=alice.user.headers)
    assert refusal(answer) == (409, "totp_enabled")


async def test_an_app_planted_before_the_first_passkey(auth_on: Auth, clock: FrozenClock) -> None:
    """Somebody with a stolen login is offered a secret, and confirms it when the account has a factor to get past."""
    thief, owner = await signed_in(auth_on), await signed_in(auth_on)
    offer = await auth_on.mfa.app.offer(thief.principal)
    await add_passkey(auth_on, owner, SoftwareAuthenticator("http://localhost"))
    with pytest.raises(RecentSignInRequired):
        await auth_on.mfa.app.confirm(thief.principal, authenticator_code(offer.secret, clock.seconds()), HERE)
    assert not (await auth_on.mfa.held(owner.principal)).has_totp


async def test_an_offer_of_another_day(auth_on: Auth, clock: FrozenClock) -> None:
    """It was made after a recent sign-in; whoever has the login later has none."""
    thief = await signed_in(auth_on)
    offer = await auth_on.mfa.app.offer(thief.principal)
    clock.advance(timedelta(minutes=10, seconds=1))
    with pytest.raises(WrongFactor):
        await auth_on.mfa.app.confirm(thief.principal, authenticator_code(offer.secret, clock.seconds()), HERE)


async def test_an_admin_by_password_alone_resets_nobody(client: httpx.AsyncClient, alice: Victim) -> None:
    """Who has the password of an admin with a second factor, and a login of before."""
    admin = await signed_in(alice.auth, "root@example.com", role=Role.ADMIN)
    await add_totp(alice.auth, admin)
    answer = await client.post(f"/admin/users/{alice.user.user.id}/reset-factors", headers=admin.headers)
    assert refusal(answer) == (401, "recent_sign_in_required")


# -- step-up ---------------------------------------------------------------------------------------------------------


async def test_a_stolen_password_does_not_step_up_past_a_second_factor(
    client: httpx.AsyncClient, alice: Victim
) -> None:
    answers = [
        await client.post("/auth/step-up", json={"password": password}, headers=alice.user.headers)
        for password in (ALICE["password"], "not the password at all")
    ]
    assert [refusal(answer) for answer in answers] == [(422, "second_factor_required")] * 2


async def test_a_code_steps_up_its_own_login_and_no_other(client: httpx.AsyncClient, alice: Victim) -> None:
    other = await signed_in(alice.auth, ALICE["email"])
    proof = {"factor": "totp", "code": alice.code}
    stepped_up = (await client.post("/auth/step-up", json=proof, headers=other.headers)).json()
    assert (await alice.auth.verify(stepped_up["access_token"])).login_id == other.principal.login_id
    again = await client.post("/auth/step-up", json=proof, headers=alice.user.headers)
    assert refusal(again) == (422, "wrong_factor")


async def test_a_login_that_has_ended_is_not_stepped_up(client: httpx.AsyncClient, alice: Victim) -> None:
    await alice.auth.logins.end_all(alice.user.principal)
    proof = {"factor": "totp", "code": alice.code}
    assert (await client.post("/auth/step-up", json=proof, headers=alice.user.headers)).status_code == 401


async def test_a_wrong_password_does_not_step_up(client: httpx.AsyncClient, auth: Auth) -> None:
    await auth.accounts.register(ALICE["email"], ALICE["password"])
    user = await signed_in(auth, ALICE["email"])
    answer = await client.post("/auth/step-up", json={"password": "wrong"}, headers=user.headers)
    assert refusal(answer) == (422, "wrong_password")
    assert answer.json()["errors"][0]["loc"] == ["body", "password"]


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"password": None},
        {"password": "x", "factor": "totp", "code": "123456"},
        {"factor": "totp"},
        {"code": "123456"},
        {"factor": "passkey", "code": "x"},
        {"ticket": "x"},
        {"credential": {}},
        {"password": ["x"]},
        [],
        "x",
    ],
)
async def test_a_step_up_of_no_shape(client: httpx.AsyncClient, auth: Auth, body: Any) -> None:
    user = await signed_in(auth)
    assert (await client.post("/auth/step-up", json=body, headers=user.headers)).status_code == 422


GARBAGE: list[Any] = ["", "\x00", "x" * 30_000, "\u202e", "a\n\rb", "1" * 30_000, "\U0001f511" * 5000]


@pytest.mark.parametrize("garbage", GARBAGE, ids=range(len(GARBAGE)))
async def test_garbage_in_every_text(client: httpx.AsyncClient, alice: Victim, garbage: str) -> None:
    token = await half_way(client)
    assert refusal(await finish(client, garbage, "123456")) == STALE
    assert refusal(await finish(client, token, garbage)) == WRONG
    assert refusal(await finish(client, token, garbage, "recovery_code")) == WRONG
    for proof in ({"factor": "totp", "code": garbage}, {"ticket": garbage, "credential": {}}):
        answer = await client.post("/auth/step-up", json=proof, headers=alice.user.headers)
        assert refusal(answer) == (422, "wrong_factor")


async def test_half_a_character(client: httpx.AsyncClient) -> None:
    body = b'{"mfa_token": "\\ud800", "factor": "totp", "code": "\\ud800"}'
    answer = await client.post("/auth/login/mfa", content=body, headers={"Content-Type": "application/json"})
    assert answer.status_code == 422

"""The journeys of a login, on every store."""

import asyncio
import unicodedata
from datetime import timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from authkeep import (
    Auth,
    Device,
    InvalidCredentials,
    InvalidRefreshToken,
    InvalidToken,
    LoginNotFound,
    RateLimited,
    RefreshTokenReused,
    Role,
    SignedIn,
)
from authkeep.password_policy import MAX_LENGTH
from authkeep.store import EndReason
from authkeep.testing import FrozenClock, with_password
from authkeep.testing import signed_in as sign_in

LAPTOP = Device("198.51.100.7", "Firefox")
PHONE = Device("2001:db8::1", "Safari")


@pytest.fixture
async def login(auth_on: Auth, password: str) -> SignedIn:
    await auth_on.accounts.register("alice@example.com", password)
    return await with_password(auth_on, "alice@example.com", password, LAPTOP)


async def test_a_login_yields_a_token_that_names_its_user(auth_on: Auth, login: SignedIn) -> None:
    principal = await auth_on.verify(login.access_token)
    assert (principal.user_id, principal.login_id, principal.role) == (login.user.id, login.login_id, login.user.role)
    assert principal.authenticated_at == auth_on.clock.seconds()
    assert principal.methods == {"pwd"}


async def test_a_password_is_as_long_at_sign_in_as_it_was_at_registration(auth_on: Auth) -> None:
    """Of 1,200 code points as one system types it, 600 as it is counted: what registers must sign in."""
    decomposed = "".join(letter + "\u0301" for letter in ("aeiouy" * 100))
    password = decomposed[:-40] + "".join(f"{n % 7}x" for n in range(20))
    assert len(password) == 1200
    await auth_on.accounts.register("alice@example.com", password)
    await auth_on.logins.sign_in("alice@example.com", password, LAPTOP)
    composed = unicodedata.normalize("NFC", password)
    await auth_on.logins.sign_in("alice@example.com", composed, LAPTOP)


@pytest.mark.parametrize("length", [MAX_LENGTH + 1, 4 * MAX_LENGTH + 1])
async def test_a_password_that_cannot_be_one_is_just_wrong(auth: Auth, password: str, length: int) -> None:
    await auth.accounts.register("alice@example.com", password)
    with pytest.raises(InvalidCredentials):
        await auth.logins.sign_in("alice@example.com", "x" * length, LAPTOP)


async def test_a_refresh_replaces_the_refresh_token(auth_on: Auth, login: SignedIn) -> None:
    refreshed = await auth_on.logins.refresh(login.refresh_token, PHONE)
    assert refreshed.refresh_token != login.refresh_token
    assert (await auth_on.verify(refreshed.access_token)).login_id == login.login_id
    (device,) = await auth_on.logins.list_devices(await auth_on.verify(login.access_token), limit=9, before=None)
    assert (device.address, device.user_agent) == (PHONE.address, PHONE.user_agent)


async def test_parallel_refreshes_all_get_the_same_successor(auth_on: Auth, login: SignedIn) -> None:
    tabs = [auth_on.logins.refresh(login.refresh_token, LAPTOP) for _ in range(10)]
    successors = {tab.refresh_token for tab in await asyncio.gather(*tabs)}
    assert len(successors) == 1
    await auth_on.logins.refresh(successors.pop(), LAPTOP)


async def test_a_flood_of_honest_parallel_refreshes_does_not_end_the_login(
    auth_on: Auth, login: SignedIn, clock: FrozenClock
) -> None:
    """Sixty tabs wake at once with the same token: some are told to come back, none is taken for a thief."""
    tabs = [auth_on.logins.refresh(login.refresh_token, LAPTOP) for _ in range(60)]
    outcomes = await asyncio.gather(*tabs, return_exceptions=True)
    served = [outcome for outcome in outcomes if isinstance(outcome, SignedIn)]
    refused = [outcome for outcome in outcomes if isinstance(outcome, RateLimited)]
    assert (len(served), len(refused)) == (1 + auth_on.settings.refresh_grace_uses, 29)
    assert all(int(refusal.headers["Retry-After"]) >= 1 for refusal in refused)
    (successor,) = {tab.refresh_token for tab in served}
    await auth_on.verify(login.access_token)
    current = await auth_on.logins.refresh(successor, LAPTOP)
    clock.advance(timedelta(seconds=11))
    with pytest.raises(RefreshTokenReused):
        await auth_on.logins.refresh(login.refresh_token, PHONE)
    with pytest.raises(InvalidRefreshToken):
        await auth_on.logins.refresh(current.refresh_token, LAPTOP)


async def test_a_tab_that_is_two_rotations_behind_catches_up(auth_on: Auth, login: SignedIn) -> None:
    second = await auth_on.logins.refresh(login.refresh_token, LAPTOP)
    third = await auth_on.logins.refresh(second.refresh_token, LAPTOP)
    late = await auth_on.logins.refresh(login.refresh_token, LAPTOP)
    assert late.refresh_token == third.refresh_token


async def test_reuse_of_a_refresh_token_ends_the_login_and_its_access_tokens(
    auth_on: Auth, login: SignedIn, clock: FrozenClock
) -> None:
    refreshed = await auth_on.logins.refresh(login.refresh_token, LAPTOP)
    clock.advance(timedelta(seconds=11))
    with pytest.raises(RefreshTokenReused):
        await auth_on.logins.refresh(login.refresh_token, LAPTOP)
    for token in (login.access_token, refreshed.access_token):
        with pytest.raises(InvalidToken):
            await auth_on.verify(token)
    with pytest.raises(InvalidRefreshToken):
        await auth_on.logins.refresh(refreshed.refresh_token, LAPTOP)


async def test_of_thief_and_owner_who_race_with_a_stale_token_neither_keeps_the_login(
    auth_on: Auth, login: SignedIn, clock: FrozenClock
) -> None:
    current = await auth_on.logins.refresh(login.refresh_token, LAPTOP)
    clock.advance(timedelta(seconds=11))
    attempts = [auth_on.logins.refresh(token, PHONE) for token in [login.refresh_token, current.refresh_token] * 4]
    await asyncio.gather(*attempts, return_exceptions=True)
    with pytest.raises(InvalidRefreshToken):
        await auth_on.logins.refresh(current.refresh_token, LAPTOP)
    with pytest.raises(InvalidToken):
        await auth_on.verify(current.access_token)


async def test_a_made_up_token_with_a_known_sid_does_not_end_the_login(auth_on: Auth, login: SignedIn) -> None:
    forged = login.refresh_token[:30] + "A" * (len(login.refresh_token) - 30)
    with pytest.raises(InvalidRefreshToken):
        await auth_on.logins.refresh(forged, PHONE)
    await auth_on.logins.refresh(login.refresh_token, LAPTOP)


async def test_an_idle_login_expires(auth_on: Auth, login: SignedIn, clock: FrozenClock) -> None:
    clock.advance(auth_on.settings.refresh_idle_lifetime)
    with pytest.raises(InvalidRefreshToken):
        await auth_on.logins.refresh(login.refresh_token, LAPTOP)


async def test_a_busy_login_expires_too(auth_on: Auth, login: SignedIn, clock: FrozenClock) -> None:
    token = login.refresh_token
    for _ in range(9):
        clock.advance(timedelta(days=9))
        token = (await auth_on.logins.refresh(token, LAPTOP)).refresh_token
    clock.advance(timedelta(days=9))
    with pytest.raises(InvalidRefreshToken):
        await auth_on.logins.refresh(token, LAPTOP)


async def test_logout_ends_this_login_and_no_other(auth_on: Auth, login: SignedIn, password: str) -> None:
    phone = await with_password(auth_on, "alice@example.com", password, PHONE)
    await auth_on.logins.end(await auth_on.verify(login.access_token), login.login_id, EndReason.LOGOUT)
    with pytest.raises(InvalidToken):
        await auth_on.verify(login.access_token)
    with pytest.raises(InvalidRefreshToken):
        await auth_on.logins.refresh(login.refresh_token, LAPTOP)
    await auth_on.verify(phone.access_token)


async def test_logout_all_ends_every_login_but_not_the_next(auth_on: Auth, login: SignedIn, password: str) -> None:
    phone = await with_password(auth_on, "alice@example.com", password, PHONE)
    await auth_on.logins.end_all(await auth_on.verify(login.access_token))
    for token in (login.access_token, phone.access_token):
        with pytest.raises(InvalidToken):
            await auth_on.verify(token)
    again = await with_password(auth_on, "alice@example.com", password, PHONE)
    await auth_on.verify(again.access_token)


async def test_a_change_of_password_ends_the_other_logins(auth_on: Auth, login: SignedIn, password: str) -> None:
    phone = await with_password(auth_on, "alice@example.com", password, PHONE)
    principal = await auth_on.verify(login.access_token)
    await auth_on.accounts.change_password(principal, password, "nine silver ladders hum")
    assert await auth_on.verify(login.access_token) == principal
    with pytest.raises(InvalidToken):
        await auth_on.verify(phone.access_token)
    with pytest.raises(InvalidCredentials):
        await auth_on.logins.sign_in("alice@example.com", password, PHONE)
    await auth_on.logins.sign_in("alice@example.com", "nine silver ladders hum", PHONE)


async def test_a_disabled_user_is_out_at_once_and_cannot_come_back(
    auth_on: Auth, login: SignedIn, password: str
) -> None:
    await sign_in(auth_on, "another@example.com", role=Role.ADMIN)
    await auth_on.administration.change_user(None, login.user.id, disabled=True)
    with pytest.raises(InvalidToken):
        await auth_on.verify(login.access_token)
    with pytest.raises(InvalidRefreshToken):
        await auth_on.logins.refresh(login.refresh_token, LAPTOP)
    with pytest.raises(InvalidCredentials):
        await auth_on.logins.sign_in("alice@example.com", password, LAPTOP)
    await auth_on.administration.change_user(None, login.user.id, disabled=False)
    await auth_on.logins.sign_in("alice@example.com", password, LAPTOP)


async def test_somebody_elses_login_is_not_there(auth_on: Auth, login: SignedIn, password: str) -> None:
    await auth_on.accounts.register("mallory@example.com", password)
    mallory = await with_password(auth_on, "mallory@example.com", password, PHONE)
    principal = await auth_on.verify(mallory.access_token)
    with pytest.raises(LoginNotFound):
        await auth_on.logins.end(principal, login.login_id, EndReason.ENDED_BY_USER)
    devices = await auth_on.logins.list_devices(principal, limit=9, before=None)
    assert [device.sid for device in devices] == [mallory.login_id]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=60)
@given(schedule=st.lists(st.tuples(st.integers(0, 2), st.integers(0, 9)), max_size=25))
async def test_no_schedule_of_three_tabs_sharing_a_cookie_logs_anybody_out(
    auth: Auth, clock: FrozenClock, schedule: list[tuple[int, int]]
) -> None:
    """Each tab read the cookie up to nine seconds before its request arrives; the answer is the new cookie."""
    cookie = (await sign_in(auth, "tabs@example.com")).refresh_token
    in_flight: dict[int, str] = {}
    for tab, seconds in schedule:
        if tab in in_flight:
            cookie = (await auth.logins.refresh(in_flight.pop(tab), LAPTOP)).refresh_token
        elif not in_flight or seconds == 0:
            in_flight[tab] = cookie
        if not in_flight:
            clock.advance(timedelta(seconds=seconds))
    await auth.logins.refresh(cookie, LAPTOP)

"""What each journey leaves in the audit trail, on every store, by HTTP as people take it."""

from dataclasses import asdict
from datetime import timedelta
from typing import Any

import httpx
import pytest

from authkeep import Auth, Role
from authkeep.store import AuditAction, AuditEvent, AuditFilter, Outcome, Store
from authkeep.testing import FrozenClock, MemoryStore, signed_in

ALICE = {"email": "alice@example.com", "password": "seven purple kettles sing"}


async def trail(store: Store) -> list[AuditEvent]:
    """Oldest first, as it happened."""
    return list(reversed(await store.list_events(AuditFilter(), 1000, None)))


def bearer(tokens: Any) -> dict[str, str]:
    return {"Authorization": f"Bearer {tokens['access_token']}"}


@pytest.fixture
async def alice(client_on: httpx.AsyncClient) -> Any:
    """Registered and signed in."""
    await client_on.post("/auth/register", json=ALICE)
    return (await client_on.post("/auth/login", json=ALICE)).json()


async def test_every_journey_is_recorded(client_on: httpx.AsyncClient, auth_on: Auth, alice: Any) -> None:
    client, mine = client_on, bearer(alice)
    await client.patch("/auth/me", headers=mine, json={"name": "Alice"})
    change = {"current_password": ALICE["password"], "new_password": "nine silver ladders hum"}
    await client.post("/auth/password", headers=mine, json=change)
    other = (await client.post("/auth/login", json=ALICE | {"password": change["new_password"]})).json()
    (ended, _) = (await client.get("/auth/logins", headers=mine)).json()["items"]
    await client.delete(f"/auth/logins/{ended['sid']}", headers=mine)
    await client.post("/auth/logout", headers=mine)
    again = (await client.post("/auth/login", json=ALICE | {"password": change["new_password"]})).json()
    await client.post("/auth/logout-all", headers=bearer(again))

    events = await trail(auth_on.store)
    assert [event.action.value for event in events] == [
        "user.registered",
        "login",
        "user.renamed",
        "password.changed",
        "login",
        "login.ended",
        "login.ended",
        "login",
        "login.all_ended",
    ]
    assert {event.outcome for event in events} == {Outcome.SUCCESS}
    assert {(event.actor_id, event.subject_id, event.address) for event in events} == {
        (other["user"]["id"], other["user"]["id"], "198.51.100.7")
    }
    assert [event.details.get("reason") for event in events[5:7]] == ["ended_by_user", "logout"]
    assert events[5].details["ended"] == ended["sid"] == events[4].login_id
    assert events[1].details == {"methods": "pwd"}


async def test_refused_sign_ins_are_recorded_and_what_was_typed_is_not(
    client_on: httpx.AsyncClient, auth_on: Auth, alice: Any
) -> None:
    """In the field for the address people type their password, too."""
    before = len(await trail(auth_on.store))
    attempts = [
        {"email": ALICE["email"], "password": "my other password 1"},
        {"email": "my password, by mistake", "password": "x"},
        {"email": "nobody@example.com", "password": "x"},
    ]
    for attempt in attempts:
        assert (await client_on.post("/auth/login", json=attempt)).status_code == 401
    refusals = (await trail(auth_on.store))[before:]
    assert [(event.subject_id, event.details) for event in refusals] == [
        (alice["user"]["id"], {"reason": "password"}),
        (None, {"reason": "unknown"}),
        (None, {"reason": "unknown"}),
    ]
    assert {(event.action, event.outcome, event.actor_id) for event in refusals} == {
        (AuditAction.LOGIN, Outcome.FAILURE, None)
    }
    for typed in ("my other", "by mistake", "nobody"):
        assert typed not in repr(refusals)


async def test_a_sign_in_of_somebody_disabled_is_recorded_as_that(
    client_on: httpx.AsyncClient, auth_on: Auth, alice: Any
) -> None:
    await signed_in(auth_on, "admin@example.com", role=Role.ADMIN)
    await auth_on.administration.change_user(None, alice["user"]["id"], disabled=True)
    await client_on.post("/auth/login", json=ALICE)
    *_, disabled, refused = await trail(auth_on.store)
    assert (disabled.action, disabled.actor_id, disabled.address) == (AuditAction.USER_DISABLED, None, "")
    assert (refused.outcome, refused.details) == (Outcome.FAILURE, {"reason": "disabled"})


async def test_a_wrong_current_password_is_recorded(client_on: httpx.AsyncClient, auth_on: Auth, alice: Any) -> None:
    change = {"current_password": "wrong", "new_password": "nine silver ladders hum"}
    await client_on.post("/auth/password", headers=bearer(alice), json=change)
    *_, refused = await trail(auth_on.store)
    assert (refused.action, refused.outcome) == (AuditAction.PASSWORD_CHANGED, Outcome.FAILURE)


async def test_theft_of_a_refresh_token_is_recorded_with_the_thiefs_address(
    client_on: httpx.AsyncClient, auth_on: Auth, alice: Any, clock: FrozenClock
) -> None:
    stolen = {"refresh_token": alice["refresh_token"]}
    await client_on.post("/auth/refresh", json=stolen)
    clock.advance(timedelta(seconds=11))
    await client_on.post("/auth/refresh", json=stolen, headers={"User-Agent": "Thief"})
    await client_on.post("/auth/refresh", json=stolen, headers={"User-Agent": "Thief"})
    *_, login, reused = await trail(auth_on.store)
    assert (reused.action, reused.subject_id, reused.actor_id) == (
        AuditAction.REFRESH_TOKEN_REUSED,
        alice["user"]["id"],
        None,
    )
    assert (reused.login_id, reused.user_agent, reused.address) == (login.login_id, "Thief", "198.51.100.7")


async def test_guessing_the_setup_code_is_recorded(
    store: Store, clock: FrozenClock, settings: Any, keys: Any, make: Any, browse: Any
) -> None:
    auth: Auth = make(store, clock, settings, keys, setup_code="K7QX-9M2P-TR4W")
    async with auth.running(), browse(auth) as client:
        await client.post("/auth/register", json=ALICE | {"setup_code": "K7QX-9M2P-TR4X"})
    (refused,) = await trail(store)
    assert (refused.action, refused.details) == (AuditAction.USER_REGISTERED, {"reason": "setup_code"})
    assert "TR4X" not in repr(refused)


async def test_the_operators_admin_is_recorded_without_an_actor(auth_on: Auth, password: str) -> None:
    admin = await auth_on.accounts.create_admin("root@example.com", password)
    (event,) = await trail(auth_on.store)
    assert admin is not None
    assert (event.actor_id, event.subject_id, event.details) == (None, admin.id, {"role": "admin"})


async def test_what_changed_nothing_leaves_no_event_of_success(client_on: httpx.AsyncClient, auth_on: Auth) -> None:
    await client_on.post("/auth/register", json=ALICE)
    assert (await client_on.post("/auth/register", json=ALICE)).status_code == 409
    alice = await signed_in(auth_on)
    before = await trail(auth_on.store)
    unknown = "0198c0de-0000-7000-8000-000000000000"
    assert (await client_on.delete(f"/auth/logins/{unknown}", headers=alice.headers)).status_code == 404
    assert await trail(auth_on.store) == before


async def test_the_trail_holds_no_token_and_no_password(
    client: httpx.AsyncClient, auth: Auth, memory_store: MemoryStore
) -> None:
    await client.post("/auth/register", json=ALICE)
    tokens = (await client.post("/auth/login", json=ALICE)).json()
    mine = bearer(tokens)
    await client.post("/auth/login", json=ALICE | {"password": tokens["access_token"]}, headers=mine)
    await client.patch("/auth/me", headers=mine, json={"name": tokens["refresh_token"]})
    refreshed = (await client.post("/auth/refresh", json={"refresh_token": tokens["refresh_token"]})).json()
    await client.post("/auth/login", json={"email": tokens["refresh_token"], "password": "x"})
    await client.post("/auth/logout", headers=mine | {"User-Agent": tokens["access_token"]})
    (user,) = memory_store.users.values()
    dump = repr([asdict(event) for event in await trail(auth.store)])
    for secret in (tokens["access_token"], tokens["refresh_token"], refreshed["refresh_token"], user.password_hash):
        assert secret is not None
        assert secret[4:40] not in dump
    assert ALICE["password"] not in dump

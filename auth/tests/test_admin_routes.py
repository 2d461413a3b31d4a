"""What administrators can do to users, and what everybody else tries to."""

import asyncio
from datetime import timedelta
from typing import Any

import httpx
import pytest

from authkeep import Auth, Device, InvalidToken, Role
from authkeep.store import AuditAction, AuditFilter, EndReason, UserChange
from authkeep.testing import FrozenClock, SignedInUser, signed_in

UNKNOWN = "0198c0de-0000-7000-8000-000000000000"
# What is refused before any store is asked.
in_memory = pytest.mark.parametrize("store", ["memory"], indirect=True)
ALICE = {"email": "alice@example.com", "password": "seven purple kettles sing"}


@pytest.fixture
async def admin(auth_on: Auth) -> SignedInUser:
    return await signed_in(auth_on, "admin@example.com", role=Role.ADMIN)


@pytest.fixture
async def alice(auth_on: Auth, admin: SignedInUser) -> SignedInUser:
    return await signed_in(auth_on)


@pytest.fixture
def ask(client_on: httpx.AsyncClient, admin: SignedInUser) -> Any:
    async def request(method: str, path: str, by: SignedInUser = admin, **more: Any) -> httpx.Response:
        return await client_on.request(method, f"/admin{path}", headers=by.headers, **more)

    return request


async def actions(auth: Auth, user_id: str) -> list[str]:
    events = await auth.store.list_events(AuditFilter(user_id=user_id), 100, None)
    return [event.action.value for event in reversed(events) if event.action is not AuditAction.LOGIN]


async def test_users_are_listed_newest_first_in_pages(ask: Any, alice: SignedInUser, clock: FrozenClock) -> None:
    first = (await ask("GET", "/users", params={"limit": 1})).json()
    assert first["items"] == [
        {
            "id": alice.user.id,
            "email": "alice@example.com",
            "name": None,
            "role": "user",
            "disabled": False,
            "email_verified": True,
            "mfa_enabled": False,
            "has_password": False,
            "logins": 1,
            "created_at": "2026-01-01T12:00:00Z",
            "last_sign_in_at": "2026-01-01T12:00:00Z",
        }
    ]
    rest = (await ask("GET", "/users", params={"cursor": first["next_cursor"]})).json()
    assert ([item["email"] for item in rest["items"]], rest["next_cursor"]) == (["admin@example.com"], None)
    assert (await ask("GET", f"/users/{alice.user.id}")).json() == first["items"][0]


@pytest.mark.parametrize(
    ("q", "found"),
    [
        ("ALICE", 1),
        ("example.com", 2),
        ("zoë", 1),
        ("100%_", 1),
        ("%", 1),
        ("_", 1),
        ("'", 0),
        ("\\", 0),
        ("nobody", 0),
    ],
)
async def test_users_are_found_by_a_part_of_address_or_name(
    ask: Any, auth_on: Auth, alice: SignedInUser, q: str, found: int
) -> None:
    await auth_on.accounts.rename(alice.principal, "zoë 100%_")
    assert len((await ask("GET", "/users", params={"q": q})).json()["items"]) == found


@pytest.mark.parametrize("change", [{"role": "admin"}, {"role": "admin", "disabled": True}, {"disabled": True}])
async def test_a_changed_users_tokens_and_logins_die_at_once(
    ask: Any, auth_on: Auth, client_on: httpx.AsyncClient, alice: SignedInUser, change: Any
) -> None:
    changed = (await ask("PATCH", f"/users/{alice.user.id}", json=change)).json()
    assert (changed["role"], changed["disabled"]) == (change.get("role", "user"), change.get("disabled", False))
    assert changed["logins"] == 0
    assert (await client_on.get("/auth/me", headers=alice.headers)).status_code == 401
    refresh = await client_on.post("/auth/refresh", json={"refresh_token": alice.refresh_token})
    assert refresh.status_code == 401
    expected = {"disabled": "user.disabled", "role": "user.role_changed"}
    assert await actions(auth_on, alice.user.id) == [expected[name] for name in expected if name in change]


@pytest.mark.parametrize("change", [{"role": "admin", "disabled": True}, {"role": "user", "disabled": False}])
async def test_role_and_disabled_are_one_change(ask: Any, auth_on: Auth, admin: SignedInUser, change: Any) -> None:
    """One rise of the epoch is one transaction: what fails halfway leaves nobody enabled in the role of before."""
    user = await signed_in(auth_on, role=Role.USER if change["disabled"] else Role.ADMIN)
    if not change["disabled"]:
        await auth_on.administration.change_user(None, user.user.id, disabled=True)
    before = await auth_on.store.find_user(user.user.id)
    assert (await ask("PATCH", f"/users/{user.user.id}", json=change)).status_code == 200
    after = await auth_on.store.find_user(user.user.id)
    assert before is not None
    assert after is not None
    assert (after.role.value, after.disabled, after.epoch) == (change["role"], change["disabled"], before.epoch + 1)
    expected = {"user.disabled" if change["disabled"] else "user.enabled", "user.role_changed"}
    assert set((await actions(auth_on, user.user.id))[-2:]) == expected


async def test_a_demoted_admin_is_none_on_the_next_request(ask: Any, auth_on: Auth, admin: SignedInUser) -> None:
    other = await signed_in(auth_on, "other@example.com", role=Role.ADMIN)
    assert (await ask("PATCH", f"/users/{other.user.id}", json={"role": "user"})).status_code == 200
    assert (await ask("GET", "/users", by=other)).status_code == 401
    again = await signed_in(auth_on, "other@example.com")
    assert (await ask("GET", "/users", by=again)).status_code == 403


async def test_a_demoted_admin_strikes_back_where_the_news_has_not_arrived(
    auth_on: Auth, admin: SignedInUser, alice: SignedInUser
) -> None:
    """The process whose feed is broken still believes the token; the database is asked before anything is written."""
    other = await signed_in(auth_on, "other@example.com", role=Role.ADMIN)
    change = UserChange(role=Role.USER, ending=auth_on.logins.ending(EndReason.ROLE_CHANGED))
    await auth_on.store.change_user(other.user.id, change)
    for attempt in (
        auth_on.administration.change_user(other.principal, alice.user.id, role=Role.ADMIN),
        auth_on.administration.delete_user(other.principal, admin.user.id),
        auth_on.administration.end_logins(other.principal, admin.user.id),
    ):
        with pytest.raises(InvalidToken):
            await attempt


async def test_an_enabled_user_can_sign_in_again(ask: Any, client_on: httpx.AsyncClient, admin: SignedInUser) -> None:
    user = (await client_on.post("/auth/register", json=ALICE)).json()
    await ask("PATCH", f"/users/{user['id']}", json={"disabled": True})
    assert (await client_on.post("/auth/login", json=ALICE)).status_code == 401
    await ask("PATCH", f"/users/{user['id']}", json={"disabled": False})
    assert (await client_on.post("/auth/login", json=ALICE)).status_code == 200


async def test_what_is_so_already_changes_nothing(ask: Any, auth_on: Auth, alice: SignedInUser) -> None:
    for change in ({}, {"role": "user"}, {"disabled": False}, {"role": None, "disabled": None}):
        assert (await ask("PATCH", f"/users/{alice.user.id}", json=change)).status_code == 200
    assert (await auth_on.verify(alice.access_token)) == alice.principal
    assert await actions(auth_on, alice.user.id) == []


async def test_a_user_is_signed_out_everywhere(
    ask: Any, auth_on: Auth, client_on: httpx.AsyncClient, alice: SignedInUser
) -> None:
    assert (await ask("POST", f"/users/{alice.user.id}/revoke")).status_code == 204
    assert (await client_on.get("/auth/me", headers=alice.headers)).status_code == 401
    assert await actions(auth_on, alice.user.id) == ["login.all_ended"]


async def test_a_deleted_user_is_gone_and_the_trail_stays(
    ask: Any, auth_on: Auth, client_on: httpx.AsyncClient, alice: SignedInUser, admin: SignedInUser
) -> None:
    assert (await ask("DELETE", f"/users/{alice.user.id}")).status_code == 204
    assert (await client_on.get("/auth/me", headers=alice.headers)).status_code == 401
    assert (await ask("GET", f"/users/{alice.user.id}")).status_code == 404
    (event,) = await auth_on.store.list_events(AuditFilter(action=AuditAction.USER_DELETED), 10, None)
    assert (event.actor_id, event.subject_id, event.address) == (admin.user.id, alice.user.id, "198.51.100.7")


async def test_what_the_host_keeps_of_a_user_goes_with_them(
    memory_store: Any, clock: FrozenClock, settings: Any, keys: Any, make: Any, browse: Any
) -> None:
    gone: list[str] = []

    async def forget(user_id: str) -> None:
        gone.append(user_id)

    async with make(memory_store, clock, settings, keys, on_user_deleted=forget).running() as auth, browse(auth) as web:
        admin, alice = await signed_in(auth, "admin@example.com", role=Role.ADMIN), await signed_in(auth)
        await web.delete(f"/admin/users/{alice.user.id}", headers=admin.headers)
    assert gone == [alice.user.id]


# -- the last admin ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("removal", [("PATCH", {"role": "user"}), ("PATCH", {"disabled": True}), ("DELETE", None)])
async def test_the_last_admin_removes_themself(
    ask: Any, client_on: httpx.AsyncClient, admin: SignedInUser, alice: SignedInUser, removal: Any
) -> None:
    method, body = removal
    refused = await ask(method, f"/users/{admin.user.id}", json=body)
    assert (refused.status_code, refused.json()["code"]) == (409, "last_admin")
    assert (await client_on.get("/auth/me", headers=admin.headers)).json()["role"] == "admin"


@pytest.mark.parametrize("removal", [("PATCH", {"role": "user"}), ("PATCH", {"disabled": True}), ("DELETE", None)])
async def test_two_admins_remove_each_other_at_once(ask: Any, auth_on: Auth, admin: SignedInUser, removal: Any) -> None:
    other = await signed_in(auth_on, "other@example.com", role=Role.ADMIN)
    method, body = removal
    answers = await asyncio.gather(
        ask(method, f"/users/{other.user.id}", by=admin, json=body),
        ask(method, f"/users/{admin.user.id}", by=other, json=body),
    )
    # The slower one has lost either the role or the race.
    statuses = sorted(answer.status_code for answer in answers)
    assert statuses[0] in (200, 204)
    assert statuses[1] in (401, 403, 409)
    left = [await auth_on.store.find_user(user.user.id) for user in (admin, other)]
    assert sum(1 for user in left if user and user.role is Role.ADMIN and not user.disabled) == 1


# -- everybody else ----------------------------------------------------------------------------------------------------

OPERATIONS = [
    ("GET", "/users", None),
    ("GET", "/users/{id}", None),
    ("PATCH", "/users/{id}", {"role": "admin"}),
    ("DELETE", "/users/{id}", None),
    ("POST", "/users/{id}/revoke", None),
    ("POST", "/users/{id}/reset-factors", None),
    ("GET", "/audit", None),
    ("GET", "/audit/export", None),
]


@in_memory
@pytest.mark.parametrize(("method", "path", "body"), OPERATIONS)
async def test_self_promotion_and_prying(
    ask: Any, client_on: httpx.AsyncClient, alice: SignedInUser, method: str, path: str, body: Any
) -> None:
    """The same refusal for oneself, for others, and for nobody: there is nothing to learn."""
    answers = [
        await ask(method, path.replace("{id}", target), by=alice, json=body)
        for target in (alice.user.id, UNKNOWN, "%00")
    ]
    assert {(answer.status_code, answer.text) for answer in answers} == {(403, answers[0].text)}
    anonymous = await client_on.request(method, "/admin" + path.replace("{id}", alice.user.id), json=body)
    assert anonymous.status_code == 401


async def test_writing_needs_a_recent_sign_in(
    ask: Any, auth_on: Auth, clock: FrozenClock, admin: SignedInUser, alice: SignedInUser
) -> None:
    clock.advance(timedelta(minutes=16))
    refreshed = await auth_on.logins.refresh(admin.refresh_token, Device("198.51.100.7"))
    stale = SignedInUser(admin.user, admin.principal, refreshed.access_token, refreshed.refresh_token)
    for method, path, body in OPERATIONS:
        answer = await ask(method, path.replace("{id}", alice.user.id), by=stale, json=body)
        expected = (200, None) if method == "GET" else (401, "recent_sign_in_required")
        code = answer.json().get("code") if "export" not in path else None
        assert (answer.status_code, code) == expected, path


@in_memory
@pytest.mark.parametrize(
    "body",
    [
        {"role": "root"}, {"role": ["admin"]}, {"role": "ADMIN"}, {"disabled": "yes"}, {"disabled": 1}, [], "x", None,
        {"role": "admin\x00"},
    ],
)  # fmt: skip
async def test_a_change_that_is_none(ask: Any, alice: SignedInUser, body: Any) -> None:
    assert (await ask("PATCH", f"/users/{alice.user.id}", json=body)).status_code == 422


async def test_mass_assignment_by_an_admin(ask: Any, auth_on: Auth, alice: SignedInUser) -> None:
    extras = {"id": UNKNOWN, "user_id": UNKNOWN, "email": "x@y.zz", "epoch": 9, "password_hash": "x", "is_admin": True}
    assert (await ask("PATCH", f"/users/{alice.user.id}", json=extras)).status_code == 200
    assert await auth_on.store.find_user(alice.user.id) == await auth_on.accounts.get_user(alice.principal)
    assert (await auth_on.accounts.get_user(alice.principal)).email == "alice@example.com"


@in_memory
@pytest.mark.parametrize("user_id", [UNKNOWN, "0", "a" * 5000, "%00", UNKNOWN.upper(), "%F0%9F%A6%8A"])
async def test_users_that_cannot_be(ask: Any, alice: SignedInUser, user_id: str) -> None:
    for method, path, body in OPERATIONS[1:5]:
        answer = await ask(method, path.replace("{id}", user_id), json=body)
        assert answer.status_code == 404, (method, path)


@in_memory
@pytest.mark.parametrize(
    "params",
    [{"q": "x\x00"}, {"q": "x" * 255}, {"limit": "0"}, {"limit": "101"}, {"cursor": "x" * 37}, {"cursor": "\x00"}],
)
async def test_lists_that_cannot_be(ask: Any, alice: SignedInUser, params: Any) -> None:
    assert (await ask("GET", "/users", params=params)).status_code == 422

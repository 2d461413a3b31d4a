"""API keys: how they are made, what they open, and how they end."""

import base64
import json
import zlib
from dataclasses import replace
from datetime import timedelta
from typing import Annotated, Any

import httpx
import pytest
from fastapi import Depends, FastAPI
from uuid_utils.compat import uuid7

from authkeep import ApiKeyNotFound, Auth, InvalidToken, Principal, RevocationsUnknown, Role
from authkeep.device import Device
from authkeep.http import mount, refuse_undeclared, require_role, require_scope
from authkeep.store import AuditFilter, EndReason, UserChange
from authkeep.testing import FrozenClock, signed_in

DEVICE = Device("198.51.100.7", "curl")
SCOPES = {"notes": "Read and write notes", "statistics": "See how many there are"}


@pytest.fixture
def settings(settings: Any) -> Any:
    return replace(settings, scopes=SCOPES, max_api_keys=3)


@pytest.fixture
def app(auth: Auth) -> FastAPI:
    """Notes, and statistics for admins, open to keys with the scope; and authkeep's own routes."""
    app = FastAPI()
    mount(app, auth)

    @app.get("/notes")
    async def notes(principal: Annotated[Principal, Depends(require_scope("notes"))]) -> str:
        return principal.user_id

    @app.get("/statistics", dependencies=[Depends(require_role(Role.ADMIN, scope="statistics"))])
    async def statistics() -> str:
        return "many"

    refuse_undeclared(app)
    return app


@pytest.fixture
async def http(app: FastAPI) -> Any:
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://x") as client:
        yield client


async def make_key(auth: Auth, user: Any, *scopes: str, **options: Any) -> Any:
    return await auth.api_keys.create(user.principal, "backup", scopes or ("notes",), options.get("expires_at"), DEVICE)


def bearing(text: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {text}"}


async def outcome(http: httpx.AsyncClient, path: str, text: str) -> tuple[int, str]:
    response = await http.get(path, headers=bearing(text))
    return response.status_code, response.json()["code"] if response.is_error else "passed"


# -- what a key opens ------------------------------------------------------------------------------------------------


async def test_a_key_opens_what_names_its_scope_and_nothing_else(auth: Auth, http: httpx.AsyncClient) -> None:
    alice = await signed_in(auth)
    text = (await make_key(auth, alice)).text
    assert (await http.get("/notes", headers=bearing(text))).json() == alice.user.id
    assert await outcome(http, "/statistics", text) == (403, "insufficient_scope")
    for path in ("/auth/me", "/auth/logins", "/auth/api-keys", "/auth/api-keys/scopes"):
        assert await outcome(http, path, text) == (403, "insufficient_scope")


async def test_a_key_makes_no_key(auth: Auth, http: httpx.AsyncClient) -> None:
    made = await make_key(auth, await signed_in(auth))
    new = {"name": "another", "scopes": ["notes"]}
    response = await http.post("/auth/api-keys", json=new, headers=bearing(made.text))
    assert (response.status_code, response.json()["code"]) == (403, "insufficient_scope")
    response = await http.delete(f"/auth/api-keys/{made.key.id}", headers=bearing(made.text))
    assert response.status_code == 403


async def test_an_admins_key_has_the_role_only_while_its_user_has(auth: Auth, http: httpx.AsyncClient) -> None:
    admin = await signed_in(auth, role=Role.ADMIN)
    text = (await make_key(auth, admin, "statistics")).text
    assert await outcome(http, "/statistics", text) == (200, "passed")
    await signed_in(auth, "another@example.com", role=Role.ADMIN)
    ending = auth.logins.ending(EndReason.ROLE_CHANGED)
    changed = await auth.store.change_user(admin.user.id, UserChange(role=Role.USER, ending=ending))
    assert changed is not None
    auth.revocations.view.add(changed[1])
    assert await outcome(http, "/statistics", text) == (403, "insufficient_role")


async def test_a_key_of_a_disabled_user_is_refused_at_once(auth: Auth, http: httpx.AsyncClient) -> None:
    alice = await signed_in(auth)
    text = (await make_key(auth, alice)).text
    assert await outcome(http, "/notes", text) == (200, "passed")
    await auth.administration.change_user(None, alice.user.id, disabled=True)
    assert await outcome(http, "/notes", text) == (401, "invalid_token")
    await auth.administration.change_user(None, alice.user.id, disabled=False)
    assert await outcome(http, "/notes", text) == (200, "passed")


async def test_a_revoked_key_is_refused_at_once(auth: Auth, http: httpx.AsyncClient) -> None:
    alice = await signed_in(auth)
    made = await make_key(auth, alice)
    assert await outcome(http, "/notes", made.text) == (200, "passed")
    assert (await http.delete(f"/auth/api-keys/{made.key.id}", headers=alice.headers)).status_code == 204
    assert await outcome(http, "/notes", made.text) == (401, "invalid_token")


async def test_another_process_refuses_a_revoked_key_once_it_knows(auth_on: Auth, make: Any, clock: Any) -> None:
    alice = await signed_in(auth_on)
    made = await make_key(auth_on, alice)
    async with make(auth_on.store, clock, auth_on.settings, auth_on.keys).running() as other:
        assert (await other.verify(made.text)).api_key_id == made.key.id
        await auth_on.api_keys.revoke(alice.principal, made.key.id, DEVICE)
        await other.revocations.reread()
        with pytest.raises(InvalidToken):
            await other.verify(made.text)


async def test_a_key_does_not_outlive_its_expiry_in_memory(auth: Auth, clock: FrozenClock) -> None:
    alice = await signed_in(auth)
    text = (await make_key(auth, alice, expires_at=clock.now() + timedelta(minutes=1))).text
    await auth.verify(text)
    clock.advance(timedelta(minutes=1))
    await auth.revocations.reread()
    with pytest.raises(InvalidToken):
        await auth.verify(text)


async def test_a_key_whose_revocation_is_forgotten_is_not_remembered_either(auth: Auth, clock: FrozenClock) -> None:
    alice = await signed_in(auth)
    made = await make_key(auth, alice)
    await auth.verify(made.text)
    await auth.api_keys.revoke(alice.principal, made.key.id, DEVICE)
    clock.advance(timedelta(hours=1))
    await auth.revocations.reread()
    assert len(auth.revocations.view) == 0
    with pytest.raises(InvalidToken):
        await auth.verify(made.text)


async def test_a_scope_that_the_host_no_longer_has_opens_nothing(auth: Auth, make: Any, clock: Any) -> None:
    made = await make_key(auth, await signed_in(auth))
    without = replace(auth.settings, scopes={"statistics": "See"})
    async with make(auth.store, clock, without, auth.keys).running() as later:
        principal = await later.verify(made.text)
    assert (principal.scopes, principal.is_limited) == (frozenset(), True)


async def test_a_key_that_cannot_be_looked_up_is_refused_for_now(auth: Auth, monkeypatch: pytest.MonkeyPatch) -> None:
    made = await make_key(auth, await signed_in(auth))

    async def away(_: str) -> None:
        raise OSError

    monkeypatch.setattr(auth.store, "find_api_key", away)
    with pytest.raises(RevocationsUnknown):
        await auth.verify(made.text)
    assert auth.api_key_verifier.failures == 1


async def test_a_key_that_is_used_often_is_looked_up_once(auth: Auth, monkeypatch: pytest.MonkeyPatch) -> None:
    made = await make_key(auth, await signed_in(auth))
    asked = []
    find = auth.store.find_api_key

    async def counting(secret_hash: str) -> Any:
        asked.append(secret_hash)
        return await find(secret_hash)

    monkeypatch.setattr(auth.store, "find_api_key", counting)
    for _ in range(100):
        await auth.verify(made.text)
    assert len(asked) == 1


async def test_its_use_is_noted_without_a_write_for_each_request(auth: Auth, clock: FrozenClock) -> None:
    alice = await signed_in(auth)
    made = await make_key(auth, alice)
    await auth.verify(made.text)
    assert (await auth.api_keys.list_keys(alice.principal, limit=1, before=None))[0].last_used_at is None
    await auth.api_key_verifier.note_used()
    assert (await auth.api_keys.list_keys(alice.principal, limit=1, before=None))[0].last_used_at == clock.now()


# -- attacks on the door ---------------------------------------------------------------------------------------------


def with_checksum(body: str) -> str:
    crc = zlib.crc32(body.encode("utf-8", "replace")).to_bytes(4, "big")
    return body + base64.urlsafe_b64encode(crc).rstrip(b"=").decode()


@pytest.mark.parametrize(
    "presented",
    [
        "ck_", "ck_" + "A" * 49, with_checksum("ck_" + "A" * 43), "ck_' OR 1=1 --", "ck_" + "\x00" * 49,
        "ck_" + "A" * 4000, "ck_" + "A" * 60_000, "CK_" + "A" * 49, "ck_ck_" + "A" * 46, "ck_" + "é" * 49,
        "ck_" + "A" * 48 + "\n", with_checksum("ck_" + "A" * 42 + "="), "ck_" + "'" * 49, "ck_%00", 'ck_"; DROP TABLE',
    ],
)  # fmt: skip
async def test_sql_nul_and_huge_keys_are_one_refusal(auth: Auth, http: httpx.AsyncClient, presented: str) -> None:
    response = await http.get("/notes", headers={b"Authorization": b"Bearer " + presented.encode("utf-8")})
    assert (response.status_code, response.json()["code"]) == (401, "invalid_token")


async def test_a_key_by_any_other_way_is_no_key(auth: Auth, http: httpx.AsyncClient) -> None:
    text = (await make_key(auth, await signed_in(auth))).text
    for attempt in (
        {"params": {"api_key": text, "access_token": text, "key": text}},
        {"headers": {"X-API-Key": text}},
        {"headers": {"Cookie": f"api_key={text}; authkeep_refresh={text}"}},
        {"headers": {"Authorization": f"Basic {text}"}},
        {"headers": {"Authorization": text}},
    ):
        response = await http.get("/notes", **attempt)
        assert (response.status_code, response.json()["code"]) == (401, "not_signed_in")


async def test_a_key_beside_another_credential_is_refused(auth: Auth, http: httpx.AsyncClient) -> None:
    alice = await signed_in(auth)
    text = (await make_key(auth, alice)).text
    two = [("Authorization", f"Bearer {text}"), ("Authorization", f"Bearer {alice.access_token}")]
    assert (await http.get("/notes", headers=two)).status_code == 401


async def test_a_key_is_no_refresh_token(auth: Auth, http: httpx.AsyncClient) -> None:
    text = (await make_key(auth, await signed_in(auth))).text
    response = await http.post("/auth/refresh", json={"refresh_token": text})
    assert (response.status_code, response.json()["code"]) == (401, "invalid_refresh_token")


async def test_a_changed_letter_is_told_without_a_look_up(auth: Auth, monkeypatch: pytest.MonkeyPatch) -> None:
    text = (await make_key(auth, await signed_in(auth))).text

    async def unasked(_: str) -> None:
        raise AssertionError("looked up")

    monkeypatch.setattr(auth.store, "find_api_key", unasked)
    for at in range(3, len(text)):
        typo = text[:at] + ("B" if text[at] == "A" else "A") + text[at + 1 :]
        with pytest.raises(InvalidToken):
            await auth.verify(typo)


async def test_neither_the_store_nor_a_repr_holds_the_key(auth: Auth, memory_store: Any) -> None:
    made = await make_key(auth, await signed_in(auth))
    kept = repr([memory_store.api_keys, memory_store.events, made, vars(auth.api_key_verifier)])
    assert made.text not in kept
    assert made.text[:-6] not in kept
    assert made.key.secret_hash not in repr(made)


# -- the routes ------------------------------------------------------------------------------------------------------


async def test_a_key_is_made_shown_once_listed_and_revoked(auth: Auth, http: httpx.AsyncClient) -> None:
    alice = await signed_in(auth)
    new = {"name": " backup ", "scopes": ["notes", "notes"], "expires_at": "2030-01-01T00:00:00+02:00"}
    created = await http.post("/auth/api-keys", json=new, headers=alice.headers)
    assert created.status_code == 201
    assert created.headers["cache-control"] == "no-store"
    key = created.json()
    assert key["key"].startswith("ck_")
    assert (key["name"], key["scopes"], key["hint"]) == ("backup", ["notes"], f"ck_…{key['key'][-4:]}")
    page = (await http.get("/auth/api-keys", headers=alice.headers)).json()
    assert page["items"] == [{name: value for name, value in key.items() if name != "key"}]
    assert page["items"][0]["expires_at"] == "2029-12-31T22:00:00Z"
    assert (await http.delete(f"/auth/api-keys/{key['id']}", headers=alice.headers)).status_code == 204
    assert (await http.get("/auth/api-keys", headers=alice.headers)).json() == {"items": [], "next_cursor": None}
    actions = [event.action.value for event in await auth.store.list_events(AuditFilter(), 10, None)]
    assert actions[:2] == ["api_key.revoked", "api_key.created"]


async def test_the_list_comes_in_pages(auth: Auth, http: httpx.AsyncClient) -> None:
    alice = await signed_in(auth)
    made = [await make_key(auth, alice) for _ in range(3)]
    first = (await http.get("/auth/api-keys?limit=2", headers=alice.headers)).json()
    rest = (await http.get(f"/auth/api-keys?cursor={first['next_cursor']}", headers=alice.headers)).json()
    assert [key["id"] for key in first["items"] + rest["items"]] == [each.key.id for each in reversed(made)]
    assert rest["next_cursor"] is None
    assert (await http.get("/auth/api-keys?cursor=%00", headers=alice.headers)).status_code == 422


async def test_the_scopes_that_there_are_can_be_asked_for(auth: Auth, http: httpx.AsyncClient) -> None:
    scopes = (await http.get("/auth/api-keys/scopes", headers=(await signed_in(auth)).headers)).json()["items"]
    assert scopes == [{"name": name, "description": description} for name, description in SCOPES.items()]


async def test_an_old_sign_in_makes_no_key(auth: Auth, http: httpx.AsyncClient, clock: FrozenClock) -> None:
    alice = await signed_in(auth)
    clock.advance(timedelta(minutes=16))
    await auth.revocations.reread()
    refreshed = await auth.logins.refresh(alice.refresh_token, DEVICE)
    new = {"name": "n", "scopes": ["notes"]}
    response = await http.post("/auth/api-keys", json=new, headers=bearing(refreshed.access_token))
    assert (response.status_code, response.json()["code"]) == (401, "recent_sign_in_required")
    assert "max_age=" in response.headers["www-authenticate"]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("scopes", []), ("scopes", ["admin"]), ("scopes", ["notes", "*"]), ("scopes", ["notes "]), ("scopes", "notes"),
        ("scopes", ["notes"] * 101), ("scopes", [["notes"]]), ("scopes", ["\ud800"]), ("scopes", ["a\x00"]),
        ("name", ""), ("name", "\u200b"), ("name", "x" * 101), ("name", "a\x00b"), ("name", None),
        ("expires_at", "2025-12-31T00:00:00Z"), ("expires_at", "2030-01-01T00:00:00"), ("expires_at", "never"),
        ("expires_at", 1e999), ("expires_at", "9999-12-31T23:59:59-14:00"),
    ],
)  # fmt: skip
async def test_a_key_that_cannot_be_is_not_made(auth: Auth, http: httpx.AsyncClient, field: str, value: Any) -> None:
    alice = await signed_in(auth)
    body = json.dumps({"name": "n", "scopes": ["notes"], field: value})
    headers = {**alice.headers, "Content-Type": "application/json"}
    response = await http.post("/auth/api-keys", content=body, headers=headers)
    assert response.status_code == 422
    assert response.json()["errors"][0]["loc"][:2] == ["body", field]


async def test_a_key_takes_no_owner_from_the_body(auth: Auth, http: httpx.AsyncClient) -> None:
    alice, bob = await signed_in(auth), await signed_in(auth, "bob@example.com")
    new = {"name": "n", "scopes": ["notes"], "user_id": bob.user.id, "role": "admin", "secret_hash": "0" * 64}
    key = (await http.post("/auth/api-keys", json=new, headers=alice.headers)).json()
    assert (await auth.verify(key["key"])).user_id == alice.user.id


async def test_nobody_has_more_keys_than_anybody_may(auth: Auth, http: httpx.AsyncClient) -> None:
    alice = await signed_in(auth)
    new = {"name": "n", "scopes": ["notes"]}
    answers = [await http.post("/auth/api-keys", json=new, headers=alice.headers) for _ in range(4)]
    assert [answer.status_code for answer in answers] == [201, 201, 201, 409]
    assert answers[-1].json()["code"] == "too_many_api_keys"


async def test_somebody_elses_key_is_not_there(auth: Auth, http: httpx.AsyncClient) -> None:
    alice, bob = await signed_in(auth), await signed_in(auth, "bob@example.com")
    made = await make_key(auth, alice)
    theirs, none, rubbish = [
        await http.delete(f"/auth/api-keys/{key_id}", headers=bob.headers)
        for key_id in (made.key.id, str(uuid7()), "%00' OR 1=1")
    ]
    assert theirs.status_code == 404
    assert theirs.json() == none.json() == rubbish.json()
    assert dict(theirs.headers) == dict(none.headers) == dict(rubbish.headers)
    assert (await auth.verify(made.text)).user_id == alice.user.id
    with pytest.raises(ApiKeyNotFound):
        await auth.api_keys.revoke(bob.principal, made.key.id, DEVICE)


async def test_without_scopes_there_are_no_keys(auth: Auth, make: Any, clock: Any) -> None:
    app = FastAPI()
    mount(app, make(auth.store, clock, replace(auth.settings, scopes={}), auth.keys))
    assert not any("api-keys" in route.path for route in refuse_undeclared(app))

"""The routes, as a client sees them, on every store."""

from typing import Any

import httpx
import pytest

from authkeep import Auth

REGISTRATION = {"email": "Alice@Example.com", "password": "seven purple kettles sing", "name": "Alice"}


@pytest.fixture
async def tokens(client_on: httpx.AsyncClient) -> Any:
    await client_on.post("/auth/register", json=REGISTRATION)
    answer = await client_on.post("/auth/login", json=REGISTRATION)
    assert answer.status_code == 200
    return answer.json()


def bearer(tokens: Any) -> dict[str, str]:
    return {"Authorization": f"Bearer {tokens['access_token']}"}


async def test_the_whole_journey(client_on: httpx.AsyncClient) -> None:
    state = await client_on.get("/auth/registration")
    assert state.json() == {
        "open": True,
        "first_user": True,
        "setup_code_required": False,
        "password_min_length": 15,
        "email_verification": False,
        "password_reset": False,
    }
    registered = await client_on.post("/auth/register", json=REGISTRATION)
    assert registered.status_code == 201
    user = registered.json()
    assert (user["email"], user["name"], user["role"]) == ("Alice@example.com", "Alice", "admin")
    state = await client_on.get("/auth/registration")
    assert state.json()["first_user"] is False
    tokens = (await client_on.post("/auth/login", json=REGISTRATION)).json()
    assert (tokens["token_type"], tokens["user"]) == ("bearer", user)
    assert 280 <= tokens["expires_in"] <= 300
    assert (await client_on.get("/auth/me", headers=bearer(tokens))).json() == user | {"mfa_enabled": False}
    refreshed = (await client_on.post("/auth/refresh", json={"refresh_token": tokens["refresh_token"]})).json()
    assert (await client_on.post("/auth/logout", headers=bearer(refreshed))).status_code == 204
    assert (await client_on.get("/auth/me", headers=bearer(tokens))).status_code == 401


async def test_a_profile_is_renamed(client_on: httpx.AsyncClient, tokens: Any) -> None:
    renamed = await client_on.patch("/auth/me", headers=bearer(tokens), json={"name": "  Zoë 🦊 "})
    assert renamed.json()["name"] == "Zoë 🦊"
    assert (await client_on.get("/auth/me", headers=bearer(tokens))).json()["name"] == "Zoë 🦊"


async def test_a_password_is_changed(client_on: httpx.AsyncClient, tokens: Any) -> None:
    change = {"current_password": REGISTRATION["password"], "new_password": "nine silver ladders hum"}
    assert (await client_on.post("/auth/password", headers=bearer(tokens), json=change)).status_code == 204
    again = await client_on.post("/auth/password", headers=bearer(tokens), json=change)
    assert (again.status_code, again.json()["code"]) == (422, "wrong_password")
    old = await client_on.post("/auth/login", json=REGISTRATION)
    assert old.status_code == 401


async def test_devices_are_listed_and_ended(client_on: httpx.AsyncClient, tokens: Any) -> None:
    other = (await client_on.post("/auth/login", json=REGISTRATION, headers={"User-Agent": "Phone"})).json()
    page = (await client_on.get("/auth/logins", headers=bearer(tokens), params={"limit": 1})).json()
    (newest,) = page["items"]
    assert (newest["user_agent"], newest["current"], newest["address"]) == ("Phone", False, "198.51.100.7")
    rest = await client_on.get("/auth/logins", headers=bearer(tokens), params={"cursor": page["next_cursor"]})
    assert [item["current"] for item in rest.json()["items"]] == [True]
    assert rest.json()["next_cursor"] is None
    ended = await client_on.delete(f"/auth/logins/{newest['sid']}", headers=bearer(tokens))
    assert ended.status_code == 204
    assert (await client_on.get("/auth/me", headers=bearer(other))).status_code == 401


async def test_logout_all_ends_everything(client_on: httpx.AsyncClient, tokens: Any) -> None:
    other = (await client_on.post("/auth/login", json=REGISTRATION)).json()
    assert (await client_on.post("/auth/logout-all", headers=bearer(tokens))).status_code == 204
    for ended in (tokens, other):
        assert (await client_on.get("/auth/me", headers=bearer(ended))).status_code == 401
        refresh = await client_on.post("/auth/refresh", json={"refresh_token": ended["refresh_token"]})
        assert refresh.status_code == 401


async def test_refusals_are_problems(client_on: httpx.AsyncClient) -> None:
    refused = await client_on.get("/auth/me")
    assert refused.headers["content-type"] == "application/problem+json"
    assert refused.headers["www-authenticate"] == "Bearer"
    assert refused.json() == {
        "type": "about:blank",
        "title": "Unauthorized",
        "status": 401,
        "detail": "Sign in to do this",
        "code": "not_signed_in",
        "request_id": None,
    }


async def test_the_public_keys_verify_what_was_signed(client_on: httpx.AsyncClient, auth_on: Auth) -> None:
    (key,) = (await client_on.get("/.well-known/jwks.json")).json()["keys"]
    assert (key["kty"], key["crv"], key["alg"], key["use"]) == ("OKP", "Ed25519", "Ed25519", "sig")
    assert key["kid"] == auth_on.keys.ring.newest.kid
    assert "d" not in key


async def test_answers_with_tokens_are_not_cached(client_on: httpx.AsyncClient, tokens: Any) -> None:
    refreshed = await client_on.post("/auth/refresh", json={"refresh_token": tokens["refresh_token"]})
    assert refreshed.headers["cache-control"] == "no-store"


async def test_all_other_devices_are_ended_and_this_one_goes_on(client: httpx.AsyncClient, password: str) -> None:
    credentials = {"email": "alice@example.com", "password": password}
    await client.post("/auth/register", json=credentials)
    one, two = [
        (await client.post("/auth/login", json=credentials, headers={"User-Agent": agent})).json()
        for agent in ("curl/8.14", "Mozilla/5.0 (X11; Linux x86_64; rv:144.0) Gecko/20100101 Firefox/144.0")
    ]
    here, there = ({"Authorization": f"Bearer {login['access_token']}"} for login in (one, two))
    listed = (await client.get("/auth/logins", headers=here)).json()["items"]
    assert [(login["name"], login["current"]) for login in listed] == [("Firefox on Linux", False), ("curl", True)]
    assert (await client.post("/auth/logins/end-others", headers=here)).status_code == 204
    assert (await client.get("/auth/me", headers=there)).status_code == 401
    assert (await client.post("/auth/refresh", json={"refresh_token": two["refresh_token"]})).status_code == 401
    assert (await client.get("/auth/me", headers=here)).status_code == 200

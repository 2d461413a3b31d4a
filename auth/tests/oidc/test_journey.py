"""Signing in with a provider: the journey as a browser makes it, over real sockets."""

from datetime import timedelta
from http.cookies import SimpleCookie
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx

from authkeep import Auth
from authkeep.store import AuditAction, AuditFilter, Totp
from authkeep.testing import FrozenClock, MemoryStore, SignedInUser, add_totp, signed_in
from authkeep.testing.provider import ScriptedProvider

SAME_SITE = {"Sec-Fetch-Site": "same-origin"}


async def sign_in(browser: httpx.AsyncClient, provider: ScriptedProvider, query: str = "") -> httpx.Response:
    begun = await browser.get(f"/auth/oidc/scripted/login{query}")
    assert begun.status_code == 303
    return await browser.get(provider.authorize(begun.headers["location"]))


async def me(browser: httpx.AsyncClient) -> dict[str, Any]:
    tokens = (await browser.post("/auth/refresh?transport=cookie", headers=SAME_SITE)).json()
    headers = {"Authorization": f"Bearer {tokens['access_token']}"}
    user: dict[str, Any] = (await browser.get("/auth/me", headers=headers)).json()
    return user | {"headers": headers}


async def test_the_providers_are_listed(browser: httpx.AsyncClient) -> None:
    answer = await browser.get("/auth/oidc")
    assert answer.json() == {"items": [{"id": "scripted", "name": "Scripted"}]}


async def test_a_stranger_gets_an_account_and_comes_back_to_it(
    browser: httpx.AsyncClient, provider: ScriptedProvider
) -> None:
    arrived = await sign_in(browser, provider, "?return_to=/%3Fchat%3D1")
    assert (arrived.status_code, arrived.headers["location"]) == (303, "/?chat=1")
    assert arrived.headers["cache-control"] == "no-store"
    first = await me(browser)
    assert (first["email"], first["name"], first["role"]) == ("alice@example.com", "Alice", "user")
    # The address may change over there: the subject is who it is.
    provider.claims |= {"email": "alice@new.example", "name": "Alicia"}
    browser.cookies.clear()
    await sign_in(browser, provider)
    assert (await me(browser))["id"] == first["id"]


async def test_the_cookie_is_the_one_of_the_sign_in_form(
    browser: httpx.AsyncClient, provider: ScriptedProvider
) -> None:
    arrived = await sign_in(browser, provider)
    first, device = arrived.headers.get_list("set-cookie")
    cookie = SimpleCookie(first)["authkeep_refresh"]
    assert device.startswith("authkeep_device=")
    assert (cookie["httponly"], cookie["samesite"], cookie["path"]) == (True, "lax", "/")


async def test_what_the_provider_is_asked(browser: httpx.AsyncClient, provider: ScriptedProvider) -> None:
    begun = await browser.get("/auth/oidc/scripted/login")
    asked = {name: values[0] for name, values in parse_qs(urlsplit(begun.headers["location"]).query).items()}
    assert (asked["response_type"], asked["code_challenge_method"]) == ("code", "S256")
    assert asked["redirect_uri"] == "http://chat.example/auth/oidc/scripted/callback"
    assert len({asked["state"], asked["nonce"], asked["code_challenge"]}) == 3
    assert all(len(asked[name]) == 43 for name in ("state", "nonce", "code_challenge"))
    assert begun.headers["referrer-policy"] == "no-referrer"


async def test_two_tabs_at_once(browser: httpx.AsyncClient, provider: ScriptedProvider) -> None:
    first, second = [await browser.get("/auth/oidc/scripted/login") for _ in range(2)]
    for tab in (second, first):
        arrived = await browser.get(provider.authorize(tab.headers["location"]))
        assert arrived.headers["location"] == "/"


async def test_over_https_the_journey_is_bound_to_the_host(visiting: Any, provider: ScriptedProvider) -> None:
    async with visiting(base_url="https://chat.example") as (_, browser):
        begun = await browser.get("/auth/oidc/scripted/login")
        cookie = SimpleCookie(begun.headers["set-cookie"])["__Host-authkeep_oidc"]
        assert (cookie["secure"], cookie["httponly"], cookie["samesite"]) == (True, True, "lax")
        assert (await browser.get(provider.authorize(begun.headers["location"]))).headers["location"] == "/"


async def test_userinfo_is_asked_where_the_token_names_no_address(
    browser: httpx.AsyncClient, provider: ScriptedProvider
) -> None:
    provider.claims |= {"email": None, "email_verified": None}
    provider.userinfo |= {"email": "alice@example.com", "email_verified": True}
    await sign_in(browser, provider)
    assert (await me(browser))["email"] == "alice@example.com"


async def test_the_first_account_is_never_an_external_one(
    visited: Auth, browser: httpx.AsyncClient, provider: ScriptedProvider, memory_store: MemoryStore
) -> None:
    """Or whoever the provider knows could be the administrator without the setup code."""
    memory_store.__init__()  # type: ignore[misc]  # the admin has never been
    arrived = await sign_in(browser, provider)
    assert arrived.headers["location"] == "/sign-in?error=first_account_missing"
    assert await visited.store.is_empty()


async def test_registration_closed_closes_this_door_too_unless_it_is_opened(
    visiting: Any, provider: ScriptedProvider
) -> None:
    for opens, expected in ((None, "/sign-in?error=registration_closed"), (True, "/")):
        async with visiting(registration_open=False, opens_accounts=opens) as (_, browser):
            assert (await sign_in(browser, provider)).headers["location"] == expected


async def test_domains_that_are_let_in(visiting: Any, provider: ScriptedProvider) -> None:
    for domain, expected in (("ample.com", "/sign-in?error=external_email_refused"), ("example.com", "/")):
        async with visiting(email_domains=(domain,)) as (_, browser):
            assert (await sign_in(browser, provider)).headers["location"] == expected


async def link(browser: httpx.AsyncClient, provider: ScriptedProvider, user: SignedInUser) -> httpx.Response:
    body = {"return_to": "/account/security"}
    begun = await browser.post("/auth/oidc/scripted/link", json=body, headers=user.headers)
    return await browser.get(provider.authorize(begun.json()["authorization_url"]))


async def test_an_account_with_this_address_is_linked_by_its_owner_alone(
    visited: Auth, browser: httpx.AsyncClient, provider: ScriptedProvider
) -> None:
    alice = await signed_in(visited, "alice@example.com")
    assert (await sign_in(browser, provider)).headers["location"] == "/sign-in?error=email_taken"
    arrived = await link(browser, provider, alice)
    assert arrived.headers["location"] == "/account/security"
    assert "set-cookie" not in arrived.headers
    assert (await link(browser, provider, alice)).headers["location"] == "/account/security"
    assert (await sign_in(browser, provider)).headers["location"] == "/"
    assert (await me(browser))["id"] == alice.user.id
    (identity,) = (await browser.get("/auth/identities", headers=alice.headers)).json()["items"]
    assert (identity["provider"], identity["email"], identity["issuer"]) == (
        "scripted",
        "alice@example.com",
        provider.issuer,
    )
    events = await visited.store.list_events(
        AuditFilter(user_id=alice.user.id, action=AuditAction.IDENTITY_LINKED), 9, None
    )
    assert [event.details for event in events] == [{"provider": "scripted"}]


async def test_an_identity_is_linked_to_one_account(
    visited: Auth, browser: httpx.AsyncClient, provider: ScriptedProvider
) -> None:
    alice, bob = await signed_in(visited), await signed_in(visited, "bob@example.com")
    await link(browser, provider, alice)
    assert (await link(browser, provider, bob)).headers["location"] == "/account/security?error=identity_taken"


async def test_the_last_way_in_stays(
    visited: Auth, browser: httpx.AsyncClient, provider: ScriptedProvider, password: str
) -> None:
    await sign_in(browser, provider)
    alice = await me(browser)
    (identity,) = (await browser.get("/auth/identities", headers=alice["headers"])).json()["items"]
    refused = await browser.delete(f"/auth/identities/{identity['id']}", headers=alice["headers"])
    assert (refused.status_code, refused.json()["code"]) == (409, "last_way_in")
    await browser.post("/auth/register", json={"email": "bob@example.com", "password": password})
    tokens = (await browser.post("/auth/login", json={"email": "bob@example.com", "password": password})).json()
    bob = {"Authorization": f"Bearer {tokens['access_token']}"}
    stranger = await browser.delete(f"/auth/identities/{identity['id']}", headers=bob)
    assert (stranger.status_code, stranger.json()["code"]) == (404, "identity_not_found")
    provider.claims["sub"] = "bob-at-the-provider"
    begun = await browser.post("/auth/oidc/scripted/link", headers=bob)
    await browser.get(provider.authorize(begun.json()["authorization_url"]))
    (linked,) = (await browser.get("/auth/identities", headers=bob)).json()["items"]
    assert (await browser.delete(f"/auth/identities/{linked['id']}", headers=bob)).status_code == 204
    assert (await browser.get("/auth/identities", headers=bob)).json() == {"items": [], "next_cursor": None}


async def test_a_disabled_user_is_refused(
    visited: Auth, browser: httpx.AsyncClient, provider: ScriptedProvider
) -> None:
    await sign_in(browser, provider)
    await visited.administration.change_user(None, (await me(browser))["id"], disabled=True)
    browser.cookies.clear()
    arrived = await sign_in(browser, provider)
    assert arrived.headers["location"] == "/sign-in?error=account_disabled"
    assert "authkeep_refresh" not in browser.cookies


async def test_linking_needs_a_recent_sign_in(visited: Auth, browser: httpx.AsyncClient, clock: FrozenClock) -> None:
    alice = await signed_in(visited)
    refreshed = None
    clock.advance(timedelta(minutes=30))
    refreshed = await browser.post("/auth/refresh", json={"refresh_token": alice.refresh_token})
    headers = {"Authorization": f"Bearer {refreshed.json()['access_token']}"}
    for method, path in (("POST", "oidc/scripted/link"), ("DELETE", f"identities/{alice.user.id}")):
        refused = await browser.request(method, f"/auth/{path}", headers=headers)
        assert (refused.status_code, refused.json()["code"]) == (401, "recent_sign_in_required")


async def test_a_stolen_password_links_nothing_to_an_account_with_a_second_factor(
    visited: Auth, browser: httpx.AsyncClient
) -> None:
    thief, owner = await signed_in(visited), await signed_in(visited)
    await add_totp(visited, owner)
    for method, path in (("POST", "oidc/scripted/link"), ("DELETE", f"identities/{thief.user.id}")):
        refused = await browser.request(method, f"/auth/{path}", headers=thief.headers)
        assert (refused.status_code, refused.json()["code"]) == (401, "recent_sign_in_required")


async def test_a_sign_in_over_there_of_last_week_is_none_of_today(
    visited: Auth, browser: httpx.AsyncClient, provider: ScriptedProvider, clock: FrozenClock
) -> None:
    provider.claims["auth_time"] = int(clock.seconds()) - 7 * 86400
    await sign_in(browser, provider)
    alice = await me(browser)
    refused = await browser.post("/auth/oidc/scripted/link", headers=alice["headers"])
    assert refused.json()["code"] == "recent_sign_in_required"
    again = await browser.get("/auth/oidc/scripted/login?reauthenticate=true")
    asked = parse_qs(urlsplit(again.headers["location"]).query)
    assert (asked["prompt"], asked["max_age"]) == (["login"], ["300"])
    arrived = await browser.get(provider.authorize(again.headers["location"]))
    assert arrived.headers["location"] == "/sign-in?error=external_sign_in_failed"
    provider.claims["auth_time"] = int(clock.seconds())
    await sign_in(browser, provider, "?reauthenticate=true")
    alice = await me(browser)
    assert (await browser.post("/auth/oidc/scripted/link", headers=alice["headers"])).status_code == 200


async def test_the_second_factor_is_asked_for_unless_the_operator_trusts_the_providers(
    visiting: Any, provider: ScriptedProvider
) -> None:
    provider.claims["amr"] = ["pwd", "mfa"]
    for trusted, expected in ((frozenset(), "/sign-in?error=mfa_required"), (frozenset({"mfa"}), "/")):
        async with visiting(trusted_mfa=trusted) as (auth, browser):
            alice = await signed_in(auth, "alice@example.com", methods=["pwd", "mfa"])
            await link(browser, provider, alice)
            await auth.store.put_totp(Totp(alice.user.id, "x", None, 0, auth.clock.now()))
            app = (await auth.store.find_factors(alice.user.id)).totp
            await auth.store.confirm_totp(app, 1, auth.clock.now())
            arrived = await sign_in(browser, provider)
            assert arrived.headers["location"] == expected
            assert ("authkeep_refresh" in browser.cookies) is (expected == "/")
            if expected != "/":
                token, *factors = SimpleCookie(arrived.headers["set-cookie"])["authkeep_mfa"].value.split(".")
                assert factors == ["totp"]
                wrong = {"mfa_token": token, "factor": "totp", "code": "000000"}
                refused = await browser.post("/auth/login/mfa", json=wrong)
                assert (refused.status_code, refused.json()["code"]) != (401, "invalid_mfa_token")

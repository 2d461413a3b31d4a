"""Attacks on the journey to a provider and back: on the callback, on the address, and on linking.

Each test is named after one. All of it runs over real sockets, against the app as a browser sees it.
"""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from joserfc.jwk import RSAKey

from authkeep import Auth
from authkeep.testing import FrozenClock, signed_in
from authkeep.testing.provider import ScriptedProvider

FAILED, EXPIRED, DENIED = "external_sign_in_failed", "external_sign_in_expired", "external_sign_in_denied"
UNAVAILABLE, REFUSED = "provider_unavailable", "external_email_refused"
LOGIN, CALLBACK = "/auth/oidc/scripted/login", "/auth/oidc/scripted/callback"


async def begin(browser: httpx.AsyncClient, path: str = LOGIN) -> str:
    begun = await browser.get(path)
    assert begun.status_code == 303
    return str(begun.headers["location"])


async def sign_in(browser: httpx.AsyncClient, provider: ScriptedProvider, **changes: str | None) -> httpx.Response:
    return await browser.get(provider.authorize(await begin(browser), **changes))


def assert_refused(arrived: httpx.Response, code: str) -> None:
    assert (arrived.status_code, arrived.headers["location"]) == (303, f"/sign-in?error={code}")
    assert "authkeep_refresh" not in arrived.headers.get("set-cookie", "")


def assert_let_in(arrived: httpx.Response) -> None:
    assert (arrived.status_code, arrived.headers["location"]) == (303, "/")
    assert "authkeep_refresh=akr_" in arrived.headers["set-cookie"]


# -- the callback ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("issuer", ["https://evil.example", "http://127.0.0.1", "null", "x" * 4000])
async def test_a_wrong_issuer_in_the_callback(browser: Any, provider: ScriptedProvider, issuer: str) -> None:
    for announced in (True, False):
        provider.metadata["authorization_response_iss_parameter_supported"] = announced
        assert_refused(await sign_in(browser, provider, iss=issuer), FAILED)


async def test_the_issuer_with_a_slash_is_another(browser: Any, provider: ScriptedProvider) -> None:
    assert_refused(await sign_in(browser, provider, iss=provider.issuer + "/"), FAILED)


async def test_no_issuer_in_the_callback_where_it_is_announced(browser: Any, provider: ScriptedProvider) -> None:
    assert_refused(await sign_in(browser, provider, iss=None), FAILED)


async def test_no_issuer_in_the_callback_where_it_is_not_announced(browser: Any, provider: ScriptedProvider) -> None:
    provider.metadata["authorization_response_iss_parameter_supported"] = None
    assert_let_in(await sign_in(browser, provider, iss=None))


async def test_an_error_of_somebody_else_is_not_the_providers(browser: Any, provider: ScriptedProvider) -> None:
    denied = {"code": None, "error": "access_denied"}
    assert_refused(await sign_in(browser, provider, **denied, iss="https://evil.example"), FAILED)
    assert_refused(await sign_in(browser, provider, **denied), DENIED)


async def test_replay_of_the_state(browser: Any, provider: ScriptedProvider) -> None:
    url = await begin(browser)
    assert_let_in(await browser.get(provider.authorize(url)))
    assert_refused(await browser.get(provider.authorize(url)), EXPIRED)


async def test_of_many_replays_at_once_one_gets_in(browser: Any, provider: ScriptedProvider) -> None:
    url = provider.authorize(await begin(browser))
    arrived = await asyncio.gather(*(browser.get(url) for _ in range(5)))
    assert sorted(answer.headers["location"] for answer in arrived) == ["/"] + [f"/sign-in?error={EXPIRED}"] * 4


async def test_login_csrf_with_the_state_of_another_browser(
    browser: Any, provider: ScriptedProvider, visited: Auth, browse: Any
) -> None:
    """The attacker begins, and has the victim's browser finish: it would be signed in as the attacker."""
    url = provider.authorize(await begin(browser))
    async with browse(visited) as victim:
        assert_refused(await victim.get(url), EXPIRED)
        await begin(victim)
        assert_refused(await victim.get(url), EXPIRED)
    # Nor has that ended the journey, for whoever has only seen its state could do it.
    assert_let_in(await browser.get(url))


@pytest.mark.parametrize("planted", ["", "x", "authkeep_oidc", "ä" * 43, "A" * 43])
async def test_a_planted_journey_cookie(browser: Any, provider: ScriptedProvider, planted: str) -> None:
    url = provider.authorize(await begin(browser))
    browser.cookies.clear()
    answer = await browser.get(url, headers={b"Cookie": f"authkeep_oidc={planted}".encode()})
    assert_refused(answer, EXPIRED)


async def test_the_state_expires(browser: Any, provider: ScriptedProvider, clock: FrozenClock) -> None:
    url = await begin(browser)
    clock.advance(timedelta(minutes=10))
    assert_refused(await browser.get(provider.authorize(url)), EXPIRED)


async def test_a_code_of_another_sign_in_injected(browser: Any, provider: ScriptedProvider) -> None:
    """Stolen on its way: PKCE ties it to the verifier that its own sign-in has."""
    stolen = parse_qs(urlsplit(provider.authorize(await begin(browser))).query)["code"][0]
    assert_refused(await sign_in(browser, provider, code=stolen), FAILED)


async def test_a_code_of_another_sign_in_injected_where_the_provider_forgets_pkce(
    browser: Any, provider: ScriptedProvider
) -> None:
    """Then the nonce is the wall."""
    victims, attackers = await begin(browser), await begin(browser)
    nonce = parse_qs(urlsplit(victims).query)["nonce"][0]
    provider.claims["nonce"] = nonce
    assert_refused(await browser.get(provider.authorize(attackers)), FAILED)


async def test_replay_of_a_code(browser: Any, provider: ScriptedProvider) -> None:
    used = provider.authorize(await begin(browser))
    assert_let_in(await browser.get(used))
    code = parse_qs(urlsplit(used).query)["code"][0]
    assert_refused(await sign_in(browser, provider, code=code), FAILED)


@pytest.mark.parametrize("name", ["code", "state", "iss", "error"])
async def test_a_parameter_twice(browser: Any, provider: ScriptedProvider, name: str) -> None:
    url = provider.authorize(await begin(browser))
    value = {parameter: values[0] for parameter, values in parse_qs(urlsplit(url).query).items()}.get(name, "x")
    arrived = await browser.get(f"{url}&{name}={value}")
    assert_refused(arrived, FAILED)


@pytest.mark.parametrize(
    "query",
    [
        "",
        "code=x",
        "state=x",
        "code=x&state=",
        "code=&state=x",
        "code=x&error=y&state=z",
        "code=%00&state=x",
        "code=x&state=%00",
        "code=x&state=%ED%A0%80",
        "code=x&state=%FF",
        "code=%0D%0ASet-Cookie:a=b&state=x",
        "code=x&state=" + "y" * 5000,
        "code=" + "y" * 60_000 + "&state=x",
        "&".join(f"p{n}=1" for n in range(3000)),
        "%",
        "code[]=x&state[]=y",
    ],
    ids=lambda query: query[:24],
)
async def test_a_callback_that_is_none(browser: Any, query: str) -> None:
    arrived = await browser.get(f"{CALLBACK}?{query}")
    assert arrived.status_code == 303
    assert arrived.headers["location"] in (f"/sign-in?error={FAILED}", f"/sign-in?error={EXPIRED}")


@pytest.mark.parametrize("name", ["nobody", "%00", "scripted%0d", "x" * 5000, "Scripted", "%ff"])
async def test_a_provider_that_there_is_not(browser: Any, visited: Auth, name: str) -> None:
    alice = await signed_in(visited)
    query = "?code=x&state=y"
    for method, path in (("GET", "login"), ("GET", f"callback{query}"), ("POST", "link")):
        answer = await browser.request(method, f"/auth/oidc/{name}/{path}", headers=alice.headers)
        assert answer.status_code == 404


@pytest.mark.parametrize(
    "path",
    [
        "//evil.example",
        "https://evil.example",
        "/\\evil.example",
        "/%5Cevil.example",
        "/%2Fevil.example",
        "/%252Fevil.example",
        "/..//evil.example",
        "/\t/evil.example",
        "/%09/evil.example",
        "/\r\nSet-Cookie: a=b",
        "/%0d%0aSet-Cookie:a=b",
        "javascript:alert(1)",
        "evil.example",
        "",
        "/\u2215evil.example",
        "/#x",
        "/" + "a" * 5000,
        "/\x00",
    ],
)
async def test_open_redirect(browser: Any, visited: Auth, path: str) -> None:
    answer = await browser.get(LOGIN, params={"return_to": path})
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request")
    alice = await signed_in(visited)
    linking = await browser.post("/auth/oidc/scripted/link", json={"return_to": path}, headers=alice.headers)
    assert (linking.status_code, linking.json()["code"]) == (422, "invalid_request")


# -- mix-up between two providers ------------------------------------------------------------------------------------


@pytest.fixture
async def evil(clock: FrozenClock, provider_key: RSAKey) -> AsyncIterator[ScriptedProvider]:
    async with ScriptedProvider(clock=clock, key=provider_key).running() as running:
        yield running


@pytest.fixture
async def at_two(
    memory_store: Any, clock: Any, settings: Any, keys: Any, make: Any, browse: Any, two: Any
) -> AsyncIterator[httpx.AsyncClient]:
    auth = make(memory_store, clock, two, keys)
    async with auth.running(), browse(auth) as browser:
        await signed_in(auth, "admin@example.com")
        yield browser


@pytest.fixture
def two(settings: Any, provider: ScriptedProvider, evil: ScriptedProvider) -> Any:
    return replace(settings, providers=(provider.provider(), evil.provider(id="evil", name="Evil")))


async def test_mix_up(at_two: Any, provider: ScriptedProvider, evil: ScriptedProvider) -> None:
    """The victim begins at the evil one, which sends them on to the honest one to have its code."""
    url = await begin(at_two, "/auth/oidc/evil/login")
    assert_refused(await at_two.get(provider.authorize(url)), FAILED)
    assert not [asked for asked in evil.asked if asked.path == "/token"]


async def test_an_answer_at_the_callback_of_another_provider(
    at_two: Any, provider: ScriptedProvider, evil: ScriptedProvider
) -> None:
    url = evil.authorize(await begin(at_two, "/auth/oidc/evil/login"), iss=provider.issuer)
    assert_refused(await at_two.get(url.replace("/evil/", "/scripted/")), EXPIRED)


async def test_a_token_of_another_provider_with_the_same_key(
    at_two: Any, provider: ScriptedProvider, evil: ScriptedProvider
) -> None:
    evil.claims["iss"] = provider.issuer
    assert_refused(await at_two.get(evil.authorize(await begin(at_two, "/auth/oidc/evil/login"))), FAILED)


async def test_the_same_subject_at_another_provider_is_somebody_else(
    at_two: Any, provider: ScriptedProvider, evil: ScriptedProvider
) -> None:
    assert_let_in(await sign_in(at_two, provider))
    at_two.cookies.clear()
    arrived = await at_two.get(evil.authorize(await begin(at_two, "/auth/oidc/evil/login")))
    assert_refused(arrived, "email_taken")


# -- who it is, and the address --------------------------------------------------------------------------------------


@pytest.mark.parametrize("subject", ["mallory", "", None, 1, ["alice-at-the-provider"]])
async def test_userinfo_about_another_subject(browser: Any, provider: ScriptedProvider, subject: Any) -> None:
    provider.claims["email"] = None
    provider.userinfo |= {"sub": subject, "email": "admin@example.com", "email_verified": True}
    assert_refused(await sign_in(browser, provider), FAILED)


@pytest.mark.parametrize("verified", ["true", "True", 1, 1.0, [True], {"a": 1}, False, None])
async def test_an_address_that_nobody_has_verified(browser: Any, provider: ScriptedProvider, verified: Any) -> None:
    provider.claims["email_verified"] = verified
    assert_refused(await sign_in(browser, provider), REFUSED)


@pytest.mark.parametrize(
    "email", [None, "", 1, ["alice@example.com"], "no address", "a@b\x00.c", "x" * 5000 + "@example.com"]
)
async def test_an_address_that_is_none(browser: Any, provider: ScriptedProvider, email: Any) -> None:
    provider.claims["email"] = email
    assert_refused(await sign_in(browser, provider), REFUSED)


@pytest.mark.parametrize("email", ["admin@example.com", "ADMIN@Example.com", "\uff41dmin@example.com"])
async def test_takeover_by_the_address_of_an_account(
    browser: Any, provider: ScriptedProvider, visited: Auth, email: str
) -> None:
    provider.claims["email"] = email
    assert_refused(await sign_in(browser, provider), "email_taken")
    provider.claims["email_verified"] = False
    assert_refused(await sign_in(browser, provider), REFUSED)
    admin = await visited.store.find_user_by_email("admin@example.com")
    assert admin is not None
    assert await visited.store.list_identities(admin.id, 9, None) == []


@pytest.mark.parametrize("name", ["\u202egnp.exe", "x" * 5000, "\x00", 1, None])
async def test_a_name_that_cannot_be_shown(browser: Any, provider: ScriptedProvider, name: Any) -> None:
    provider.claims["name"] = name
    assert_let_in(await sign_in(browser, provider))


async def test_half_characters(browser: Any, provider: ScriptedProvider) -> None:
    provider.claims |= {"email": None, "name": None}
    provider.userinfo |= {"email": "alice@example.com", "email_verified": True, "name": "\ud800"}
    assert_let_in(await sign_in(browser, provider))
    provider.claims["sub"] = provider.userinfo["sub"] = "another"
    provider.userinfo["email"] = "\ud800@example.com"
    assert_refused(await sign_in(browser, provider), REFUSED)


# -- linking ---------------------------------------------------------------------------------------------------------


async def begin_linking(browser: httpx.AsyncClient, headers: Any) -> str:
    begun = await browser.post("/auth/oidc/scripted/link", json={"return_to": "/account"}, headers=headers)
    return str(begun.json()["authorization_url"])


async def test_linking_an_address_that_nobody_has_verified(
    browser: Any, provider: ScriptedProvider, visited: Auth
) -> None:
    alice = await signed_in(visited)
    provider.claims["email_verified"] = "true"
    arrived = await browser.get(provider.authorize(await begin_linking(browser, alice.headers)))
    assert arrived.headers["location"] == f"/account?error={REFUSED}"
    assert await visited.store.list_identities(alice.user.id, 9, None) == []


async def test_linking_after_the_login_has_ended(browser: Any, provider: ScriptedProvider, visited: Auth) -> None:
    alice = await signed_in(visited)
    url = await begin_linking(browser, alice.headers)
    await browser.post("/auth/logout", headers=alice.headers)
    arrived = await browser.get(provider.authorize(url))
    assert arrived.headers["location"] == "/account?error=invalid_token"
    assert await visited.store.list_identities(alice.user.id, 9, None) == []


async def test_linking_the_attackers_identity_by_the_victims_browser(
    browser: Any, provider: ScriptedProvider, visited: Auth, browse: Any
) -> None:
    mallory = await signed_in(visited, "mallory@example.com")
    url = provider.authorize(await begin_linking(browser, mallory.headers))
    async with browse(visited) as victim:
        assert_refused(await victim.get(url), EXPIRED)


@pytest.mark.parametrize("headers", [{"Sec-Fetch-Site": "cross-site"}, {"Origin": "https://evil.example"}])
async def test_linking_from_another_site(browser: Any, visited: Auth, headers: dict[str, str]) -> None:
    alice = await signed_in(visited)
    refused = await browser.post("/auth/oidc/scripted/link", headers=alice.headers | headers)
    assert (refused.status_code, refused.json()["code"]) == (403, "cross_site_request")


@pytest.mark.parametrize("name", ["%00", "x", "0198c0de-0000-7000-8000-000000000000", "x" * 5000])
async def test_an_identity_that_there_is_not(browser: Any, visited: Auth, name: str) -> None:
    alice = await signed_in(visited)
    refused = await browser.delete(f"/auth/identities/{name}", headers=alice.headers)
    assert refused.status_code == 404
    listed = await browser.get("/auth/identities", params={"cursor": "\x00"}, headers=alice.headers)
    assert (listed.status_code, listed.json()["code"]) == (422, "invalid_request")

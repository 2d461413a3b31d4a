"""What a provider can do that misbehaves, or is not who it was.

Each test is named after one. All of it runs over real sockets, against the app as a browser sees it.
"""

import asyncio
import json
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from authkeep import Auth
from authkeep.oidc.json_over_http import JsonOverHttp
from authkeep.testing import FrozenClock, signed_in
from authkeep.testing.provider import ScriptedProvider, http, http_json, new_key

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


# -- a provider that misbehaves --------------------------------------------------------------------------------------

UNUSABLE_KEYS: list[Any] = [
    {"kty": "RSA", "kid": "first-of-all", "n": "!", "e": "AQAB"},
    {"kty": "RSA", "kid": "short", "n": "AQAB", "e": "AQAB"},
    {"kty": "RSA", "kid": "endless", "n": "A" * 100_000, "e": "AQAB"},
    {"kty": "AKP", "kid": "to come", "alg": "ML-DSA-44", "pub": "x"},
    {"kty": "EC", "crv": "P-0", "x": "AA", "y": "AA"},
    {"kty": "EC", "crv": "P-256", "x": "AA", "y": "AA"},
    {"kty": "OKP", "crv": "X25519", "x": "AA"},
    {"kty": "oct", "k": "AAAA"},
    {"kty": "RSA", "use": "enc", "n": 1, "e": 2},
    {"kty": ["RSA"]},
    {"kid": "no kind"},
    {},
    [],
    None,
    "text",
    1,
]


async def test_a_key_set_with_unusable_keys(browser: Any, provider: ScriptedProvider) -> None:
    """One of them stops plain libraries; here the usable one serves."""
    provider.keys = [*UNUSABLE_KEYS, *provider.keys]
    assert_let_in(await sign_in(browser, provider))


@pytest.mark.parametrize(
    "changes",
    [{"use": "enc"}, {"key_ops": ["encrypt"]}, {"key_ops": "verify"}, {"alg": "RS512"}, {"kid": "second"}, {"kid": 1}],
)
async def test_a_key_for_another_use(browser: Any, provider: ScriptedProvider, changes: dict[str, Any]) -> None:
    provider.keys = [{**provider.keys[0], **changes}]
    assert_refused(await sign_in(browser, provider), FAILED)


async def test_two_keys_of_one_name(browser: Any, provider: ScriptedProvider) -> None:
    provider.keys = [provider.keys[0], new_key("first").as_dict(private=False)]
    assert_refused(await sign_in(browser, provider), FAILED)


async def test_a_key_that_the_provider_has_changed(
    browser: Any, provider: ScriptedProvider, clock: FrozenClock
) -> None:
    assert_let_in(await sign_in(browser, provider))
    provider.key = new_key("second")
    provider.keys, provider.header["kid"] = [provider.key.as_dict(private=False)], "second"
    clock.advance(timedelta(seconds=61))
    assert_let_in(await sign_in(browser, provider))


async def test_unknown_keys_do_not_make_us_ask_without_end(browser: Any, provider: ScriptedProvider) -> None:
    provider.header["kid"] = "unknown"
    for _ in range(5):
        assert_refused(await sign_in(browser, provider), FAILED)
    assert [asked.path for asked in provider.asked].count("/jwks") == 1
    assert [asked.path for asked in provider.asked].count("/.well-known/openid-configuration") == 1


HUGE = json.dumps({"keys": [], "padding": "x" * 2_000_000}).encode()
ANSWERS: dict[str, bytes] = {
    "500": http_json({"error": "server_error"}, "500 Internal Server Error"),
    "500 without a body": http(b"", status="500 Internal Server Error"),
    "HTML": http(b"<html>Sign in to the hotel's network</html>", content_type="text/html"),
    "HTML called JSON": http(b"<html>"),
    "JSON called HTML": http(b"{}", content_type="text/html"),
    "a list": http_json([]),
    "null": http_json(None),
    "an empty object": http_json({}),
    "duplicate members": http(b'{"issuer": "a", "issuer": "b", "keys": [], "keys": []}'),
    "NaN": http(b'{"a": NaN}'),
    "deep nesting": http(b"[" * 100_000),
    "invalid UTF-8": http(b'{"a": "\xff"}'),
    "huge": http(HUGE),
    "a redirect to the metadata address": http(
        b"", status="302 Found", more="Location: http://169.254.169.254/latest/meta-data/\r\n"
    ),
    "a redirect to ourselves": http(b"", status="307 Temporary Redirect", more="Location: /jwks\r\n"),
    "compressed unasked": http(b"\x1f\x8b\x08", more="Content-Encoding: gzip\r\n"),
    "no HTTP": b"SSH-2.0-OpenSSH_9.9\r\n",
    "nothing": b"",
    "half an answer": b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 99\r\n\r\n{",
    "endless headers": b"HTTP/1.1 200 OK\r\n" + b"A: " + b"x" * 300_000,
}
PATHS = ["/.well-known/openid-configuration", "/token", "/jwks", "/userinfo"]


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("attack", ANSWERS)
async def test_a_provider_that_answers_with(browser: Any, provider: ScriptedProvider, path: str, attack: str) -> None:
    """Whatever it is: one clear answer, no sign-in, and never a 500."""
    provider.answers[path] = ANSWERS[attack]
    provider.claims["email"] = None
    arrived = await browser.get(LOGIN)
    if path == PATHS[0]:
        assert_refused(arrived, UNAVAILABLE)
        return
    arrived = await browser.get(provider.authorize(arrived.headers["location"]))
    about_another = path == "/userinfo" and attack == "an empty object"
    assert_refused(arrived, FAILED if about_another else UNAVAILABLE)


async def test_a_provider_that_drips(browser: Any, provider: ScriptedProvider, visited: Auth) -> None:
    """One byte at a time never runs into a timeout between two bytes; the whole has one."""

    async def drip(writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n")
        while not writer.is_closing():
            writer.write(b" ")
            await writer.drain()
            await asyncio.sleep(0.01)

    provider.answers[PATHS[0]] = drip
    visited.external._http._seconds = 0.2
    assert_refused(await browser.get(LOGIN), "provider_timeout")
    alice = await signed_in(visited)
    problem = await browser.post("/auth/oidc/scripted/link", headers=alice.headers)
    assert (problem.status_code, problem.json()["code"]) == (504, "provider_timeout")


async def test_a_provider_that_is_not_there(browser: Any, provider: ScriptedProvider, visited: Auth) -> None:
    provider.answers[PATHS[0]] = b""
    alice = await signed_in(visited)
    problem = await browser.post("/auth/oidc/scripted/link", headers=alice.headers)
    assert (problem.status_code, problem.json()["code"]) == (502, "provider_unavailable")
    for _ in range(5):
        assert_refused(await browser.get(LOGIN), UNAVAILABLE)
    # Those who keep on asking do not make us keep on asking.
    assert len(provider.asked) == 1


async def test_a_provider_that_goes_away_for_a_while_locks_nobody_out(
    browser: Any, provider: ScriptedProvider, clock: FrozenClock
) -> None:
    assert_let_in(await sign_in(browser, provider))
    clock.advance(timedelta(hours=2))
    provider.answers[PATHS[0]] = provider.answers["/jwks"] = ANSWERS["500"]
    assert_let_in(await sign_in(browser, provider))
    clock.advance(timedelta(hours=23))
    assert_refused(await browser.get(LOGIN), UNAVAILABLE)


METADATA: dict[str, dict[str, Any]] = {
    "issuer of another": {"issuer": "https://evil.example"},
    "no issuer": {"issuer": None},
    "issuer with a slash": {"issuer": "http://127.0.0.1/"},
    "token endpoint at the metadata address": {"token_endpoint": "http://169.254.169.254/latest"},
    "token endpoint at the metadata address over TLS": {"token_endpoint": "https://169.254.169.254/latest"},
    "token endpoint by plain HTTP": {"token_endpoint": "http://accounts.example/token"},
    "token endpoint as a file": {"token_endpoint": "file:///etc/passwd"},
    "token endpoint with a user": {"token_endpoint": "https://user@accounts.example/token"},
    "token endpoint with a backslash": {"token_endpoint": "https://accounts.example\\@evil.example/"},
    "token endpoint with CR LF": {"token_endpoint": "https://accounts.example/\r\nHost: evil"},
    "token endpoint as number": {"token_endpoint": 1},
    "no token endpoint": {"token_endpoint": None},
    "no keys": {"jwks_uri": None},
    "keys as a data URL": {"jwks_uri": "data:application/json,{}"},
    "authorization endpoint as script": {"authorization_endpoint": "javascript:alert(1)"},
    "userinfo endpoint elsewhere on this network": {"userinfo_endpoint": "http://10.0.0.1/"},
    "PKCE without S256": {"code_challenge_methods_supported": ["plain"]},
    "PKCE as text": {"code_challenge_methods_supported": "S256"},
    "only none and HMAC": {"id_token_signing_alg_values_supported": ["none", "HS256"]},
    "only the implicit flow": {"response_types_supported": ["id_token"]},
    "iss support as text": {"authorization_response_iss_parameter_supported": "true"},
}


@pytest.mark.parametrize("attack", METADATA)
async def test_metadata_with(browser: Any, provider: ScriptedProvider, attack: str) -> None:
    provider.metadata |= METADATA[attack]
    assert_refused(await browser.get(LOGIN), UNAVAILABLE)


async def test_pkce_downgrade(browser: Any, provider: ScriptedProvider) -> None:
    """Whether or not the provider speaks of PKCE, the challenge goes out and the verifier follows it."""
    provider.metadata["code_challenge_methods_supported"] = None
    url = await begin(browser)
    assert parse_qs(urlsplit(url).query)["code_challenge_method"] == ["S256"]
    assert_let_in(await browser.get(provider.authorize(url)))
    (exchange,) = [asked for asked in provider.asked if asked.path == "/token"]
    assert len(exchange.form["code_verifier"]) == 43


TOKENS: dict[str, dict[str, Any]] = {
    "no id_token": {"id_token": None},
    "id_token as list": {"id_token": []},
    "no access_token": {"access_token": None},
    "access_token with CR LF": {"access_token": "x\r\nA: b"},
    "token_type mac": {"token_type": "mac"},
    "no token_type": {"token_type": None},
}


@pytest.mark.parametrize("attack", TOKENS)
async def test_token_response_with(browser: Any, provider: ScriptedProvider, attack: str) -> None:
    provider.tokens |= TOKENS[attack]
    assert_refused(await sign_in(browser, provider), UNAVAILABLE)


async def test_the_secret_is_sent_as_the_provider_takes_it(visiting: Any, provider: ScriptedProvider) -> None:
    ways = {"client_secret_basic": "authorization", "client_secret_post": "client_secret"}
    for way, where in ways.items():
        provider.metadata["token_endpoint_auth_methods_supported"] = [way]
        provider.asked.clear()
        async with visiting() as (_, browser):
            assert_let_in(await sign_in(browser, provider))
        (exchange,) = [asked for asked in provider.asked if asked.path == "/token"]
        assert {"authorization", "client_secret"} & {*exchange.headers, *exchange.form} == {where}


async def test_a_proxy_of_the_environment_is_not_asked(
    monkeypatch: pytest.MonkeyPatch, visiting: Any, provider: ScriptedProvider
) -> None:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    async with visiting() as (_, browser):
        assert_let_in(await sign_in(browser, provider))


async def test_nothing_that_was_exchanged_is_logged_or_stored(
    browser: Any, provider: ScriptedProvider, memory_store: Any, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    url = provider.authorize(await begin(browser))
    stored = repr(memory_store.tickets)
    assert_let_in(await browser.get(url))
    provider.claims["sub"] = ""
    assert_refused(await sign_in(browser, provider), FAILED)
    (exchange, _) = [asked for asked in provider.asked if asked.path == "/token"]
    secrets = [*parse_qs(urlsplit(url).query)["state"], exchange.form["code_verifier"], str(provider.client_secret)]
    for secret in [*secrets, browser.cookies["authkeep_oidc"]]:
        assert secret not in stored
        assert secret not in caplog.text.replace(url, "")


async def test_a_door_that_is_not_open_yet() -> None:
    with pytest.raises(RuntimeError):
        await JsonOverHttp().get("https://accounts.example")

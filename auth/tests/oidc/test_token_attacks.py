"""Attacks on the ID token.

Each test is named after one. All of it runs over real sockets, against the app as a browser sees it.
"""

import json
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from joserfc import jwt
from joserfc.jwk import OctKey
from joserfc.util import urlsafe_b64decode, urlsafe_b64encode

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


# -- the ID token ----------------------------------------------------------------------------------------------------

NOW = 1_767_268_800
CLAIMS: dict[str, dict[str, Any]] = {
    "wrong aud": {"aud": "another"},
    "aud in another case": {"aud": "CHAT"},
    "no aud": {"aud": None},
    "empty aud": {"aud": []},
    "aud of objects": {"aud": [{"chat": "chat"}]},
    "several aud without azp": {"aud": ["chat", "another"]},
    "azp of another": {"aud": ["chat", "another"], "azp": "another"},
    "azp of another with one aud": {"azp": "another"},
    "azp as list": {"azp": ["chat"]},
    "wrong iss": {"iss": "https://evil.example"},
    "no iss": {"iss": None},
    "iss as list": {"iss": ["x"]},
    "expired": {"exp": NOW - 3600},
    "expired, as text": {"exp": str(NOW + 300)},
    "no exp": {"exp": None},
    "exp true": {"exp": True},
    "exp infinite": {"exp": float("inf")},
    "exp beyond any float": {"exp": 10**400},
    "no iat": {"iat": None},
    "iat of yesterday": {"iat": NOW - 86400},
    "iat of tomorrow": {"iat": NOW + 86400},
    "not yet valid": {"nbf": NOW + 3600},
    "no nonce": {"nonce": None},
    "nonce of another": {"nonce": "A" * 43},
    "nonce as number": {"nonce": 1},
    "nonce beyond ASCII": {"nonce": "\u00e4" * 43},
    "empty sub": {"sub": ""},
    "blank sub": {"sub": "   "},
    "no sub": {"sub": None},
    "sub as number": {"sub": 1},
    "sub true": {"sub": True},
    "sub as list": {"sub": ["alice"]},
    "huge sub": {"sub": "x" * 256},
    "sub with NUL": {"sub": "alice\x00"},
    "sub beyond ASCII": {"sub": "alic\u0435"},
    "at_hash of another": {"at_hash": "A" * 22},
    "at_hash as number": {"at_hash": 1},
    "auth_time as text": {"auth_time": "yesterday"},
}


@pytest.mark.parametrize("attack", CLAIMS)
async def test_id_token_with(browser: Any, provider: ScriptedProvider, attack: str) -> None:
    provider.claims |= CLAIMS[attack]
    assert_refused(await sign_in(browser, provider), FAILED)


async def test_id_token_with_a_huge_sub_that_is_just_allowed(browser: Any, provider: ScriptedProvider) -> None:
    provider.claims |= {"sub": "x" * 255, "aud": ["another", "chat"], "azp": "chat"}
    assert_let_in(await sign_in(browser, provider))


def resigned(key: Any, algorithm: str, **header: Any) -> Callable[[str], str]:
    def resign(token: str) -> str:
        claims = json.loads(jwt_part(token, 1))
        return jwt.encode({"alg": algorithm, "kid": "first", **header}, claims, key, algorithms=[algorithm])

    return resign


def jwt_part(token: str, index: int) -> bytes:
    return urlsafe_b64decode(token.split(".")[index].encode())


def encoded(value: object) -> str:
    return urlsafe_b64encode(json.dumps(value).encode()).decode()


def with_header(**header: Any) -> Callable[[str], str]:
    return lambda token: ".".join([encoded({"alg": "RS256", "kid": "first", **header}), *token.split(".")[1:]])


FORGERIES: dict[str, Callable[[str], str]] = {
    "alg none": lambda token: f"{encoded({'alg': 'none'})}.{token.split('.')[1]}.",
    "alg none with a signature": with_header(alg="none"),
    "alg NONE": with_header(alg="NONE"),
    "no alg": with_header(alg=None),
    "alg as list": with_header(alg=["RS256"]),
    "HS256 with the client secret": resigned(OctKey.import_key("a secret of this test"), "HS256"),
    "crit": with_header(crit=["b64"], b64=False),
    "access token in place of it": with_header(typ="at+jwt"),
    "logout token in place of it": with_header(typ="logout+jwt"),
    "kid as number": with_header(kid=1),
    "kid of nobody": with_header(kid="../../dev/null"),
    "signature cut off": lambda token: token.rpartition(".")[0] + ".",
    "signature of another": lambda token: token[:-8] + "AAAAAAAA",
    "re-encoded": lambda token: token + "=",
    "duplicate members": lambda token: f"{token.split('.')[0]}.{encoded({})[:-1]}.{token.split('.')[2]}",
    "five parts": lambda token: token + ".a.b",
    "not a token": lambda token: "x",
    "huge": lambda token: token + "A" * 70_000,
    "white space": lambda token: f" {token}",
}


@pytest.mark.parametrize("attack", FORGERIES)
async def test_id_token_forged_by(browser: Any, provider: ScriptedProvider, attack: str) -> None:
    forge, honest = FORGERIES[attack], provider.id_token
    provider.id_token = lambda *asked: forge(honest(*asked))  # type: ignore[method-assign]
    arrived = await sign_in(browser, provider)
    assert arrived.headers["location"] in (f"/sign-in?error={FAILED}", f"/sign-in?error={UNAVAILABLE}")
    assert "authkeep_refresh" not in arrived.headers.get("set-cookie", "")


async def test_hs_rs_confusion(browser: Any, provider: ScriptedProvider) -> None:
    """The public key, in each of its forms, as the secret of an HMAC."""
    honest = provider.id_token
    for form in (provider.key.as_pem(private=False), provider.key.as_der(private=False)):
        forge = resigned(OctKey.import_key(form.hex()), "HS256")
        provider.id_token = lambda *asked, forge=forge: forge(honest(*asked))  # type: ignore[method-assign]
        provider.metadata["id_token_signing_alg_values_supported"] = ["RS256", "HS256", "none"]
        assert_refused(await sign_in(browser, provider), FAILED)


async def test_an_algorithm_that_the_metadata_does_not_name(browser: Any, provider: ScriptedProvider) -> None:
    provider.metadata["id_token_signing_alg_values_supported"] = ["ES256"]
    assert_refused(await sign_in(browser, provider), FAILED)

"""Access tokens that somebody has tampered with. One verifier, one answer: InvalidToken."""

import base64
import hmac
import json
from collections.abc import Callable
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from joserfc.jwk import OKPKey

from authkeep import Auth, InvalidToken, SigningKeys
from authkeep.access_tokens import MAX_LENGTH
from authkeep.testing import FrozenClock, signed_in

Forge = Callable[..., str]


def b64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def parts_of(token: str) -> tuple[dict[str, Any], dict[str, Any]]:
    header, claims, _ = (base64.urlsafe_b64decode(part + "==") for part in token.split("."))
    return json.loads(header), json.loads(claims)


def sign(header: bytes, payload: bytes, key: OKPKey) -> str:
    """By hand: a library would refuse to make most of what follows."""
    private_key = key.private_key
    assert isinstance(private_key, Ed25519PrivateKey)
    signing_input = f"{b64(header)}.{b64(payload)}"
    return f"{signing_input}.{b64(private_key.sign(signing_input.encode()))}"


@pytest.fixture
async def token(auth: Auth) -> str:
    return (await signed_in(auth)).access_token


@pytest.fixture
def key(keys: SigningKeys) -> OKPKey:
    jwk = keys.ring.newest.jwk
    assert isinstance(jwk, OKPKey)
    return jwk


@pytest.fixture
def forge(key: OKPKey, token: str) -> Forge:
    """A token signed with the real key, but for what the attack changes; None removes a member."""
    header, claims = parts_of(token)

    def forged(*, header_changes: dict[str, Any] | None = None, raw: bytes | None = None, **changes: Any) -> str:
        altered = {k: v for k, v in (claims | changes).items() if v is not None}
        head = {k: v for k, v in (header | (header_changes or {})).items() if v is not None}
        return sign(json.dumps(head).encode(), json.dumps(altered).encode() if raw is None else raw, key)

    return forged


async def refuses(auth: Auth, token: str) -> None:
    with pytest.raises(InvalidToken):
        await auth.verify(token)


async def test_an_untouched_token_is_accepted(auth: Auth, token: str, forge: Forge) -> None:
    await auth.verify(token)
    await auth.verify(forge())


async def test_alg_none(auth: Auth, token: str) -> None:
    header, claims = parts_of(token)
    for name in ("none", "None", "NONE", ""):
        unsigned = b64(json.dumps(header | {"alg": name}).encode()) + "." + b64(json.dumps(claims).encode())
        await refuses(auth, f"{unsigned}.")
        await refuses(auth, f"{unsigned}.{token.rpartition('.')[2]}")


@pytest.mark.parametrize("name", ["HS256", "HS512"])
async def test_hmac_with_the_public_key_as_its_secret(auth: Auth, token: str, key: OKPKey, name: str) -> None:
    header, claims = parts_of(token)
    signing_input = b64(json.dumps(header | {"alg": name}).encode()) + "." + b64(json.dumps(claims).encode())
    x = str(key.as_dict(private=False)["x"])
    for secret in (
        key.as_pem(private=False),
        key.as_der(private=False),
        x.encode(),
        base64.urlsafe_b64decode(x + "="),
    ):
        mac = hmac.digest(secret, signing_input.encode(), name.replace("HS", "sha"))
        await refuses(auth, f"{signing_input}.{b64(mac)}")


async def test_eddsa_where_ed25519_is_meant(auth: Auth, forge: Forge) -> None:
    for name in ("EdDSA", "Ed448", "ed25519", "ES256"):
        await refuses(auth, forge(header_changes={"alg": name}))


async def test_a_key_of_the_attackers_own(auth: Auth, token: str) -> None:
    header, claims = parts_of(token)
    mine = OKPKey.generate_key("Ed25519")
    for extra in ({}, {"jwk": mine.as_dict(private=False)}, {"jku": "https://evil.example/jwks"}, {"x5u": "https://x"}):
        await refuses(auth, sign(json.dumps(header | extra).encode(), json.dumps(claims).encode(), mine))


@pytest.mark.parametrize(
    "changes",
    [
        {"iss": "https://evil.example"}, {"iss": None}, {"iss": ["https://chat.example"]},
        {"aud": "another"}, {"aud": None}, {"aud": ["chat"]}, {"aud": ""},
        {"sub": None}, {"sub": ""}, {"sub": 7}, {"sid": None}, {"sid": ""}, {"jti": None},
        {"role": "root"}, {"role": None}, {"role": ["admin"]}, {"epoch": None}, {"epoch": "0"}, {"epoch": True},
        {"scope": 7},
    ],
    ids=str,
)  # fmt: skip
async def test_wrong_claims_under_a_good_signature(auth: Auth, forge: Forge, changes: dict[str, Any]) -> None:
    await refuses(auth, forge(**changes))


@pytest.mark.parametrize(
    "changes",
    [
        {"typ": "JWT"}, {"typ": None}, {"typ": "AT+JWT"}, {"typ": ["at+jwt"]}, {"typ": "application/at+jwt"},
        {"kid": "unknown"}, {"kid": None}, {"crit": ["exp"], "exp": 1}, {"b64": False, "crit": ["b64"]},
        {"jku": "https://evil.example/jwks"}, {"cty": "JWT"},
    ],
    ids=str,
)  # fmt: skip
async def test_wrong_header_under_a_good_signature(auth: Auth, forge: Forge, changes: dict[str, Any]) -> None:
    await refuses(auth, forge(header_changes=changes))


@pytest.mark.parametrize("exp", [None, "9999999999", True, [9999999999], -1, 0, "1e400"], ids=repr)
async def test_expiry_that_is_missing_or_not_a_number(auth: Auth, forge: Forge, exp: Any) -> None:
    await refuses(auth, forge(exp=exp))


async def test_expired_to_the_second(auth: Auth, token: str, forge: Forge, clock: FrozenClock) -> None:
    await refuses(auth, forge(exp=int(clock.seconds())))
    await auth.verify(forge(exp=int(clock.seconds()) + 1))


async def test_not_yet_valid(auth: Auth, forge: Forge, clock: FrozenClock) -> None:
    later = int(clock.seconds()) + 60
    await refuses(auth, forge(nbf=later))
    await refuses(auth, forge(nbf=str(int(clock.seconds()))))
    await refuses(auth, forge(iat=later))
    await refuses(auth, forge(iat=None))


async def test_a_token_of_another_deployment(
    auth: Auth, memory_store: Any, make: Any, clock: Any, settings: Any
) -> None:
    other = make(memory_store, clock, settings, SigningKeys.generate())
    await refuses(auth, (await signed_in(other)).access_token)


async def test_a_re_encoded_token_is_no_second_token(auth: Auth, token: str) -> None:
    head, payload, signature = token.split(".")
    variants = [
        token + "=",
        token + "==",
        " " + token,
        token + " ",
        token + "\n",
        token + ".",
        "." + token,
        token + "%3D",
    ]
    variants += [f"{head}=.{payload}.{signature}", f"{head}.{payload}=.{signature}", token.replace(".", "\n.", 1)]
    # The last character carries four bits that decode to nothing: other characters give the same bytes.
    variants += [token[:-1] + char for char in "ABCDEFGHIJKLMNOPQRSTUVWXYZ" if char != token[-1]]
    for variant in variants:
        await refuses(auth, variant)


async def test_a_re_encoded_token_does_not_outlive_logout(auth: Auth, client: Any) -> None:
    user = await signed_in(auth)
    await client.post("/auth/logout", headers=user.headers)
    for variant in (user.access_token, user.access_token + "=", user.access_token + " "):
        answer = await client.get("/auth/me", headers={"Authorization": f"Bearer {variant}"})
        assert answer.status_code == 401


async def test_duplicate_members(auth: Auth, token: str, forge: Forge, key: OKPKey) -> None:
    header, claims = parts_of(token)
    payload = json.dumps(claims).encode()
    await refuses(auth, forge(raw=payload[:-1] + b', "role": "admin"}'))
    doubled = json.dumps(header).encode()[:-1] + b', "alg": "Ed25519"}'
    await refuses(auth, sign(doubled, payload, key))


@pytest.mark.parametrize(
    "raw", [b"[]", b"null", b'"x"', b"7", b"", b"{", b'{"exp": NaN}', b"\xff\xfe", b"[" * 900], ids=repr
)
async def test_a_payload_that_is_no_object(auth: Auth, forge: Forge, raw: bytes) -> None:
    await refuses(auth, forge(raw=raw))


@pytest.mark.parametrize("raw", [b"[]", b"1", b"null", b'"x"', b"true", b"1.5", b"{}", b"[{}]"], ids=repr)
async def test_a_header_that_is_no_object(auth: Auth, client: Any, token: str, key: OKPKey, raw: bytes) -> None:
    forged = sign(raw, json.dumps(parts_of(token)[1]).encode(), key)
    await refuses(auth, forged)
    for path in ("/auth/me", "/auth/registration"):
        answer = await client.get(path, headers={"Authorization": f"Bearer {forged}"})
        assert answer.status_code == (200 if path == "/auth/registration" else 401)


@pytest.mark.parametrize("member", ["exp", "iat", "nbf"])
@pytest.mark.parametrize("number", ["1" + "0" * 400, "-1" + "0" * 400, "1e999", "-1e999", "1" * 2500])
async def test_a_time_beyond_any_float(auth: Auth, token: str, forge: Forge, member: str, number: str) -> None:
    claims = json.dumps(parts_of(token)[1] | {member: "?"})
    await refuses(auth, forge(raw=claims.replace('"?"', number).encode()))


async def test_a_huge_token_costs_nothing(auth: Auth, forge: Forge) -> None:
    await refuses(auth, forge(scope="x" * MAX_LENGTH))
    await refuses(auth, "A" * 10_000_000)
    await refuses(auth, b64(b"[" * 150) + "." + b64(b"[" * 2000) + "." + "A" * 86)


@pytest.mark.parametrize(
    "text", ["", ".", "..", "...", "a.b.c", "é.é.é", "\x00", "null", "Bearer", "' OR 1=1 --"], ids=repr
)
async def test_nonsense(auth: Auth, text: str) -> None:
    await refuses(auth, text)


async def test_a_refresh_token_is_no_access_token_and_the_reverse(auth: Auth, client: Any) -> None:
    user = await signed_in(auth)
    await refuses(auth, user.refresh_token)
    answer = await client.post("/auth/refresh", json={"refresh_token": user.access_token})
    assert (answer.status_code, answer.json()["code"]) == (401, "invalid_refresh_token")


@pytest.mark.parametrize(
    "text",
    ["' OR '1'='1", "'; DROP TABLE authkeep_users; --", '"', "\\", "%00", "$$", "{}", "/*", "`", "\xff\xfe"],
    ids=repr,
)
async def test_sql_metacharacters_in_every_credential_header(client_on: Any, text: str) -> None:
    raw = text.encode("latin-1")
    for name in (b"Authorization", b"Cookie", b"Authkeep-Device", b"X-Forwarded-For"):
        for value in (
            raw,
            b"Bearer " + raw,
            b"Basic " + raw,
            b"authkeep_refresh=" + raw,
            b"__Host-authkeep_refresh=" + raw,
        ):
            answer = await client_on.get("/auth/me", headers=[(name, value)])
            assert answer.status_code == 401
            answer = await client_on.post("/auth/refresh", headers=[(name, value)])
            assert answer.status_code in (401, 403, 422)

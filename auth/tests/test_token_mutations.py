"""Every token that is nearly one of ours. Whatever it was turned into, it is refused, and PyJWT would not do less."""

import base64
import string
from collections.abc import Iterator
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from joserfc.jwk import OctKey
from jwt.types import Options

from authkeep import InvalidToken, Role, SigningKeys
from authkeep.access_tokens import TYPE, AccessTokens
from authkeep.key_ring import Algorithm
from authkeep.principal import Principal

NOW = 1_767_268_800.0
PRINCIPAL = Principal("0198c0de-0000-7000-8000-00000000000a", "0198c0de-0000-7000-8000-00000000000b", Role.USER)
ALPHABET = string.ascii_letters + string.digits + "-_"
ELSEWHERE = "+/=.~ \t\r\n\x00%,;:'\"\\é\u2028\U0001f511\ud800"


class Deployment:
    """One key of one algorithm, and a token of it."""

    def __init__(self, algorithm: Algorithm, *, accept_eddsa: bool = False) -> None:
        self.keys = SigningKeys.generate(algorithm)
        self.verifier = AccessTokens(
            self.keys, issuer="https://a.example", audience="a", lifetime_seconds=300, accept_eddsa=accept_eddsa
        )
        self.token, _ = self.verifier.mint(PRINCIPAL, epoch=0, jti=bytes(16), now=NOW)

    def accepts(self, token: str) -> bool:
        try:
            self.verifier.verify(token, now=NOW)
        except InvalidToken:
            return False
        return True


DEPLOYMENTS = {algorithm: Deployment(algorithm) for algorithm in ("Ed25519", "HS256")}


def secret_of(deployment: Deployment) -> bytes | Ed25519PrivateKey:
    jwk = deployment.keys.ring.newest.jwk
    secret = jwk.raw_value if isinstance(jwk, OctKey) else jwk.private_key
    assert isinstance(secret, bytes | Ed25519PrivateKey)
    return secret


@pytest.fixture(params=DEPLOYMENTS)
def deployment(request: pytest.FixtureRequest) -> Deployment:
    found: Deployment = DEPLOYMENTS[request.param]
    assert found.accepts(found.token)
    return found


def test_every_single_character_replaced(deployment: Deployment) -> None:
    token = deployment.token
    for place, original in enumerate(token):
        # The whole alphabet where its characters may mean the same bytes: before a dot, and at the end.
        last = token[place + 1 : place + 2] in ("", ".")
        for char in ALPHABET + ELSEWHERE if last else "A-" + ELSEWHERE:
            if char != original:
                assert not deployment.accepts(token[:place] + char + token[place + 1 :])


def test_every_single_character_left_out_doubled_or_swapped(deployment: Deployment) -> None:
    token = deployment.token
    for place in range(len(token)):
        assert not deployment.accepts(token[:place] + token[place + 1 :])
        assert not deployment.accepts(token[:place] + token[place] + token[place:])
        swapped = token[:place] + token[place : place + 2][::-1] + token[place + 2 :]
        assert swapped == token or not deployment.accepts(swapped)


def respellings(token: str) -> Iterator[str]:
    """Other texts that a lenient decoder takes for the same bytes."""
    parts = token.split(".")
    for which, part in enumerate(parts):
        raw = base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))
        standard = base64.b64encode(raw).decode()
        for spelt in (
            part + "=", part + "==", part + "===", standard, standard.rstrip("="), "A" + part, part[1:],
            base64.urlsafe_b64encode(raw).decode(), base64.b32encode(raw).decode(), raw.hex(), part + "A",
            part[:8] + "\n" + part[8:], part[:8] + " " + part[8:], part + "\r\n", "\ufeff" + part,
            "".join(f"%{ord(char):02X}" for char in part), part.translate(str.maketrans("abc", "ａｂｃ")),  # noqa: RUF001
        ):  # fmt: skip
            yield ".".join([*parts[:which], spelt, *parts[which + 1 :]])
    yield from (
        f"{token}.",
        f".{token}",
        f"{token}.e30",
        token.upper(),
        token.lower(),
        token[::-1],
        token * 2,
        f'"{token}"',
    )


def test_a_re_encoded_token_is_no_second_token(deployment: Deployment) -> None:
    spellings = {spelt for spelt in respellings(deployment.token) if spelt != deployment.token}
    assert len(spellings) > 40
    assert not [spelt for spelt in spellings if deployment.accepts(spelt)]


def test_a_token_put_together_from_two(deployment: Deployment) -> None:
    admin = Principal(PRINCIPAL.user_id, PRINCIPAL.login_id, Role.ADMIN)
    other, _ = deployment.verifier.mint(admin, epoch=0, jti=bytes(16), now=NOW)
    mine, theirs = deployment.token.split("."), other.split(".")
    for choice in range(1, 7):
        mixed = ".".join((theirs if choice >> which & 1 else mine)[which] for which in range(3))
        assert mixed in (deployment.token, other) or not deployment.accepts(mixed)


@given(data=st.data())
@hypothesis_settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_edit_is_refused(deployment: Deployment, data: st.DataObject) -> None:
    token = deployment.token
    begin = data.draw(st.integers(0, len(token)))
    end = data.draw(st.integers(begin, min(len(token), begin + 8)))
    inserted = data.draw(st.text(st.sampled_from(ALPHABET + "+/=."), max_size=8) | st.text(max_size=4))
    edited = token[:begin] + inserted + token[end:]
    assert edited == token or not deployment.accepts(edited)


@given(text=st.text(max_size=300) | st.from_regex(r"[A-Za-z0-9_-]*\.[A-Za-z0-9_-]*\.[A-Za-z0-9_-]{86}", fullmatch=True))
def test_any_text_is_refused_and_nothing_else_happens(text: str) -> None:
    assert not any(deployment.accepts(text) for deployment in DEPLOYMENTS.values())


def claims_and_times() -> st.SearchStrategy[dict[str, Any]]:
    times = st.integers(int(NOW) - 400, int(NOW) + 400) | st.none() | st.booleans() | st.sampled_from(["1", [], 1e300])
    texts = st.sampled_from(["https://a.example", "a", "", None, 7, ["a"]])
    return st.fixed_dictionaries(
        {},
        optional={"exp": times, "iat": times, "nbf": times, "iss": texts, "aud": texts, "sub": texts},
    )


@pytest.mark.parametrize("algorithm", ["HS256", "EdDSA"])
@given(changes=claims_and_times(), drop=st.sets(st.sampled_from(["exp", "iat", "iss", "aud", "sub"])))
def test_what_we_accept_pyjwt_accepts_too(algorithm: str, changes: dict[str, Any], drop: set[str]) -> None:
    """An oracle of somebody else's: over tokens that are well signed it must never be stricter than we are."""
    ours = _PEERS[algorithm]
    secret = secret_of(ours)
    claims = jwt.decode(ours.token, options={"verify_signature": False}) | changes
    claims = {name: value for name, value in claims.items() if name not in drop}
    header = {"typ": TYPE, "kid": ours.keys.ring.newest.kid}
    try:
        token = jwt.encode(claims, secret, algorithm=algorithm, headers=header)
    except TypeError:
        return  # PyJWT does not write what is no valid claim
    if ours.accepts(token):
        public = secret if isinstance(secret, bytes) else secret.public_key()
        required: Options = {"require": ["exp", "iat", "iss", "aud", "sub"]}
        # Its clock is the machine's, ours is NOW: the times are compared here.
        required |= {"verify_exp": False, "verify_iat": False, "verify_nbf": False}
        decoded = jwt.decode(
            token, public, algorithms=[algorithm], issuer="https://a.example", audience="a", options=required
        )
        assert decoded["exp"] > NOW
    elif not changes and not drop:
        raise AssertionError("an untouched token is refused")


_PEERS = {"HS256": DEPLOYMENTS["HS256"], "EdDSA": Deployment("Ed25519", accept_eddsa=True)}


def test_eddsa_is_taken_only_where_it_is_asked_for() -> None:
    asked, strict = _PEERS["EdDSA"], Deployment("Ed25519")
    for deployment in (asked, strict):
        claims = jwt.decode(deployment.token, options={"verify_signature": False})
        header = {"typ": TYPE, "kid": deployment.keys.ring.newest.kid}
        token = jwt.encode(claims, secret_of(deployment), algorithm="EdDSA", headers=header)
        assert deployment.accepts(token) is (deployment is asked)
        assert deployment.accepts(deployment.token)


@pytest.mark.parametrize("name", ["HS256", "HS384", "HS512", "Ed25519", "EdDSA", "none", "RS256"])
def test_the_header_never_chooses(name: str) -> None:
    """A token of one key, under the name of another algorithm, and signed with what the other key would be."""
    for deployment in DEPLOYMENTS.values():
        key = deployment.keys.ring.newest
        if name == key.algorithm:
            continue
        claims = jwt.decode(deployment.token, options={"verify_signature": False})
        secrets = [key.jwk.raw_value] if isinstance(key.jwk, OctKey) else [bytes(32), str(key.jwk["x"]).encode()]
        for secret in secrets:
            if name.startswith("HS"):
                header = {"typ": TYPE, "kid": key.kid}
                assert not deployment.accepts(
                    jwt.encode(claims, secret.ljust(64, b"\0"), algorithm=name, headers=header)
                )
        head, payload, signature = deployment.token.split(".")
        renamed = base64.urlsafe_b64encode(
            base64.urlsafe_b64decode(head + "==").replace(key.algorithm.encode(), name.encode())
        )
        assert not deployment.accepts(f"{renamed.decode().rstrip('=')}.{payload}.{signature}")


def test_a_key_of_one_algorithm_verifies_nothing_of_the_other_ones_kid() -> None:
    """Both algorithms are known to a deployment that is changing over; a kid still means one key."""
    ed25519, hs256 = (DEPLOYMENTS[name] for name in ("Ed25519", "HS256"))
    assert not ed25519.accepts(hs256.token)
    assert not hs256.accepts(ed25519.token)

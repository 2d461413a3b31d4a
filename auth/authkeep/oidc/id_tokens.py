"""ID tokens: who the provider says has signed in, verified (OpenID Connect Core 1.0, section 3.1.3.7).

Pure: keys and the time are arguments, nothing is fetched.
"""

import base64
import hashlib
import hmac
import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jws import JWSRegistry
from joserfc.util import urlsafe_b64decode

from authkeep.oidc.key_sets import KeySet
from authkeep.strict_json import StrictDecoder

_MAX_LENGTH = 64 * 1024
_MAX_SUBJECT = 255
_SKEW_SECONDS = 60.0
# It was made for this sign-in, which has ten minutes.
_MAX_AGE_SECONDS = 600.0
_COMPACT = re.compile(r"[A-Za-z0-9_-]{1,4096}\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+", re.ASCII)
_DIGESTS = {"256": hashlib.sha256, "384": hashlib.sha384, "512": hashlib.sha512, "519": hashlib.sha512}


class IdTokenRefused(Exception):
    """The token proves nothing. The reason is for the operator's log."""


class UnknownKey(IdTokenRefused):
    """It names a key that is not in the set: perhaps the provider has changed its keys."""


@dataclass(frozen=True, slots=True)
class Expected:
    """What the token of this very sign-in has in it.

    Attributes:
        algorithms: that it may be signed with.
        max_age: if asked for, how many seconds ago its user has proved who they are at most.
    """

    issuer: str
    client_id: str
    algorithms: frozenset[str]
    nonce: str = field(repr=False)
    access_token: str = field(repr=False)
    max_age: int | None = None


def verify_id_token(token: str, keys: KeySet, expected: Expected, now: float) -> Mapping[str, Any]:
    """The claims of a token that holds in every respect.

    Raises:
        UnknownKey: no key in the set is the one that it names.
        IdTokenRefused: it does not hold.
    """
    try:
        algorithm, claims = _verified(token, keys, expected.algorithms)
        check_subject(claims.get("sub"))
        _check_audience(claims, expected)
        _check_times(claims, expected, now)
        _check_binding(claims, expected, algorithm)
    except (JoseError, ValueError, TypeError, KeyError, OverflowError, RecursionError) as error:
        raise IdTokenRefused(str(error) or type(error).__name__) from None
    return claims


def _verified(token: str, keys: KeySet, algorithms: frozenset[str]) -> tuple[str, Mapping[str, Any]]:
    if len(token) > _MAX_LENGTH or not _COMPACT.fullmatch(token):
        raise ValueError("it is not a signed token")
    header = json.loads(urlsafe_b64decode(token.partition(".")[0].encode()), cls=StrictDecoder)
    if not isinstance(header, dict) or {"crit", "b64"} & header.keys():
        raise ValueError("its header asks for something special")
    algorithm, kid = header.get("alg"), header.get("kid")
    if type(algorithm) is not str or algorithm not in algorithms:
        raise ValueError("its algorithm is not among those of the provider's metadata")
    # An access token of the same provider, with the same signature, is no ID token (RFC 8725, section 3.11).
    if str(header.get("typ", "JWT")).upper() != "JWT" or not (kid is None or type(kid) is str):
        raise ValueError("its header is not an ID token's")
    key = keys.find(kid, algorithm)
    if key is None:
        raise UnknownKey("its key is not, or not clearly, among the provider's")
    registry = JWSRegistry(algorithms=[algorithm], strict_check_header=False)
    registry.max_header_length = 4096
    return algorithm, jwt.decode(token, key, registry=registry, decoder_cls=StrictDecoder).claims


def check_subject(subject: object) -> str:
    """The subject, which is all that an account is known by: never empty, never another type.

    Raises:
        ValueError: it cannot be anybody's (OpenID Connect Core, section 2: at most 255 ASCII characters).
    """
    if type(subject) is not str or not subject.strip() or len(subject) > _MAX_SUBJECT:
        raise ValueError("sub is not a text of 1 to 255 characters")
    if not subject.isascii() or not subject.isprintable():
        raise ValueError("sub is not ASCII")
    return subject


def _check_audience(claims: Mapping[str, Any], expected: Expected) -> None:
    if claims.get("iss") != expected.issuer:
        raise ValueError("iss is another issuer")
    audience, party = claims.get("aud"), claims.get("azp")
    audiences = [audience] if type(audience) is str else audience
    if not isinstance(audiences, list) or expected.client_id not in audiences:
        raise ValueError("aud is another client")
    if party != expected.client_id and (party is not None or len(audiences) > 1):
        raise ValueError("azp is another client")


def _check_times(claims: Mapping[str, Any], expected: Expected, now: float) -> None:
    issued, expires = _time(claims["iat"]), _time(claims["exp"])
    if now >= expires + _SKEW_SECONDS:
        raise ValueError("it has expired")
    if not now - _MAX_AGE_SECONDS - _SKEW_SECONDS < issued <= now + _SKEW_SECONDS:
        raise ValueError("iat is not of this sign-in")
    if _time(claims.get("nbf", 0)) > now + _SKEW_SECONDS:
        raise ValueError("it is not valid yet")
    proved_at = _time(claims["auth_time"]) if "auth_time" in claims else None
    if expected.max_age is not None and (proved_at is None or proved_at < now - expected.max_age - _SKEW_SECONDS):
        raise ValueError("auth_time does not say that the user has just proved who they are")


def _time(value: object) -> float:
    # bool is an int to Python, 1e999 is infinity, and a string would compare in other languages.
    if type(value) not in (int, float) or not math.isfinite(value):  # type: ignore[arg-type]  # one of the two
        raise ValueError("a time is not a number")
    return float(value)  # type: ignore[arg-type]


def _check_binding(claims: Mapping[str, Any], expected: Expected, algorithm: str) -> None:
    nonce, at_hash = claims.get("nonce"), claims.get("at_hash")
    if type(nonce) is not str or not hmac.compare_digest(nonce.encode(), expected.nonce.encode()):
        raise ValueError("nonce is not of this sign-in")
    if "at_hash" in claims:
        digest = _DIGESTS[algorithm[-3:]](expected.access_token.encode()).digest()
        half = base64.urlsafe_b64encode(digest[: len(digest) // 2]).rstrip(b"=")
        if type(at_hash) is not str or not hmac.compare_digest(at_hash.encode(), half):
            raise ValueError("at_hash is of another access token")

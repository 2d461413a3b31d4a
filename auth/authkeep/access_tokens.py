"""Access tokens: JWTs by RFC 9068, minted and verified here and nowhere else.

Pure: the time is an argument, nothing is read or written. Whether a token that verifies has been revoked is the
business of `authkeep.revocation`.
"""

import json
import math
import re
from dataclasses import dataclass
from typing import Any

from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jws import JWSRegistry
from joserfc.util import urlsafe_b64decode
from typing_extensions import override

from authkeep.errors import InvalidToken, StaleToken
from authkeep.key_ring import ED25519, HS256, SigningKey
from authkeep.keys import SigningKeys
from authkeep.principal import Principal, Role
from authkeep.strict_json import StrictDecoder

TYPE = "at+jwt"
MAX_LENGTH = 4096
_JITTER = 0.05
# How far the clocks of two machines of one deployment may differ. Expiry itself gets no leeway.
_SKEW_SECONDS = 30
# A signature of 64 bytes, or of 32.
_COMPACT = re.compile(r"[A-Za-z0-9_-]{1,256}\.[A-Za-z0-9_-]+\.(?:[A-Za-z0-9_-]{86}|[A-Za-z0-9_-]{43})", re.ASCII)
# The name that RFC 9864 deprecates: it leaves the curve open. Here the key says which one.
_EDDSA = "EdDSA"


@dataclass(frozen=True, slots=True)
class VerifiedToken:
    """Attributes:
    expires_at: Unix seconds.
    kid: of the key that signed it.
    """

    principal: Principal
    jti: str
    expires_at: float
    kid: str


class _OneAlgorithm(JWSRegistry):
    """What joserfc may do: the algorithm of the key, whatever name for it the header has."""

    def __init__(self, algorithm: str) -> None:
        super().__init__(algorithms=[algorithm])
        self._algorithm = algorithm

    @override
    def get_alg(self, name: str) -> Any:
        return super().get_alg(self._algorithm)


class AccessTokens:
    """Mints and verifies for one issuer and one audience.

    Args:
        accept_eddsa: also take tokens that name the algorithm of an Ed25519 key by its older name.
    """

    def __init__(
        self, keys: SigningKeys, *, issuer: str, audience: str, lifetime_seconds: float, accept_eddsa: bool = False
    ) -> None:
        self._keys = keys
        self._registries = {algorithm: _OneAlgorithm(algorithm) for algorithm in (ED25519, HS256)}
        self._names = {ED25519: {ED25519, _EDDSA} if accept_eddsa else {ED25519}, HS256: {HS256}}
        self._issuer = issuer
        self._audience = audience
        self._lifetime = lifetime_seconds

    def mint(self, principal: Principal, *, epoch: int, jti: bytes, now: float) -> tuple[str, int]:
        """A signed token, and the seconds it lives.

        Args:
            jti: 16 random bytes; the last one also decides the jitter of the lifetime.
            now: Unix seconds.
        """
        lifetime = int(self._lifetime * (1 - _JITTER * jti[-1] / 255))
        claims: dict[str, Any] = {
            "iss": self._issuer,
            "aud": self._audience,
            "sub": principal.user_id,
            "sid": principal.login_id,
            "jti": jti.hex(),
            "iat": int(now),
            "exp": int(now) + lifetime,
            "role": principal.role.value,
            "epoch": epoch,
            "auth_time": int(principal.authenticated_at),
            "amr": sorted(principal.methods),
        }
        if principal.scopes:
            claims["scope"] = " ".join(sorted(principal.scopes))
        key = self._keys.signing(now)
        header = {"alg": key.algorithm, "typ": TYPE, "kid": key.kid}
        return jwt.encode(header, claims, key.jwk, registry=self._registries[key.algorithm]), lifetime

    def verify(self, token: str, *, now: float) -> VerifiedToken:
        """The one verifier, for every door a token can come in by.

        Raises:
            InvalidToken: for whatever reason; the words are the same for all of them. A StaleToken when it was good.
        """
        if len(token) > MAX_LENGTH or not _COMPACT.fullmatch(token):
            raise InvalidToken
        try:
            key = self._trusted_key(token, now)
            registry = self._registries[key.algorithm]
            claims = jwt.decode(token, key.jwk, registry=registry, decoder_cls=StrictDecoder).claims
            self._check_times(claims, now)
            return self._verified(claims, key.kid)
        except (JoseError, ValueError, TypeError, KeyError, OverflowError, RecursionError):
            raise InvalidToken from None

    def _trusted_key(self, token: str, now: float) -> SigningKey:
        """One of ours, which the header names; what the header says of the algorithm has to fit it."""
        header = json.loads(urlsafe_b64decode(token.partition(".")[0].encode()), cls=StrictDecoder)
        if not isinstance(header, dict):
            raise TypeError("header")
        # Exactly what `mint` writes. So no crit, no b64, and no jku, jwk or x5u that could name a key.
        if header.keys() != {"alg", "typ", "kid"} or header["typ"] != TYPE:
            raise ValueError("header")
        key = self._keys.find(header["kid"], now)
        if key is None or header["alg"] not in self._names[key.algorithm]:
            raise ValueError("header")
        return key

    @staticmethod
    def _check_times(claims: dict[str, Any], now: float) -> None:
        # bool is an int to Python, and a string of digits would compare in other languages.
        issued, expires, not_before = claims["iat"], claims["exp"], claims.get("nbf", 0)
        if any(type(value) not in (int, float) for value in (issued, expires, not_before)):
            raise ValueError("times are numbers")
        # 1e999 is JSON and reads as infinity; an integer too large for a float raises OverflowError.
        if not all(math.isfinite(value) for value in (issued, expires, not_before)):
            raise ValueError("times are finite")
        if not now < expires:
            raise StaleToken
        if issued > now + _SKEW_SECONDS or not_before > now + _SKEW_SECONDS:
            raise ValueError("not valid now")

    def _verified(self, claims: dict[str, Any], kid: str) -> VerifiedToken:
        if claims["iss"] != self._issuer or claims["aud"] != self._audience:
            raise ValueError("meant for somebody else")
        texts = [claims["sub"], claims["sid"], claims["jti"], claims.get("scope", "")]
        if not all(type(text) is str for text in texts) or not all(texts[:3]) or type(claims["epoch"]) is not int:
            raise ValueError("claims")
        methods = claims["amr"]
        if type(claims["auth_time"]) is not int or not _is_list_of_texts(methods):
            raise ValueError("claims")
        principal = Principal(
            claims["sub"],
            claims["sid"],
            Role(claims["role"]),
            frozenset(texts[3].split()),
            float(claims["auth_time"]),
            frozenset(methods),
            epoch=claims["epoch"],
        )
        return VerifiedToken(principal, claims["jti"], float(claims["exp"]), kid)


def _is_list_of_texts(value: Any) -> bool:
    return type(value) is list and all(type(item) is str for item in value)

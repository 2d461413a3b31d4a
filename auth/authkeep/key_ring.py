"""The keys that sign and verify, as a value: which of them does what is a matter of the time, which is an argument.

A rotation writes down once what will happen when, and every process that has read it does the same at the same
moment, with nothing to agree on:

    now                  the new key is published, and verifies; the old one signs
    + PUBLISH_AHEAD      the new one signs; by then everybody has read the file, and fetched the public keys anew
    + OVERLAP            the old one drops out; by then every token that it signed has expired
"""

import json
import math
import secrets
from dataclasses import dataclass, field, replace
from typing import Any, Literal, Self, TypeAlias

from joserfc.errors import JoseError
from joserfc.jwk import OctKey, OKPKey
from joserfc.util import urlsafe_b64decode, urlsafe_b64encode

Algorithm: TypeAlias = Literal["Ed25519", "HS256"]
ED25519: Algorithm = "Ed25519"
HS256: Algorithm = "HS256"
# Twice what the public keys may stay in a cache.
PUBLISH_AHEAD = 600.0
# The longest lifetime that settings allow an access token, so that no setting has to be known here; and a minute for
# clocks that differ.
OVERLAP = 3660.0
MAX_KEYS = 2
# RFC 7518, section 3.2: a key at least as long as the hash.
_MIN_SECRET_BYTES = 32


class RotationUnderWay(ValueError):
    """There are two keys already, and the older one is still needed."""


@dataclass(frozen=True, slots=True)
class SigningKey:
    """One key, for one algorithm: the header of a token never chooses it.

    Attributes:
        created_at, signs_from, verifies_until: Unix seconds.

    Raises:
        ValueError: the key is not what its algorithm takes.
    """

    kid: str
    algorithm: Algorithm
    jwk: OKPKey | OctKey = field(repr=False)
    created_at: float = 0.0
    signs_from: float = 0.0
    verifies_until: float = math.inf

    def __post_init__(self) -> None:
        if isinstance(self.jwk, OctKey):
            fits = self.algorithm == HS256 and len(self.jwk.raw_value) >= _MIN_SECRET_BYTES
        else:
            fits = self.algorithm == ED25519 and self.jwk.curve_name == ED25519 and self.jwk.is_private
        if not fits:
            raise ValueError("a signing key must be a private Ed25519 key, or at least 32 bytes for HS256")

    @classmethod
    def generate(cls, algorithm: Algorithm, *, created_at: float = 0.0, signs_from: float = 0.0) -> Self:
        jwk = OctKey.generate_key(256) if algorithm == HS256 else OKPKey.generate_key("Ed25519")
        return cls(_name(jwk), algorithm, jwk, created_at, signs_from)

    @classmethod
    def read(cls, stored: dict[str, Any]) -> Self:
        """From a private JWK. `iat`, `nbf` and `exp` mean what they mean in a token, applied to the key.

        Raises:
            ValueError, KeyError, TypeError, JoseError: it is none.
        """
        material: dict[str, Any] = {name: stored[name] for name in ("kty", "crv", "x", "d", "k") if name in stored}
        jwk = OctKey.import_key(material) if stored["kty"] == "oct" else OKPKey.import_key(material)
        algorithm: Algorithm = HS256 if isinstance(jwk, OctKey) else ED25519
        if stored.get("alg", algorithm) != algorithm:
            raise ValueError("alg")
        times = [float(stored.get(name, default)) for name, default in (("iat", 0), ("nbf", 0), ("exp", math.inf))]
        return cls(str(stored.get("kid") or _name(jwk)), algorithm, jwk, *times)

    def stored(self) -> dict[str, Any]:
        """What `read` reads. A secret."""
        times = {"iat": self.created_at, "nbf": self.signs_from, "exp": self.verifies_until}
        finite = {name: value for name, value in times.items() if math.isfinite(value)}
        return {**self.jwk.as_dict(private=True), "kid": self.kid, "alg": self.algorithm, **finite}

    def published(self) -> dict[str, Any] | None:
        """The public half as a JWK (RFC 7517, section 4); None where there is none."""
        if isinstance(self.jwk, OctKey):
            return None
        return {**self.jwk.as_dict(private=False), "kid": self.kid, "alg": self.algorithm, "use": "sig"}


def _name(jwk: OKPKey | OctKey) -> str:
    # RFC 7638, section 7: the thumbprint of a secret is a function of the secret, and goes out with every token.
    return secrets.token_urlsafe(16) if isinstance(jwk, OctKey) else jwk.thumbprint()


@dataclass(frozen=True, slots=True)
class KeyRing:
    """One key, or two during a rotation, oldest first; and the root that other keys derive from.

    Raises:
        ValueError: no key, too many, two of one name, none that lasts, or a root under 32 bytes.
    """

    keys: tuple[SigningKey, ...]
    root: bytes = field(repr=False)

    def __post_init__(self) -> None:
        if not 1 <= len(self.keys) <= MAX_KEYS:
            raise ValueError(f"there must be one or two signing keys, not {len(self.keys)}")
        if len({key.kid for key in self.keys}) != len(self.keys) or math.isfinite(self.newest.verifies_until):
            raise ValueError("the newest signing key must have a name of its own and no end")
        if len(self.root) < _MIN_SECRET_BYTES:
            raise ValueError("root must be at least 32 bytes")

    @classmethod
    def generate(cls, algorithm: Algorithm, now: float) -> Self:
        return cls((SigningKey.generate(algorithm, created_at=now),), secrets.token_bytes(32))

    @classmethod
    def read(cls, content: bytes) -> Self:
        """From JSON.

        Raises:
            ValueError: it is none, or not of keys. The message does not quote it, since it is made of secrets.
        """
        try:
            stored = json.loads(content)
            keys = tuple(SigningKey.read(jwk) for jwk in stored["keys"])
            return cls(keys, urlsafe_b64decode(stored["root"].encode("ascii")))
        except (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError, JoseError) as error:
            raise ValueError(f"not a key file of authkeep ({type(error).__name__})") from None

    def stored(self) -> str:
        """What `read` reads. A secret."""
        keys = [key.stored() for key in self.keys]
        return json.dumps({"keys": keys, "root": urlsafe_b64encode(self.root).decode()}, indent=2)

    @property
    def newest(self) -> SigningKey:
        return self.keys[-1]

    def live(self, now: float) -> tuple[SigningKey, ...]:
        """The keys that verify."""
        return tuple(key for key in self.keys if now < key.verifies_until)

    def signing(self, now: float) -> SigningKey:
        """The key that signs. Where the clock has gone back behind all of them, the oldest: something must."""
        return next((key for key in reversed(self.keys) if key.signs_from <= now), self.keys[0])

    def rotated(self, algorithm: Algorithm, now: float) -> "KeyRing":
        """With a new key that takes over in `PUBLISH_AHEAD` seconds.

        Raises:
            RotationUnderWay: the last one is not over.
        """
        live = self.live(now)
        if len(live) == MAX_KEYS:
            raise RotationUnderWay("a rotation is under way: the old key is still needed to verify tokens")
        (old,) = live
        signs_from = now + PUBLISH_AHEAD
        new = SigningKey.generate(algorithm, created_at=now, signs_from=signs_from)
        return KeyRing((replace(old, verifies_until=signs_from + OVERLAP), new), self.root)

    def replaced(self, algorithm: Algorithm, now: float) -> "KeyRing":
        """With one new key alone: no token that was signed before verifies any more."""
        return KeyRing((SigningKey.generate(algorithm, created_at=now),), self.root)

"""A provider's public keys (RFC 7517), as far as they can be used.

Providers publish keys for other purposes and of other kinds beside the ones that sign: what cannot be used here is
passed over, and the rest serves.
"""

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from joserfc.errors import JoseError
from joserfc.jwk import ECKey, OKPKey, RSAKey
from joserfc.util import urlsafe_b64decode

_log = logging.getLogger("authkeep.oidc")
PublicKey = RSAKey | ECKey | OKPKey
_KINDS: dict[str, type[RSAKey] | type[ECKey] | type[OKPKey]] = {"RSA": RSAKey, "EC": ECKey, "OKP": OKPKey}
_MAX_KEYS = 64
# Verifying takes time that rises with the square of the modulus.
_RSA_BITS = range(2048, 8193)
_KIND_OF_ALGORITHM = {"RS": "RSA", "PS": "RSA", "ES": "EC", "Ed": "OKP"}
_CURVES = {"ES256": "P-256", "ES384": "P-384", "ES512": "P-521", "Ed25519": "Ed25519"}
_PUBLIC_MEMBERS = frozenset({"kty", "n", "e", "crv", "x", "y"})


@dataclass(frozen=True, slots=True)
class VerificationKey:
    """Attributes:
    kid, algorithm: None where the provider says nothing of it.
    """

    key: PublicKey
    kid: str | None
    algorithm: str | None

    def fits(self, algorithm: str) -> bool:
        if self.algorithm not in (None, algorithm) or self.key.key_type != _KIND_OF_ALGORITHM[algorithm[:2]]:
            return False
        return isinstance(self.key, RSAKey) or self.key.curve_name == _CURVES[algorithm]


@dataclass(frozen=True, slots=True)
class KeySet:
    """The keys that verify signatures."""

    keys: tuple[VerificationKey, ...]

    def find(self, kid: str | None, algorithm: str) -> PublicKey | None:
        """The one key that this can mean; None also where there are several, since a guess is no check.

        A token may leave the `kid` out only where one key fits (OpenID Connect Core, section 10.1).
        """
        fitting = [known.key for known in self.keys if kid in (None, known.kid) and known.fits(algorithm)]
        return fitting[0] if len(fitting) == 1 else None


def read_key_set(document: Mapping[str, Any]) -> KeySet:
    """Raises:
    ValueError: it is no key set. A key that is of no use is no reason.
    """
    entries = document.get("keys")
    if not isinstance(entries, list) or len(entries) > _MAX_KEYS:
        raise ValueError(f"it is not a list of at most {_MAX_KEYS} keys")
    return KeySet(tuple(key for entry in entries if (key := _read_key(entry)) is not None))


def _read_key(entry: Any) -> VerificationKey | None:
    try:
        return _verification_key(entry)
    except (JoseError, ValueError, TypeError, KeyError, AttributeError, OverflowError) as error:
        _log.info("A key of the provider is passed over: %s", type(error).__name__)
        return None


def _verification_key(entry: Any) -> VerificationKey | None:
    if not isinstance(entry, dict) or not _is_for_signatures(entry):
        return None
    if entry["kty"] == "RSA" and _bits(entry["n"]) not in _RSA_BITS:
        return None
    # Nothing but the public numbers: what else stands in there is read by us, or by nobody.
    numbers = {name: value for name, value in entry.items() if name in _PUBLIC_MEMBERS}
    kid, algorithm = entry.get("kid"), entry.get("alg")
    if not all(value is None or type(value) is str for value in (kid, algorithm)):
        return None
    return VerificationKey(_KINDS[entry["kty"]].import_key(numbers), kid, algorithm)


def _is_for_signatures(entry: Mapping[str, Any]) -> bool:
    operations = entry.get("key_ops", ["verify"])
    return entry.get("use", "sig") == "sig" and isinstance(operations, list) and "verify" in operations


def _bits(number: str) -> int:
    return int.from_bytes(urlsafe_b64decode(number.encode("ascii"))).bit_length()

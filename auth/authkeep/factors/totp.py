"""Codes of an authenticator app: TOTP (RFC 6238).

SHA-1, six digits and thirty seconds: what every app can do, and many do whatever else they are told. The secret has
the 160 bits that RFC 4226, section 4, recommends.

Unlike a password it must be known to be checked. So it is encrypted (AES-256-GCM) under a key that lies outside of
the database, and bound to its user: a row that is moved to another account opens nothing.
"""

import base64
import binascii
import hmac
import logging
import re
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA1
from cryptography.hazmat.primitives.twofactor.totp import TOTP

_log = logging.getLogger("authkeep.factors")
STEP_SECONDS = 30
# One step either way, for clocks that differ and people who type slowly (RFC 6238, section 5.2).
_DRIFT = 1
_DIGITS = 6
_SECRET_BYTES = 20
_NONCE_BYTES = 12
_CODE = re.compile(r"[0-9]{6}", re.ASCII)
_MAX_TYPED = 20


@dataclass(frozen=True, slots=True)
class TotpOffer:
    """What an authenticator app is to be given. Shown once.

    Attributes:
        secret: base32, to be typed where no camera is at hand.
        uri: the same as `otpauth://`, for a QR code.
    """

    secret: str = field(repr=False)
    uri: str = field(repr=False)


class TotpSecrets:
    """Makes secrets, keeps them closed, and knows their codes."""

    def __init__(self, derive: Callable[[str], bytes], issuer: str) -> None:
        self._cipher = AESGCM(derive("totp secret"))
        # The label is "issuer:account": a colon of its own would end it early.
        self._issuer = issuer.replace(":", " ").strip()

    def make(self, user_id: str, account: str) -> tuple[str, TotpOffer]:
        """A new secret, encrypted for the store, and as its user is to see it. `account` is shown in the app."""
        secret = secrets.token_bytes(_SECRET_BYTES)
        nonce = secrets.token_bytes(_NONCE_BYTES)
        sealed = nonce + self._cipher.encrypt(nonce, secret, user_id.encode())
        uri = _totp(secret).get_provisioning_uri(account.replace(":", " "), self._issuer)
        return base64.b64encode(sealed).decode("ascii"), TotpOffer(base64.b32encode(secret).decode("ascii"), uri)

    def matching_step(self, sealed: str, user_id: str, code: str, now: float) -> int | None:
        """The step whose code this is, if it is one of around `now` (Unix seconds)."""
        typed = "".join(code[:_MAX_TYPED].split())
        secret = self._open(sealed, user_id)
        if secret is None or not _CODE.fullmatch(typed):
            return None
        totp, current = _totp(secret), int(now) // STEP_SECONDS
        steps = range(current - _DRIFT, current + _DRIFT + 1)
        fits = [step for step in steps if hmac.compare_digest(totp.generate(step * STEP_SECONDS), typed.encode())]
        return fits[-1] if fits else None

    def _open(self, sealed: str, user_id: str) -> bytes | None:
        try:
            data = base64.b64decode(sealed, validate=True)
            return self._cipher.decrypt(data[:_NONCE_BYTES], data[_NONCE_BYTES:], user_id.encode())
        except (binascii.Error, InvalidTag, ValueError):
            _log.error("The authenticator secret of user %s cannot be decrypted: is it the right key file?", user_id)
            return None


def _totp(secret: bytes) -> TOTP:
    # HMAC does not rest on what SHA-1 has lost (RFC 6194, section 3.3).
    return TOTP(secret, _DIGITS, SHA1(), STEP_SECONDS)  # noqa: S303

"""Device tokens: a browser that has signed in before is known again, and has a lane of its own.

Whoever guesses at an account uses up what the account allows to strangers. Its owner must not be locked out by that: so
a device on which somebody has signed in carries a token, and what it counts against is its own limit, nobody else's.
Source: OWASP, "Slow Down Online Guessing Attacks with Device Cookies".

A token is `akd_` + base64url(nonce 16 B | expiry 4 B | one to eight accounts, 8 B each | seal 16 B). It signs nobody
in, it names nobody (an account is a keyed digest of its e-mail address), and it helps only at the accounts in it.
"""

import base64
import binascii
import hmac
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

from authkeep.email_address import parse_email
from authkeep.errors import InvalidEmail

PREFIX = "akd_"
_NONCE, _EXPIRY, _ACCOUNT, _SEAL = 16, 4, 8, 16
_MAX_ACCOUNTS = 8
_MAX_LENGTH = 160


@dataclass(frozen=True, slots=True)
class KnownDevice:
    """Attributes:
    id: hex; the same for as long as the device goes on signing in.
    accounts: keyed digests of those who signed in on it, the latest first.
    """

    id: str
    accounts: tuple[bytes, ...]

    def knows(self, account: bytes) -> bool:
        return account in self.accounts


class DeviceTokens:
    """Makes and reads tokens; knows the keys, not the database."""

    def __init__(self, derive: Callable[[str], bytes], lifetime: timedelta) -> None:
        self._seal_key = derive("device token seal")
        self._account_key = derive("device token account")
        self._lifetime = int(lifetime.total_seconds())

    def account(self, email: str) -> bytes:
        """What stands for an account in tokens and limits: the same whether there is such an account or not."""
        try:
            key = parse_email(email)[1]
        except InvalidEmail:
            key = email
        return hmac.digest(self._account_key, key.encode("utf-8", "surrogatepass"), "sha256")[:_ACCOUNT]

    def issue(self, device: KnownDevice | None, account: bytes, now: float) -> str:
        """A token for the device on which this account has just signed in; `now` is in Unix seconds."""
        nonce = bytes.fromhex(device.id) if device else secrets.token_bytes(_NONCE)
        others = [other for other in device.accounts if other != account] if device else []
        expiry = (int(now) + self._lifetime).to_bytes(_EXPIRY, "big")
        return self._sealed(nonce + expiry + b"".join([account, *others][:_MAX_ACCOUNTS]))

    def read(self, text: str | None, now: float) -> KnownDevice | None:
        """None when this is no token of this deployment, or it has expired: the device is a stranger then."""
        if text is None or not text.startswith(PREFIX) or len(text) > _MAX_LENGTH or not text.isascii():
            return None
        encoded = text.removeprefix(PREFIX)
        try:
            token = base64.b64decode(encoded + "=" * (-len(encoded) % 4), b"-_", validate=True)
        except (binascii.Error, ValueError):
            return None
        body = token[:-_SEAL]
        # Against the whole text: base64 has several spellings of the same bytes.
        if not hmac.compare_digest(text, self._sealed(body)):
            return None
        nonce, expiry, accounts = body[:_NONCE], body[_NONCE : _NONCE + _EXPIRY], body[_NONCE + _EXPIRY :]
        if now >= int.from_bytes(expiry, "big"):
            return None
        return KnownDevice(nonce.hex(), tuple(accounts[at : at + _ACCOUNT] for at in range(0, len(accounts), _ACCOUNT)))

    def _sealed(self, body: bytes) -> str:
        seal = hmac.digest(self._seal_key, body, "sha256")[:_SEAL]
        return PREFIX + base64.urlsafe_b64encode(body + seal).rstrip(b"=").decode("ascii")

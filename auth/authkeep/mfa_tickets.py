"""The middle of a sign-in: a password was right, and the account wants more than that.

What is handed out then is no credential. It names the account as it was in that moment: a change of the password, an
end of all logins, or the disabling of the account makes it void.
"""

import hashlib
import hmac
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import timedelta

from authkeep.factors.errors import (
    InvalidMfaToken,
)
from authkeep.one_time_secrets import OneTimeSecrets
from authkeep.store import FactorsHeld, Purpose, Store, Ticket, User

LIFETIME = timedelta(minutes=5)
_ATTEMPTS = 5


@dataclass(frozen=True, slots=True)
class MfaRequired:
    """Attributes:
    mfa_token: good for five minutes and five attempts at one of `factors`.
    """

    mfa_token: str = field(repr=False)
    factors: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class HalfSignedIn:
    """Attributes:
    user: as they are now, which is as they were when the password was right.
    methods: how they have authenticated so far, as `amr` values.
    """

    user: User
    methods: frozenset[str]
    ticket: Ticket = field(repr=False)


class MfaTickets:
    """Issues them, and reads them when they come back."""

    def __init__(self, store: Store, secrets: OneTimeSecrets) -> None:
        self._store = store
        self._secrets = secrets

    async def issue(self, user: User, methods: Iterable[str], held: FactorsHeld) -> MfaRequired:
        """For a user who has proved one factor and holds more."""
        data = {"account": _fingerprint(user), "methods": " ".join(sorted(methods))}
        token = await self._secrets.issue(Purpose.MFA, LIFETIME, user_id=user.id, data=data)
        offered = {
            "totp": held.has_totp,
            "recovery_code": held.recovery_codes_left > 0,
            "passkey": bool(held.passkeys),
        }
        return MfaRequired(token, tuple(factor for factor, is_held in offered.items() if is_held))

    async def read(self, mfa_token: str) -> HalfSignedIn:
        """Raises:
        InvalidMfaToken: never issued, expired, used, or the account is not what it was.
        """
        ticket = await self._secrets.find(Purpose.MFA, mfa_token)
        user = await self._store.find_user(ticket.user_id) if ticket and ticket.user_id else None
        if ticket is None or user is None or user.disabled:
            raise InvalidMfaToken
        if not hmac.compare_digest(ticket.data["account"], _fingerprint(user)):
            raise InvalidMfaToken
        return HalfSignedIn(user, frozenset(ticket.data["methods"].split()), ticket)

    async def count_attempt(self, half: HalfSignedIn) -> None:
        """Before the check, so that parallel guesses are no more than five.

        Raises:
            InvalidMfaToken: those were used up.
        """
        if not await self._store.count_attempt(half.ticket.id, _ATTEMPTS + 1):
            raise InvalidMfaToken

    async def redeem(self, mfa_token: str) -> None:
        """Raises:
        InvalidMfaToken: somebody else was first.
        """
        if await self._secrets.take(Purpose.MFA, mfa_token) is None:
            raise InvalidMfaToken


def _fingerprint(user: User) -> str:
    # The hash of the password is salted and slow; a digest of it tells nothing that the row beside it does not.
    return hashlib.sha256(f"{user.epoch}:{user.password_hash}".encode()).hexdigest()

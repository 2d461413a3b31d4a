"""One-time secrets: made here, sent out, and good for one thing once when they come back.

The store knows a SHA-256 of each, in a `Ticket`. That is enough: a secret has 256 random bits, so there is nothing to
guess, and whoever reads the database holds nothing that opens anything.
"""

import hashlib
import secrets
from collections.abc import Mapping
from datetime import timedelta

from uuid_utils.compat import uuid7

from authkeep.clock import Clock
from authkeep.store import Purpose, Ticket, Tickets

_LENGTH = 43


class OneTimeSecrets:
    """Issues and redeems."""

    def __init__(self, tickets: Tickets, clock: Clock) -> None:
        self._tickets = tickets
        self._clock = clock

    async def issue(
        self,
        purpose: Purpose,
        lifetime: timedelta,
        *,
        user_id: str | None = None,
        data: Mapping[str, str] | None = None,
        replacing: bool = False,
    ) -> str:
        """A new secret; with `replacing`, those that the user holds for the same purpose are void from now on."""
        secret = secrets.token_urlsafe(32)
        now = self._clock.now()
        ticket = Ticket(str(uuid7()), purpose, _hash(secret), user_id, data or {}, now, now + lifetime)
        await self._tickets.add_ticket(ticket, replacing=replacing)
        return secret

    async def find(self, purpose: Purpose, secret: str) -> Ticket | None:
        """The ticket of a secret that is still good; None for whatever else was presented."""
        if len(secret) != _LENGTH:
            return None
        return await self._tickets.find_ticket(purpose, _hash(secret), self._clock.now())

    async def take(self, purpose: Purpose, secret: str) -> Ticket | None:
        """As `find`, and it is good no more: of many callers, exactly one gets it."""
        if len(secret) != _LENGTH:
            return None
        return await self._tickets.take_ticket(purpose, _hash(secret), self._clock.now())


def _hash(secret: str) -> str:
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()

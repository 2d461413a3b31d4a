"""Tickets: short-lived secrets that are good for one thing, once.

A mailed link, the middle of a sign-in with two factors, the state of a sign-in elsewhere, a passkey's challenge: each
is a random secret, of which the store knows a hash, a purpose, and a few words to be remembered until it comes back.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Protocol


class Purpose(StrEnum):
    """What a ticket is good for; it is good for nothing else."""

    VERIFY_EMAIL = "verify_email"
    CHANGE_EMAIL = "change_email"
    RESET_PASSWORD = "reset_password"  # noqa: S105 - a purpose, not a password
    MFA = "mfa"
    PASSKEY_REGISTRATION = "passkey_registration"
    PASSKEY_SIGN_IN = "passkey_sign_in"
    STEP_UP = "step_up"
    OIDC = "oidc"


@dataclass(frozen=True, slots=True)
class Ticket:
    """Attributes:
    secret_hash: SHA-256 of the secret, hex; unique.
    user_id: whose it is; None where nobody is known yet.
    data: what must be remembered, in JSON's types; never a credential in the clear.
    attempts: how often a wrong answer came with it.
    """

    id: str
    purpose: Purpose
    secret_hash: str = field(repr=False)
    user_id: str | None
    data: Mapping[str, str]
    created_at: datetime
    expires_at: datetime
    attempts: int = 0


class Tickets(Protocol):
    """Tickets that have not been taken and have not expired."""

    async def add_ticket(self, ticket: Ticket, *, replacing: bool = False) -> None:
        """Store a ticket; with `replacing`, those that its user holds for the same purpose are void from now on.

        Of a user who is gone meanwhile it opens nothing, whether it is stored or not.
        """
        ...

    async def find_ticket(self, purpose: Purpose, secret_hash: str, now: datetime) -> Ticket | None:
        """A ticket that can still be taken."""
        ...

    async def take_ticket(self, purpose: Purpose, secret_hash: str, now: datetime) -> Ticket | None:
        """Redeem a ticket: of many callers, exactly one gets it."""
        ...

    async def count_attempt(self, ticket_id: str, limit: int) -> bool:
        """Count one wrong answer. False, and the ticket is void, when that was the last one of `limit`."""
        ...

    async def drop_tickets(self, user_id: str, purpose: Purpose) -> None:
        """Make void what a user holds for a purpose."""
        ...

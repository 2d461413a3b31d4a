"""External identities: which account a subject at a provider signs in to."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from authkeep.store.audit import AuditEvent
from authkeep.store.users import User


@dataclass(frozen=True, slots=True)
class Identity:
    """One way in through a provider. `issuer` and `subject` say whose it is; nothing else does.

    Attributes:
        provider: by which id the issuer was known when this was stored.
        email: what the provider called the person then; shown, and never looked up.
    """

    id: str
    user_id: str
    provider: str
    issuer: str
    subject: str
    email: str
    created_at: datetime
    last_used_at: datetime | None = None


class Identities(Protocol):
    """External identities, unique by issuer and subject."""

    async def use_identity(self, issuer: str, subject: str, now: datetime) -> User | None:
        """Whose identity this is, noting when it was used."""
        ...

    async def add_user_with_identity(self, user: User, identity: Identity, *, event: AuditEvent | None = None) -> None:
        """Store a new user and their identity, both or neither. They become nobody's first admin.

        Raises:
            EmailTaken: another account has this `email_key`.
            IdentityTaken: somebody has this identity.
        """
        ...

    async def add_identity(self, identity: Identity, *, event: AuditEvent | None = None) -> None:
        """Raises:
        IdentityTaken: somebody has it, perhaps this very user.
        """
        ...

    async def list_identities(self, user_id: str, limit: int, before: str | None) -> Sequence[Identity]:
        """Newest first, at most `limit`, older than the identity `before`."""
        ...

    async def remove_identity(
        self, identity_id: str, user_id: str, usable: Collection[str], *, event: AuditEvent | None = None
    ) -> bool:
        """False when this user has no such identity.

        Args:
            usable: issuers by which anybody can sign in today.

        Raises:
            LastWayIn: there is no password, no passkey and no other identity of a usable issuer.
        """
        ...

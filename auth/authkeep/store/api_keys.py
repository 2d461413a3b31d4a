"""API keys: what programs present instead of signing in."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from authkeep.store.audit import AuditEvent
from authkeep.store.revocations import Revocation
from authkeep.store.users import User


@dataclass(frozen=True, slots=True)
class ApiKey:
    """Attributes:
    hint: how it begins and ends, by which its user tells it from others.
    secret_hash: SHA-256 of the whole key, hex; unique. The key has 256 random bits, so nothing slower is needed.
    expires_at: None is never.
    last_used_at: to the minute; None before the first use.
    """

    id: str
    user_id: str
    name: str
    hint: str
    secret_hash: str = field(repr=False)
    scopes: tuple[str, ...]
    created_at: datetime
    expires_at: datetime | None
    last_used_at: datetime | None = None


class ApiKeys(Protocol):
    """API keys. A revoked one is gone; one that has expired stays in the list until its user removes it."""

    async def add_api_key(self, key: ApiKey, limit: int, *, event: AuditEvent | None = None) -> bool:
        """False, and nothing is stored, when the user has `limit` keys, is disabled, or gone."""
        ...

    async def find_api_key(self, secret_hash: str) -> tuple[ApiKey, User] | None:
        """The key and whose it is, as they are now."""
        ...

    async def list_api_keys(self, user_id: str, limit: int, before: str | None) -> Sequence[ApiKey]:
        """A user's keys, newest first, older than the key `before`."""
        ...

    async def revoke_api_key(self, revocation: Revocation, *, event: AuditEvent | None = None) -> bool:
        """Remove the key whose id is the revocation's `sid`; False when its user has no such key."""
        ...

    async def note_api_keys_used(self, used: Mapping[str, datetime]) -> None:
        """Set `last_used_at`, by id, of keys that are still there; never back to an earlier time."""
        ...

"""External identities in memory."""

from collections.abc import Collection, Sequence
from dataclasses import replace
from datetime import datetime

from authkeep.errors import EmailTaken
from authkeep.oidc.errors import IdentityTaken, LastWayIn
from authkeep.store import AuditEvent, Identity, User
from authkeep.testing.tables import Tables


class MemoryIdentities(Tables):
    """`Identities`."""

    async def use_identity(self, issuer: str, subject: str, now: datetime) -> User | None:
        found = self._find_identity(issuer, subject)
        if found is None:
            return None
        self.identities[found.id] = replace(found, last_used_at=now)
        return self.users.get(found.user_id)

    async def add_user_with_identity(self, user: User, identity: Identity, *, event: AuditEvent | None = None) -> None:
        if any(known.email_key == user.email_key for known in self.users.values()):
            raise EmailTaken
        await self.add_identity(identity, event=event)
        self.users[user.id] = user

    async def add_identity(self, identity: Identity, *, event: AuditEvent | None = None) -> None:
        if self._find_identity(identity.issuer, identity.subject) is not None:
            raise IdentityTaken
        self.identities[identity.id] = identity
        self._append(event)

    async def list_identities(self, user_id: str, limit: int, before: str | None) -> Sequence[Identity]:
        mine = [known for known in self.identities.values() if known.user_id == user_id]
        older = [known for known in mine if before is None or known.id < before]
        return sorted(older, key=lambda known: known.id, reverse=True)[:limit]

    async def remove_identity(
        self, identity_id: str, user_id: str, usable: Collection[str], *, event: AuditEvent | None = None
    ) -> bool:
        found = self.identities.get(identity_id)
        if found is None or found.user_id != user_id:
            return False
        if not self._has_another_way_in(found, usable):
            raise LastWayIn
        del self.identities[identity_id]
        self._append(event)
        return True

    def _has_another_way_in(self, removed: Identity, usable: Collection[str]) -> bool:
        mine = [known for known in self.identities.values() if known.user_id == removed.user_id and known != removed]
        passkeys = any(key.user_id == removed.user_id for key in self.passkeys.values())
        password = self.users[removed.user_id].password_hash is not None
        return password or passkeys or any(known.issuer in usable for known in mine)

    def _find_identity(self, issuer: str, subject: str) -> Identity | None:
        known = self.identities.values()
        return next((one for one in known if (one.issuer, one.subject) == (issuer, subject)), None)

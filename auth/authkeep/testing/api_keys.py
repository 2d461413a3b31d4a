"""API keys in memory."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from authkeep.store import ApiKey, AuditEvent, Revocation, User
from authkeep.testing.tables import Tables


class MemoryApiKeys(Tables):
    """`ApiKeys`."""

    async def add_api_key(self, key: ApiKey, limit: int, *, event: AuditEvent | None = None) -> bool:
        user = self.users.get(key.user_id)
        held = sum(1 for other in self.api_keys.values() if other.user_id == key.user_id)
        if user is None or user.disabled or held >= limit:
            return False
        self.api_keys[key.id] = key
        self._append(event)
        return True

    async def find_api_key(self, secret_hash: str) -> tuple[ApiKey, User] | None:
        key = next((key for key in self.api_keys.values() if key.secret_hash == secret_hash), None)
        user = self.users.get(key.user_id) if key else None
        return (key, user) if key and user else None

    async def list_api_keys(self, user_id: str, limit: int, before: str | None) -> Sequence[ApiKey]:
        mine = [key for key in self.api_keys.values() if key.user_id == user_id and (before is None or key.id < before)]
        return sorted(mine, key=lambda key: key.id, reverse=True)[:limit]

    async def revoke_api_key(self, revocation: Revocation, *, event: AuditEvent | None = None) -> bool:
        key = self.api_keys.get(revocation.sid or "")
        if key is None or key.user_id != revocation.user_id:
            return False
        del self.api_keys[key.id]
        self.revocations.append(revocation)
        self._append(event)
        return True

    async def note_api_keys_used(self, used: Mapping[str, datetime]) -> None:
        for key_id, moment in used.items():
            key = self.api_keys.get(key_id)
            if key is not None and (key.last_used_at is None or key.last_used_at < moment):
                self.api_keys[key_id] = replace(key, last_used_at=moment)

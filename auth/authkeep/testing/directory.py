"""The directory in memory."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime

from authkeep.store import User, UserEntry, UserFilter
from authkeep.testing.factors import MemoryFactors
from authkeep.testing.logins import is_live


class MemoryDirectory(MemoryFactors):
    """`Directory`."""

    async def list_users(
        self, wanted: UserFilter, now: datetime, limit: int, before: str | None
    ) -> Sequence[UserEntry]:
        found = [
            user for user in self.users.values() if _is_wanted(user, wanted) and (before is None or user.id < before)
        ]
        newest = sorted(found, key=lambda user: user.id, reverse=True)[:limit]
        return [await self._entry(user, now) for user in newest]

    async def find_emails(self, user_ids: Collection[str]) -> Mapping[str, str]:
        return {user_id: self.users[user_id].email for user_id in user_ids if user_id in self.users}

    async def _entry(self, user: User, now: datetime) -> UserEntry:
        live = sum(login.user_id == user.id and is_live(login, now) for login in self.logins.values())
        return UserEntry(user, live, (await self.find_factors(user.id)).has_second)


def _is_wanted(user: User, wanted: UserFilter) -> bool:
    text = wanted.text.lower()
    return wanted.user_id in (None, user.id) and (text in user.email.lower() or text in user.name.lower())

"""Revocations in memory."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from authkeep.store import Login, Revocation, RevocationFeed
from authkeep.testing.tables import Tables


class MemoryRevocations(Tables):
    """`Revocations`."""

    def feed(self) -> RevocationFeed:
        return self.process_feed

    async def list_revocations(self, now: datetime) -> Sequence[Revocation]:
        return [entry for entry in self.revocations if entry.expires_at > now]

    async def is_live(self, sid: str, user_id: str, epoch: int) -> bool:
        login, user = self.logins.get(sid), self.users.get(user_id)
        if login is None or user is None or login.user_id != user_id:
            return False
        return login.ended_at is None and not user.disabled and epoch >= user.epoch

    async def purge(self, now: datetime) -> None:
        self.revocations = list(await self.list_revocations(now))
        self.logins = {sid: login for sid, login in self.logins.items() if _is_worth_keeping(login, now)}
        self.tickets = {key: ticket for key, ticket in self.tickets.items() if ticket.expires_at > now}


def _is_worth_keeping(login: Login, now: datetime) -> bool:
    if login.ended_at is not None and login.ended_at <= now - timedelta(days=1):
        return False
    return now < min(login.idle_expires_at, login.expires_at)

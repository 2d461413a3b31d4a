"""Logins in memory."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime

from uuid_utils.compat import uuid7

from authkeep.store import ONE_BY_ONE, AuditEvent, Ending, Login, Revocation, Rotation, User
from authkeep.testing.tables import Tables


class MemoryLogins(Tables):
    """`Logins`."""

    async def add_login(self, login: Login, user: User, *, event: AuditEvent | None = None) -> bool:
        stored = self.users.get(user.id)
        if stored is None or stored.disabled:
            return False
        if (stored.epoch, stored.password_hash) != (user.epoch, user.password_hash):
            return False
        self.logins[login.sid] = login
        self.users[user.id] = replace(stored, last_sign_in_at=login.created_at)
        self._append(event)
        return True

    async def rotate_login(self, sid: str, decide: Callable[[Login], Rotation]) -> tuple[Rotation, User] | None:
        login = self.logins.get(sid)
        user = self.users.get(login.user_id) if login else None
        if login is None or user is None:
            return None
        rotation = decide(login)
        self.logins[sid] = rotation.login
        if rotation.revocation is not None:
            self.revocations.append(rotation.revocation)
        self._append(rotation.event)
        return rotation, user

    async def step_up_login(
        self, sid: str, user_id: str, at: datetime, methods: Sequence[str], *, event: AuditEvent | None = None
    ) -> tuple[Login, User] | None:
        login, user = self.logins.get(sid), self.users.get(user_id)
        if login is None or login.user_id != user_id or login.ended_at is not None:
            return None
        if user is None or user.disabled:
            return None
        changed = self.logins[sid] = replace(login, authenticated_at=at, methods=tuple(methods))
        self._append(event)
        return changed, user

    async def list_logins(self, user_id: str, now: datetime, limit: int, before: str | None) -> Sequence[Login]:
        mine = [login for login in self.logins.values() if login.user_id == user_id and is_live(login, now)]
        older = [login for login in mine if before is None or login.sid < before]
        return sorted(older, key=lambda login: login.sid, reverse=True)[:limit]

    async def end_login(
        self, sid: str, user_id: str, ending: Ending, *, event: AuditEvent | None = None
    ) -> Revocation | None:
        login = self.logins.get(sid)
        if login is None or login.user_id != user_id or login.ended_at is not None:
            return None
        self._end(sid, ending)
        entry = Revocation(str(uuid7()), sid, user_id, None, ending.remember_until)
        self.revocations.append(entry)
        self._append(event)
        return entry

    def _end_logins(self, user: User, ending: Ending | None, keep_sid: str | None) -> list[Revocation]:
        if ending is None:
            return []
        mine = [login.sid for login in self.logins.values() if login.user_id == user.id and login.ended_at is None]
        ended = [sid for sid in mine if sid != keep_sid]
        for sid in ended:
            self._end(sid, ending)
        if keep_sid is not None and len(ended) <= ONE_BY_ONE:
            entries = [Revocation(str(uuid7()), sid, user.id, None, ending.remember_until) for sid in ended]
        else:
            # Without a login to keep the caller has raised it.
            user = self.users[user.id] = replace(user, epoch=user.epoch + (keep_sid is not None))
            entries = [Revocation(str(uuid7()), None, user.id, user.epoch, ending.remember_until)]
        self.revocations += entries
        return entries

    def _end(self, sid: str, ending: Ending) -> None:
        self.logins[sid] = replace(self.logins[sid], ended_at=ending.at, end_reason=ending.reason, recent=())


def is_live(login: Login, now: datetime) -> bool:
    """Whether it can still be refreshed."""
    return login.ended_at is None and now < min(login.idle_expires_at, login.expires_at)

"""Accounts in memory."""

from collections.abc import Sequence
from dataclasses import replace

from uuid_utils.compat import uuid7

from authkeep.errors import EmailTaken, LastAdmin, RegistrationClosed
from authkeep.principal import Role
from authkeep.store import Admission, AuditEvent, Deletion, Ending, Revocation, User, UserChange
from authkeep.testing.logins import MemoryLogins

CHANGEABLE = ("name", "email", "email_key", "email_verified_at", "role", "disabled", "password_hash")


class MemoryUsers(MemoryLogins):
    """`Users` and `FirstAdmin`."""

    async def add_user(self, user: User, admission: Admission, *, event: AuditEvent | None = None) -> User:
        first = admission is not Admission.IMPORTED and await self.is_empty()
        if admission is Admission.FIRST_ONLY and not first:
            raise RegistrationClosed
        if user.id in self.users or await self.find_user_by_email(user.email_key) is not None:
            raise EmailTaken
        added = replace(user, role=Role.ADMIN) if first else user
        if first:
            self._first_admin = user.id
        self.users[user.id] = added
        self._append(event)
        return added

    async def find_user(self, user_id: str) -> User | None:
        return self.users.get(user_id)

    async def find_user_by_email(self, email_key: str) -> User | None:
        return next((user for user in self.users.values() if user.email_key == email_key), None)

    async def find_costliest_bcrypt(self) -> str | None:
        hashes = (user.password_hash for user in self.users.values())
        return max((found for found in hashes if found and found[:2] == "$2"), key=lambda it: it[4:6], default=None)

    async def change_user(
        self, user_id: str, change: UserChange, *, event: AuditEvent | None = None, also: AuditEvent | None = None
    ) -> tuple[User, Sequence[Revocation]] | None:
        user = self.users.get(user_id)
        if user is None or change.expected_password_hash not in (None, user.password_hash):
            return None
        if change.disabled or change.role not in (None, Role.ADMIN):
            self._keep_an_admin_besides(user_id)
        namesake = await self.find_user_by_email(change.email_key) if change.email_key else None
        if namesake is not None and namesake.id != user_id:
            raise EmailTaken
        given = {name: value for name in CHANGEABLE if (value := getattr(change, name)) is not None}
        raises_epoch = change.ending is not None and change.keep_sid is None
        changed = self.users[user_id] = replace(user, **given, epoch=user.epoch + raises_epoch)
        self._append(event)
        self._append(also)
        if change.voids_tickets:
            self.tickets = {key: ticket for key, ticket in self.tickets.items() if ticket.user_id != user_id}
        return changed, self._end_logins(changed, change.ending, change.keep_sid)

    async def delete_user(
        self, user_id: str, ending: Ending, *, event: AuditEvent | None = None
    ) -> Sequence[Revocation] | None:
        self._keep_an_admin_besides(user_id)
        user = self.users.pop(user_id, None)
        if user is None:
            return None
        self._forget(user_id)
        self.deletions[user_id] = Deletion(user_id, ending.at)
        entries = [Revocation(str(uuid7()), None, user_id, user.epoch + 1, ending.remember_until)]
        self.revocations += entries
        self._append(event)
        return entries

    def _keep_an_admin_besides(self, user_id: str) -> None:
        if [user.id for user in self.users.values() if user.role is Role.ADMIN and not user.disabled] == [user_id]:
            raise LastAdmin

    async def is_empty(self) -> bool:
        return self._first_admin is None and not self.users

"""The fakes, shipped, so that hosts' tests need not invent their own.

`MemoryStore` passes the behaviour suite that the SQL store passes. `signed_in` makes a user with a real login and real
tokens, without the cost of a password.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from uuid_utils.compat import uuid7

from authkeep.auth import Auth
from authkeep.email_address import parse_email
from authkeep.errors import EmailTaken, RegistrationClosed
from authkeep.logins import Device
from authkeep.passwords import PasswordHasher
from authkeep.principal import Principal, Role
from authkeep.store import Admission, Ending, Login, Revocation, Rotation, User, UserChange

# Measured in microseconds, not milliseconds. Never for real passwords.
CHEAP_ARGON2 = {"time_cost": 1, "memory_cost": 8}


class FrozenClock:
    """Stands still until it is told to advance."""

    def __init__(self, start: datetime = datetime(2026, 1, 1, 12, tzinfo=UTC)) -> None:
        self._now = start
        self._monotonic = 1000.0

    def now(self) -> datetime:
        return self._now

    def seconds(self) -> float:
        return self._now.timestamp()

    def monotonic(self) -> float:
        return self._monotonic

    def advance(self, by: timedelta) -> None:
        """Let time pass."""
        self._now += by
        self._monotonic += by.total_seconds()


class MemoryStore:
    """A `Store` in dictionaries. No method awaits anything half-way, which makes each one atomic."""

    def __init__(self) -> None:
        self.users: dict[str, User] = {}
        self.logins: dict[str, Login] = {}
        self.revocations: list[Revocation] = []
        self._first_admin: str | None = None

    async def add_user(self, user: User, admission: Admission) -> User:
        first = await self.is_empty()
        if admission is Admission.FIRST_ONLY and not first:
            raise RegistrationClosed
        if await self.find_user_by_email(user.email_key) is not None:
            raise EmailTaken
        added = replace(user, role=Role.ADMIN) if first else user
        self._first_admin = self._first_admin or user.id
        self.users[user.id] = added
        return added

    async def find_user(self, user_id: str) -> User | None:
        return self.users.get(user_id)

    async def find_user_by_email(self, email_key: str) -> User | None:
        return next((user for user in self.users.values() if user.email_key == email_key), None)

    async def change_user(self, user_id: str, change: UserChange) -> tuple[User, Sequence[Revocation]] | None:
        user = self.users.get(user_id)
        if user is None or change.expected_password_hash not in (None, user.password_hash):
            return None
        raises_epoch = change.ending is not None and change.keep_sid is None
        changed = replace(
            user,
            name=user.name if change.name is None else change.name,
            role=change.role or user.role,
            disabled=user.disabled if change.disabled is None else change.disabled,
            password_hash=change.password_hash or user.password_hash,
            epoch=user.epoch + raises_epoch,
        )
        self.users[user_id] = changed
        return changed, self._end_logins(changed, change.ending, change.keep_sid)

    def _end_logins(self, user: User, ending: Ending | None, keep_sid: str | None) -> list[Revocation]:
        if ending is None:
            return []
        mine = [login.sid for login in self.logins.values() if login.user_id == user.id and login.ended_at is None]
        ended = [sid for sid in mine if sid != keep_sid]
        for sid in ended:
            self._end(sid, ending)
        if keep_sid is None:
            entries = [Revocation(str(uuid7()), None, user.id, user.epoch, ending.remember_until)]
        else:
            entries = [Revocation(str(uuid7()), sid, user.id, None, ending.remember_until) for sid in ended]
        self.revocations += entries
        return entries

    def _end(self, sid: str, ending: Ending) -> None:
        self.logins[sid] = replace(self.logins[sid], ended_at=ending.at, end_reason=ending.reason, recent=())

    async def add_login(self, login: Login, user: User) -> bool:
        stored = self.users.get(user.id)
        if stored is None or stored.disabled:
            return False
        if (stored.epoch, stored.password_hash) != (user.epoch, user.password_hash):
            return False
        self.logins[login.sid] = login
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
        return rotation, user

    async def list_logins(self, user_id: str, now: datetime, limit: int, before: str | None) -> Sequence[Login]:
        mine = [login for login in self.logins.values() if login.user_id == user_id and _is_live(login, now)]
        older = [login for login in mine if before is None or login.sid < before]
        return sorted(older, key=lambda login: login.sid, reverse=True)[:limit]

    async def end_login(self, sid: str, user_id: str, ending: Ending) -> Revocation | None:
        login = self.logins.get(sid)
        if login is None or login.user_id != user_id or login.ended_at is not None:
            return None
        self._end(sid, ending)
        entry = Revocation(str(uuid7()), sid, user_id, None, ending.remember_until)
        self.revocations.append(entry)
        return entry

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

    async def is_empty(self) -> bool:
        return self._first_admin is None and not self.users


def _is_live(login: Login, now: datetime) -> bool:
    return login.ended_at is None and now < min(login.idle_expires_at, login.expires_at)


def _is_worth_keeping(login: Login, now: datetime) -> bool:
    if login.ended_at is not None and login.ended_at <= now - timedelta(days=1):
        return False
    return now < min(login.idle_expires_at, login.expires_at)


def cheap_passwords() -> PasswordHasher:
    """For `Auth(passwords=...)` in tests that register people by the dozen."""
    return PasswordHasher(**CHEAP_ARGON2)


@dataclass(frozen=True)
class SignedInUser:
    """Attributes:
    headers: what makes a request theirs.
    """

    user: User
    principal: Principal
    access_token: str
    refresh_token: str

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.access_token}"}


async def signed_in(auth: Auth, email: str = "alice@example.com", *, role: Role = Role.USER) -> SignedInUser:
    """A user with this role, created if need be, and a login of theirs. They have no password."""
    shown, key = parse_email(email)
    user = await auth.store.find_user_by_email(key)
    if user is None:
        added = User(str(uuid7()), shown, key, "", role, None, 0, False, auth.clock.now())
        user = await auth.store.add_user(added, Admission.ANYONE)
    if user.role is not role:
        changed = await auth.store.change_user(user.id, UserChange(role=role))
        user = changed[0] if changed else user
    login = await auth.logins.open(user, Device("127.0.0.1", "test"))
    principal = Principal(user.id, login.login_id, user.role)
    return SignedInUser(user, principal, login.access_token, login.refresh_token)

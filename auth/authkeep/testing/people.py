"""Users with real logins and real tokens, without the cost of a password."""

from collections.abc import Sequence
from dataclasses import dataclass

from uuid_utils.compat import uuid7

from authkeep.auth import Auth
from authkeep.device import Device
from authkeep.email_address import parse_email
from authkeep.logins import SignedIn
from authkeep.passwords import PasswordHasher
from authkeep.principal import Principal, Role
from authkeep.store import Admission, User, UserChange

# Measured in microseconds, not milliseconds. Never for real passwords.
CHEAP_ARGON2 = {"time_cost": 1, "memory_cost": 8}


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


async def signed_in(
    auth: Auth, email: str = "alice@example.com", *, role: Role | None = None, methods: Sequence[str] = ("pwd",)
) -> SignedInUser:
    """A user, created if need be without a password, and a login of theirs.

    Args:
        methods: how they signed in, as `amr` values: with `mfa` among them they may change their second factors.
        role: which a user of before is given too; without it, that one keeps theirs and a new one is no admin.
    """
    shown, key = parse_email(email)
    user = await auth.store.find_user_by_email(key)
    if user is None:
        now = auth.clock.now()
        added = User(str(uuid7()), shown, key, "", role or Role.USER, None, 0, False, now, now)
        # The first of all would be made an admin otherwise.
        user = await auth.store.add_user(added, Admission.IMPORTED)
    if role is not None and user.role is not role:
        changed = await auth.store.change_user(user.id, UserChange(role=role))
        user = changed[0] if changed else user
    login = await auth.logins.open(user, Device("127.0.0.1", "test"), methods)
    return SignedInUser(user, await auth.verify(login.access_token), login.access_token, login.refresh_token)


async def with_password(auth: Auth, email: str, password: str, device: Device) -> SignedIn:
    """The login of a user who has no second factor: `auth.logins.sign_in`, for the tests of everything else."""
    opened = await auth.logins.sign_in(email, password, device)
    assert isinstance(opened, SignedIn)
    return opened

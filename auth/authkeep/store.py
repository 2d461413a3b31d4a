"""The storage port: one Protocol per aggregate, and the frozen records that cross it.

Each method is one transaction, committed when it returns. A change that must bite at once writes its revocation
in the transaction of the change, so there is no instant at which one is stored and the other is not.

Adapters: `authkeep.sql.SqlStore` (SQLite, PostgreSQL) and `authkeep.testing.MemoryStore`. One behaviour suite
runs against all of them.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Protocol

from authkeep.principal import Role


class EndReason(StrEnum):
    """Why a login ended, as it is stored and audited."""

    LOGOUT = "logout"
    LOGOUT_ALL = "logout_all"
    ENDED_BY_USER = "ended_by_user"
    PASSWORD_CHANGED = "password_changed"  # noqa: S105 - a reason, not a password
    ROLE_CHANGED = "role_changed"
    DISABLED = "disabled"
    REUSED = "refresh_token_reused"


class Admission(StrEnum):
    """Who may be added: decided before, enforced inside the transaction that adds."""

    ANYONE = "anyone"
    FIRST_ONLY = "first_only"


@dataclass(frozen=True, slots=True)
class User:
    """An account.

    Attributes:
        email: as it is shown and written to.
        email_key: canonical form (`authkeep.email_address`), unique.
        name: what the user wants to be called; empty when they did not say.
        password_hash: PHC string; None for an account without a password.
        epoch: rises when every token minted before must die.
    """

    id: str
    email: str
    email_key: str
    name: str
    role: Role
    password_hash: str | None = field(repr=False)
    epoch: int
    disabled: bool
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Ancestor:
    """A refresh token that was rotated a moment ago, kept only as long as the grace window needs it.

    Attributes:
        token_hash: SHA-256 of the token, hex.
        nonce: hex; with the token itself, never without it, yields the token's successor.
        uses: how often the token was presented after its rotation.
    """

    token_hash: str
    nonce: str
    rotated_at: datetime
    uses: int


@dataclass(frozen=True, slots=True)
class Login:
    """One signed-in device: a lineage of refresh tokens of which exactly one is current.

    Attributes:
        sid: UUIDv7; the `sid` claim of the access tokens minted under it.
        token_hash: SHA-256 of the current refresh token, hex.
        recent: tokens rotated within the grace window, oldest first.
        idle_expires_at: moves with every rotation; `expires_at` never does.
        address, user_agent: as seen when the login was last used.
    """

    sid: str
    user_id: str
    token_hash: str = field(repr=False)
    recent: tuple[Ancestor, ...] = field(repr=False)
    created_at: datetime
    last_used_at: datetime
    idle_expires_at: datetime
    expires_at: datetime
    ended_at: datetime | None
    end_reason: EndReason | None
    address: str
    user_agent: str


@dataclass(frozen=True, slots=True)
class Revocation:
    """Either one login (`sid`) or every token of a user minted before `epoch`.

    Attributes:
        expires_at: when the last token it could refuse has expired by itself; of no use afterwards.
    """

    id: str
    sid: str | None
    user_id: str
    epoch: int | None
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class Ending:
    """How logins end: why, when, and until when their access tokens must be remembered as revoked."""

    reason: EndReason
    at: datetime
    remember_until: datetime


@dataclass(frozen=True, slots=True)
class UserChange:
    """What to write to one user; None leaves a field as it is.

    Attributes:
        expected_password_hash: write nothing unless the stored hash is still this one.
        ending: also end the user's logins. Without `keep_sid` all of them, by raising the epoch; with it, all
            others, each by its sid, so that the kept login's access token lives on.
    """

    name: str | None = None
    role: Role | None = None
    disabled: bool | None = None
    password_hash: str | None = None
    expected_password_hash: str | None = None
    ending: Ending | None = None
    keep_sid: str | None = None


@dataclass(frozen=True, slots=True)
class Rotation:
    """What the policy in `authkeep.refresh_tokens` decided about a presented refresh token.

    Attributes:
        login: the row to write.
        token: the current token of the lineage; None when the presented one is refused.
        revocation: to be written with it, when the presented token ends the login.
        too_often: the presented token is refused for now, and the login goes on.
    """

    login: Login
    token: str | None
    revocation: Revocation | None = None
    too_often: bool = False


class Users(Protocol):
    """Accounts."""

    async def add_user(self, user: User, admission: Admission) -> User:
        """Store a new user; as admin if nobody was here before, which exactly one caller ever is.

        Raises:
            EmailTaken: another account has this `email_key`.
            RegistrationClosed: `admission` is FIRST_ONLY and somebody was first.
        """
        ...

    async def find_user(self, user_id: str) -> User | None: ...

    async def find_user_by_email(self, email_key: str) -> User | None: ...

    async def change_user(self, user_id: str, change: UserChange) -> tuple[User, Sequence[Revocation]] | None:
        """None when there is no such user, or its password hash is not the expected one."""
        ...


class Logins(Protocol):
    """Logins, each with its lineage of refresh tokens."""

    async def add_login(self, login: Login, user: User) -> bool:
        """Store a new login unless `user` changed meanwhile (password, epoch, disabled): then False.

        The comparison closes the race in which a login with the old password commits after its change.
        """
        ...

    async def rotate_login(self, sid: str, decide: Callable[[Login], Rotation]) -> tuple[Rotation, User] | None:
        """Lock the login, let `decide` judge it, write the outcome: one step. None: no such login, or user."""
        ...

    async def list_logins(self, user_id: str, now: datetime, limit: int, before: str | None) -> Sequence[Login]:
        """Live logins, newest first, at most `limit`, older than the sid `before`."""
        ...

    async def end_login(self, sid: str, user_id: str, ending: Ending) -> Revocation | None:
        """None when this user has no such live login."""
        ...


class Revocations(Protocol):
    """What has been revoked and could still be presented."""

    async def list_revocations(self, now: datetime) -> Sequence[Revocation]:
        """Every entry that can still refuse a token: all that a process must know."""
        ...

    async def is_live(self, sid: str, user_id: str, epoch: int) -> bool:
        """The answer from the source, for when the view in memory may be stale."""
        ...

    async def purge(self, now: datetime) -> None:
        """Forget revocations and logins that have expired by themselves."""
        ...


class FirstAdmin(Protocol):
    """The claim of the first user of an empty install."""

    async def is_empty(self) -> bool:
        """Whether the next user to be added becomes the first admin."""
        ...


class Store(Users, Logins, Revocations, FirstAdmin, Protocol):
    """What `Auth` needs of a database."""

"""Logins: signed-in devices, each with its lineage of refresh tokens."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from authkeep.store.audit import AuditEvent
from authkeep.store.revocations import Ending, EndReason, Revocation
from authkeep.store.users import User


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
        authenticated_at: when its user last proved who they are; `auth_time` in its access tokens.
        methods: how they did, as `amr` values (RFC 8176): pwd, otp, hwk, mfa.
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
    authenticated_at: datetime
    methods: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Rotation:
    """What the policy in `authkeep.refresh_tokens` decided about a presented refresh token.

    Attributes:
        login: the row to write.
        token: the current token of the lineage; None when the presented one is refused.
        revocation: to be written with it, when the presented token ends the login.
        too_often: the presented token is refused for now, and the login goes on.
        event: what the audit trail is to say about it, in the same transaction.
    """

    login: Login
    token: str | None
    revocation: Revocation | None = None
    too_often: bool = False
    event: AuditEvent | None = None


class Logins(Protocol):
    """Logins, each with its lineage of refresh tokens."""

    async def add_login(self, login: Login, user: User, *, event: AuditEvent | None = None) -> bool:
        """Store a new login unless `user` changed meanwhile (password, epoch, disabled): then False.

        The comparison closes the race in which a login with the old password commits after its change.
        """
        ...

    async def rotate_login(self, sid: str, decide: Callable[[Login], Rotation]) -> tuple[Rotation, User] | None:
        """Lock the login, let `decide` judge it, write the outcome: one step. None: no such login, or user."""
        ...

    async def step_up_login(
        self, sid: str, user_id: str, at: datetime, methods: Sequence[str], *, event: AuditEvent | None = None
    ) -> tuple[Login, User] | None:
        """Note when and how its user proved who they are once more. None: this user has no such live login."""
        ...

    async def list_logins(self, user_id: str, now: datetime, limit: int, before: str | None) -> Sequence[Login]:
        """Live logins, newest first, at most `limit`, older than the sid `before`."""
        ...

    async def end_login(
        self, sid: str, user_id: str, ending: Ending, *, event: AuditEvent | None = None
    ) -> Revocation | None:
        """None when this user has no such live login."""
        ...

"""What has been revoked before it expired, and how logins end."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Protocol


class EndReason(StrEnum):
    """Why a login ended, as it is stored and audited."""

    LOGOUT = "logout"
    LOGOUT_ALL = "logout_all"
    ENDED_BY_USER = "ended_by_user"
    PASSWORD_CHANGED = "password_changed"  # noqa: S105 - a reason, not a password
    ROLE_CHANGED = "role_changed"
    DISABLED = "disabled"
    FACTOR_REMOVED = "factor_removed"
    FACTORS_RESET = "factors_reset"
    REUSED = "refresh_token_reused"


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


class Revocations(Protocol):
    """What has been revoked and could still be presented."""

    async def list_revocations(self, now: datetime) -> Sequence[Revocation]:
        """Every entry that can still refuse a token: all that a process must know."""
        ...

    async def is_live(self, sid: str, user_id: str, epoch: int) -> bool:
        """The answer from the source, for when the view in memory may be stale."""
        ...

    async def purge(self, now: datetime) -> None:
        """Forget revocations, logins and tickets that have expired by themselves."""
        ...

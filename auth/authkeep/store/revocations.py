"""What has been revoked before it expired, and how logins end."""

from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Protocol

# So many logins that end at once have an entry each. Beyond that the epoch is raised instead, in one entry: otherwise
# a user with thousands of logins could make the set larger than every process can read in time.
ONE_BY_ONE = 100


class EndReason(StrEnum):
    """Why a login ended, as it is stored and audited."""

    LOGOUT = "logout"
    LOGOUT_ALL = "logout_all"
    ENDED_BY_USER = "ended_by_user"
    PASSWORD_CHANGED = "password_changed"  # noqa: S105 - a reason, not a password
    PASSWORD_RESET = "password_reset"  # noqa: S105 - likewise
    ROLE_CHANGED = "role_changed"
    DISABLED = "disabled"
    FACTOR_REMOVED = "factor_removed"
    FACTORS_RESET = "factors_reset"
    DELETED = "deleted"
    ENDED_BY_ADMIN = "ended_by_admin"
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


class RevocationFeed(Protocol):
    """How processes tell one another what was revoked.

    Adapters: `authkeep.sql.PostgresFeed` (LISTEN), `authkeep.sql.SqliteFeed` (a poll of the file),
    `authkeep.valkey.ValkeyFeed` (pub/sub) and, for one process alone, `authkeep.revocation_feed.ProcessFeed`.
    """

    async def publish(self, revocations: Sequence[Revocation]) -> None:
        """Tell the others, after the commit; nothing is left to do where the commit itself tells them.

        Raises:
            Exception: whatever the technology raises; the others learn of it by reading the set.
        """
        ...

    def listen(self) -> AsyncGenerator[str | None]:
        """What the others say, in the form of `authkeep.revocation_feed.encode`, for as long as the connection holds.

        None means that something may have gone unheard: at the start, once listening, and whenever it may be so later.

        Raises:
            Exception: whatever the technology raises when the connection broke, or has silently died for some seconds.
        """
        ...


class Revocations(Protocol):
    """What has been revoked and could still be presented."""

    def feed(self) -> RevocationFeed:
        """The fastest way this store has to tell other processes."""
        ...

    async def list_revocations(self, now: datetime) -> Sequence[Revocation]:
        """Every entry that can still refuse a token: all that a process must know."""
        ...

    async def is_live(self, sid: str, user_id: str, epoch: int) -> bool:
        """The answer from the source, for when the view in memory may be stale."""
        ...

    async def purge(self, now: datetime) -> None:
        """Forget revocations, logins and tickets that have expired by themselves."""
        ...

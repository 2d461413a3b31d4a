"""Deletions: accounts that are gone, whose data the host has still to remove."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Deletion:
    """One account. Written in the transaction that deletes it, so that no crash can forget it."""

    user_id: str
    deleted_at: datetime


class Deletions(Protocol):
    """What is left to do. `Users.delete_user` adds to it."""

    async def list_deletions(self, limit: int) -> Sequence[Deletion]:
        """Oldest first, at most `limit`."""
        ...

    async def finish_deletion(self, user_id: str) -> None:
        """The host has nothing of this user any more."""
        ...

"""The directory: users as administrators see them."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from authkeep.store.users import User


@dataclass(frozen=True, slots=True)
class UserFilter:
    """Which users to list.

    Attributes:
        text: a part of the e-mail address or of the name, in either case as far as letters are ASCII.
        user_id: this one alone.
    """

    text: str = ""
    user_id: str | None = None


@dataclass(frozen=True, slots=True)
class UserEntry:
    """Attributes:
    logins: how many devices the user is signed in on.
    has_second_factor: whether a password alone opens no login.
    """

    user: User
    logins: int
    has_second_factor: bool


class Directory(Protocol):
    """Users, to be looked through."""

    async def list_users(
        self, wanted: UserFilter, now: datetime, limit: int, before: str | None
    ) -> Sequence[UserEntry]:
        """Newest first, at most `limit`, older than the user `before`."""
        ...

    async def find_emails(self, user_ids: Collection[str]) -> Mapping[str, str]:
        """The addresses of those who are there, by their ids."""
        ...

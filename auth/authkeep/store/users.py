"""Accounts: who there is, and what may be written to one of them."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Protocol

from authkeep.principal import Role
from authkeep.store.audit import AuditEvent
from authkeep.store.revocations import Ending, Revocation


class Admission(StrEnum):
    """Who may be added: decided before, enforced inside the transaction that adds.

    IMPORTED comes from another application, with the role it had there: being first makes nobody the admin.
    """

    ANYONE = "anyone"
    FIRST_ONLY = "first_only"
    IMPORTED = "imported"


@dataclass(frozen=True, slots=True)
class User:
    """An account.

    Attributes:
        email: as it is shown and written to.
        email_key: canonical form (`authkeep.email_address`), unique.
        name: what the user wants to be called; empty when they did not say.
        password_hash: PHC string; None for an account without a password.
        epoch: rises when every token minted before must die.
        email_verified_at: when its owner proved to read what is sent to `email`; None when they have not.
        last_sign_in_at: when the newest of its logins was opened.
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
    email_verified_at: datetime | None = None
    last_sign_in_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class UserChange:
    """What to write to one user; None leaves a field as it is.

    Attributes:
        expected_password_hash: write nothing unless the stored hash is still this one.
        ending: also end the user's logins. Without `keep_sid` all of them, by raising the epoch; with it, all
            others, each by its sid, so that the kept login's access token lives on; or if they are more than
            `ONE_BY_ONE`, by the epoch, and the kept login gets its next access token by a refresh.
    """

    name: str | None = None
    email: str | None = None
    email_key: str | None = None
    email_verified_at: datetime | None = None
    role: Role | None = None
    disabled: bool | None = None
    password_hash: str | None = None
    expected_password_hash: str | None = None
    ending: Ending | None = None
    keep_sid: str | None = None

    @property
    def voids_tickets(self) -> bool:
        """Mailed links and sign-ins that are half done end with the logins, or with the address they were sent to."""
        return self.ending is not None or self.email_key is not None


class Users(Protocol):
    """Accounts."""

    async def add_user(self, user: User, admission: Admission, *, event: AuditEvent | None = None) -> User:
        """Store a new user; as admin if nobody was here before, which exactly one caller ever is.

        Raises:
            EmailTaken: another account has this `email_key`, or this id.
            RegistrationClosed: `admission` is FIRST_ONLY and somebody was first.
        """
        ...

    async def find_user(self, user_id: str) -> User | None: ...

    async def find_user_by_email(self, email_key: str) -> User | None: ...

    async def find_costliest_bcrypt(self) -> str | None:
        """A stored bcrypt hash of the highest cost; None where there is none."""
        ...

    async def change_user(
        self, user_id: str, change: UserChange, *, event: AuditEvent | None = None, also: AuditEvent | None = None
    ) -> tuple[User, Sequence[Revocation]] | None:
        """None when there is no such user, or its password hash is not the expected one.

        `also` is the second event of a change that is two things at once. Where `change.voids_tickets`, those of the
        user are void with it.

        Raises:
            EmailTaken: another account has the new `email_key`.
            LastAdmin: no admin who can sign in would be left, whoever else changes or leaves at the same time.
        """
        ...

    async def delete_user(
        self, user_id: str, ending: Ending, *, event: AuditEvent | None = None
    ) -> Sequence[Revocation] | None:
        """Delete a user and all that hangs on them, but for the audit trail. None when there is no such user.

        That the host has to follow is written with it: `Deletions`.

        Raises:
            LastAdmin: as above.
        """
        ...


class FirstAdmin(Protocol):
    """The claim of the first user of an empty install."""

    async def is_empty(self) -> bool:
        """Whether the next user to be added becomes the first admin."""
        ...

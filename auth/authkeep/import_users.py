"""Users of an older application, with their ids and their passwords as they are.

It can be run again and again, before and while the old application is still in use: who has come over stays as they are
here, who is new there comes over, and whoever cannot come is told of, with the reason.
"""

from collections.abc import AsyncIterable, Iterable
from dataclasses import dataclass, field

from authkeep.auth import Auth
from authkeep.email_address import parse_email
from authkeep.errors import EmailTaken, InvalidInput
from authkeep.principal import Role


@dataclass(frozen=True, slots=True)
class ForeignUser:
    """A row of the older application.

    Attributes:
        id: what its tables know the user by; `Principal.user_id` from now on.
        password_hash: Argon2 or bcrypt; None for an account without a password.
    """

    id: str
    email: str
    password_hash: str | None = field(repr=False)
    name: str = ""
    role: Role = Role.USER
    email_verified: bool = False
    disabled: bool = False


@dataclass(slots=True)
class ImportReport:
    """Attributes:
    added: how many came over.
    already_here: how many had come over before, and were left alone.
    rejected: id and reason of each who could not.
    """

    added: int = 0
    already_here: int = 0
    rejected: list[tuple[str, str]] = field(default_factory=list)


async def import_users(auth: Auth, users: Iterable[ForeignUser] | AsyncIterable[ForeignUser]) -> ImportReport:
    """Bring users over, each in a transaction of its own.

    Their ids stay, so whatever the host stores by owner stays theirs. Only `role` makes an admin, and once anybody has
    been imported, being first to register makes nobody one either. Two addresses that differ in case or Unicode form
    are one mailbox: the first to come gets it.
    """
    report = ImportReport()
    if isinstance(users, AsyncIterable):
        async for user in users:
            await _import(auth, user, report)
    else:
        for user in users:
            await _import(auth, user, report)
    return report


async def _import(auth: Auth, user: ForeignUser, report: ImportReport) -> None:
    try:
        _, key = parse_email(user.email)
        here = await auth.store.find_user(user.id)
        if here is not None and here.email_key == key:
            report.already_here += 1
            return
        await auth.accounts.import_user(
            user.email,
            user.password_hash,
            user_id=user.id,
            name=user.name,
            role=user.role,
            email_verified=user.email_verified,
            disabled=user.disabled,
        )
        report.added += 1
    except EmailTaken:
        report.rejected.append((user.id, "another account has this id or this e-mail address"))
    except (InvalidInput, ValueError) as error:
        report.rejected.append((user.id, str(error)))

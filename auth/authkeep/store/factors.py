"""Factors: what a user can prove besides a password."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from authkeep.store.audit import AuditEvent
from authkeep.store.revocations import Ending, Revocation


@dataclass(frozen=True, slots=True)
class Totp:
    """A user's authenticator app.

    Attributes:
        secret: encrypted; see `authkeep.factors.totp`.
        confirmed_at: when its user first gave a code of it; None while it counts for nothing.
        last_step: of the last code that was accepted; none of that step or before it ever is again.
    """

    user_id: str
    secret: str = field(repr=False)
    confirmed_at: datetime | None
    last_step: int
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Passkey:
    """A WebAuthn credential.

    Attributes:
        credential_id: chosen by the authenticator, base64url; unique among all users.
        public_key: COSE.
        sign_count: the highest that its authenticator has told; those that do not count always say 0.
        transports: how a browser may reach it, such as usb, nfc, ble, hybrid, internal.
        aaguid: the make of the authenticator, as far as it says so.
        backed_up: whether it is copied between devices, so that losing one is not losing it.
    """

    id: str
    user_id: str
    credential_id: str
    public_key: bytes
    sign_count: int
    transports: tuple[str, ...]
    aaguid: str
    backed_up: bool
    name: str
    created_at: datetime
    last_used_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class FactorsHeld:
    """Everything that one user can prove besides a password.

    Attributes:
        totp: also one that is not confirmed yet.
        recovery_codes_left: how many have not been used.
        passkeys: oldest first.
    """

    totp: Totp | None
    recovery_codes_left: int
    passkeys: tuple[Passkey, ...]

    @property
    def has_totp(self) -> bool:
        return self.totp is not None and self.totp.confirmed_at is not None

    @property
    def has_second(self) -> bool:
        """Whether a password alone opens no login of this user."""
        return self.has_totp or bool(self.passkeys)


class Factors(Protocol):
    """What users can prove besides a password. Whatever is once is once: of many callers, one succeeds."""

    async def find_factors(self, user_id: str) -> FactorsHeld: ...

    async def put_totp(self, app: Totp) -> bool:
        """Store an app that is yet to be confirmed, in place of another such. False: one is confirmed already."""
        ...

    async def confirm_totp(self, app: Totp, step: int, at: datetime, *, event: AuditEvent | None = None) -> bool:
        """Let it count, unless it was confirmed or replaced since it was read."""
        ...

    async def use_totp_step(self, app: Totp, step: int) -> bool:
        """Accept a code of this step: once, and none of a step before it. False: that has happened already."""
        ...

    async def put_recovery_codes(
        self, user_id: str, code_hashes: Sequence[str], *, only_first: bool = False, event: AuditEvent | None = None
    ) -> bool:
        """Replace the user's codes. With `only_first`, False and nothing written where there were any."""
        ...

    async def use_recovery_code(
        self, user_id: str, code_hash: str, at: datetime, *, event: AuditEvent | None = None
    ) -> bool:
        """False: it is not one of the user's, or has been used."""
        ...

    async def add_passkey(self, passkey: Passkey, limit: int, *, event: AuditEvent | None = None) -> bool:
        """False: somebody has a credential of this id, or the user has `limit` of them."""
        ...

    async def find_passkey(self, credential_id: str) -> Passkey | None: ...

    async def use_passkey(self, passkey: Passkey, sign_count: int, backed_up: bool, at: datetime) -> bool:
        """Note that it was used. False: it is gone, or its counter did not rise, as of one that was copied."""
        ...

    async def rename_passkey(
        self, passkey_id: str, user_id: str, name: str, *, event: AuditEvent | None = None
    ) -> Passkey | None: ...

    async def remove_totp(
        self, user_id: str, ending: Ending, keep_sid: str, *, event: AuditEvent | None = None
    ) -> Sequence[Revocation] | None:
        """Remove it, and end the user's other logins. None: there was no confirmed one.

        With the last factor go the recovery codes, here and in `remove_passkey`: they stand in for what is gone.
        """
        ...

    async def remove_passkey(
        self, passkey_id: str, user_id: str, ending: Ending, keep_sid: str, *, event: AuditEvent | None = None
    ) -> Sequence[Revocation] | None:
        """Remove it, and end the user's other logins. None: this user has no such passkey."""
        ...

    async def remove_factors(
        self, user_id: str, ending: Ending, *, event: AuditEvent | None = None
    ) -> Sequence[Revocation] | None:
        """Remove whatever there is, and end every login of the user. None: there is no such user."""
        ...

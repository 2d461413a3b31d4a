"""The journeys of an account: register, profile, change of password.

No HTTP in here and no SQL: what may happen, in which order, and what it costs.
"""

import hmac
import logging
from dataclasses import dataclass, replace

from uuid_utils.compat import uuid7

from authkeep.account_mail import AccountMail
from authkeep.audit import Audit
from authkeep.clock import Clock
from authkeep.device import Device
from authkeep.display_name import clean_name
from authkeep.email_address import parse_email
from authkeep.errors import (
    EmailTaken,
    InvalidSetupCode,
    InvalidToken,
    RegistrationClosed,
    UnacceptablePassword,
    WrongPassword,
)
from authkeep.factor_changes import require_second_factor
from authkeep.ids import is_user_id
from authkeep.logins import Logins
from authkeep.mail import Mail
from authkeep.password_policy import check_password
from authkeep.passwords import PasswordHasher
from authkeep.principal import Principal, Role
from authkeep.revocation import Revocations
from authkeep.settings import AuthSettings
from authkeep.store import Admission, AuditAction, AuditEvent, EndReason, Outcome, Store, User, UserChange

_log = logging.getLogger("authkeep.accounts")
_MIN_SETUP_CODE = 8


@dataclass(frozen=True, slots=True)
class RegistrationState:
    """Attributes:
    open: whether a registration can succeed now.
    first_user: whether it would make the first admin.
    setup_code_required: whether that takes the code that the operator was shown.
    """

    open: bool
    first_user: bool
    setup_code_required: bool


class Accounts:
    """Raises:
    ValueError: `setup_code` is too short to be worth asking for.
    """

    def __init__(  # noqa: PLR0913 - every journey of an account needs another of them
        self,
        settings: AuthSettings,
        store: Store,
        clock: Clock,
        passwords: PasswordHasher,
        logins: Logins,
        revocations: Revocations,
        mail: AccountMail,
        audit: Audit,
        *,
        setup_code: str | None,
    ) -> None:
        if setup_code is not None and len(setup_code.strip()) < _MIN_SETUP_CODE:
            raise ValueError(f"setup_code needs at least {_MIN_SETUP_CODE} characters")
        self._settings = settings
        self._store = store
        self._clock = clock
        self._passwords = passwords
        self._logins = logins
        self._revocations = revocations
        self._mail = mail
        self._audit = audit
        self._setup_code = setup_code
        self._somebody_is_here = False

    async def registration_state(self) -> RegistrationState:
        first = await self._is_empty()
        return RegistrationState(
            open=first or self._settings.registration_open,
            first_user=first,
            setup_code_required=first and self._setup_code is not None,
        )

    async def register(
        self,
        email: str,
        password: str,
        *,
        name: str = "",
        setup_code: str | None = None,
        device: Device | None = None,
    ) -> User:
        """Open an account. The first one of an empty install is its admin.

        Raises:
            InvalidEmail, InvalidName, UnacceptablePassword: what to do about it is in the message.
            RegistrationClosed: this install takes no strangers.
            InvalidSetupCode: the first account needs the code, and this is not it.
            EmailTaken: sign in instead.
            HashingBusy: too many others are signing in.
        """
        admission = await self._admit(setup_code, device)
        user = await self._prepare(email, password, name, Role.USER)
        event = self._audit.event(AuditAction.USER_REGISTERED, device, actor=user.id)
        added = await self._store.add_user(user, admission, event=event)
        self._somebody_is_here = True
        return added

    async def register_by_mail(
        self,
        email: str,
        password: str,
        *,
        name: str = "",
        setup_code: str | None = None,
        device: Device | None = None,
    ) -> None:
        """As `register`, but only the mailbox learns how it went: it gets a link, or word that there is an account.

        Raises:
            InvalidEmail, InvalidName, UnacceptablePassword: what to do about it is in the message.
            RegistrationClosed, InvalidSetupCode: as `register`.
            HashingBusy, MailBusy, MailNotConfigured: for reasons that have nothing to do with the address.
        """
        admission = await self._admit(setup_code, device)
        user = await self._prepare(email, password, name, Role.USER)
        event = self._audit.event(AuditAction.USER_REGISTERED, device, actor=user.id)
        # Not only the mail but the account too is left to the tray: a row takes longer to write than to refuse.
        self._mail.later(lambda: self._add_and_write(user, admission, event))

    async def _add_and_write(self, user: User, admission: Admission, event: AuditEvent) -> Mail | None:
        try:
            added = await self._store.add_user(user, admission, event=event)
        except RegistrationClosed:
            return None
        except EmailTaken:
            owner = await self._store.find_user_by_email(user.email_key)
            return await self._mail.have_account(owner) if owner else None
        self._somebody_is_here = True
        return await self._mail.verification(added)

    async def create_admin(self, email: str, password: str) -> User | None:
        """An admin by the operator's own hand, once: None when the address has an account already.

        Raises:
            InvalidEmail, UnacceptablePassword: what to do about it is in the message.
        """
        _, key = parse_email(email)
        if await self._store.find_user_by_email(key) is not None:
            return None
        user = replace(await self._prepare(email, password, "", Role.ADMIN), email_verified_at=self._clock.now())
        event = self._audit.event(AuditAction.USER_REGISTERED, None, subject=user.id, role=user.role.value)
        try:
            return await self._store.add_user(user, Admission.ANYONE, event=event)
        except EmailTaken:
            return None

    async def import_user(
        self,
        email: str,
        password_hash: str | None,
        *,
        user_id: str | None = None,
        name: str = "",
        role: Role = Role.USER,
        email_verified: bool = False,
        disabled: bool = False,
    ) -> User:
        """An account of another application, with its password as it is: a bcrypt hash is renewed at the next sign-in.

        Being imported first makes nobody the admin: `role` does.

        Args:
            user_id: what the host's own tables know the user by, 1 to 36 letters, digits and `-._:`; else a new one.

        Raises:
            ValueError: the hash cannot be verified here, or the id cannot be used; the message says why.
            InvalidEmail, InvalidName: as at registration.
            EmailTaken: there is an account with this address or this id.
        """
        if password_hash is not None:
            self._passwords.expect(password_hash)
        if user_id is not None and not is_user_id(user_id):
            raise ValueError(f"user_id is 1 to 36 letters, digits and -._:, but it is {user_id!r}")
        shown, key = parse_email(email)
        now = self._clock.now()
        user = User(
            user_id or str(uuid7()), shown, key, clean_name(name), role, password_hash, 0, disabled, now,
            now if email_verified else None,
        )  # fmt: skip
        event = self._audit.event(AuditAction.USER_IMPORTED, None, subject=user.id, role=role.value)
        added = await self._store.add_user(user, Admission.IMPORTED, event=event)
        self._somebody_is_here = True
        return added

    async def _prepare(self, email: str, password: str, name: str, role: Role) -> User:
        shown, key = parse_email(email)
        cleaned = clean_name(name)
        check_password(password, personal=[key, cleaned, *self._settings.product_names])
        password_hash = await self._passwords.hash(password)
        return User(str(uuid7()), shown, key, cleaned, role, password_hash, 0, False, self._clock.now())

    async def _admit(self, setup_code: str | None, device: Device | None) -> Admission:
        if not await self._is_empty():
            if not self._settings.registration_open:
                raise RegistrationClosed
            return Admission.ANYONE
        if self._setup_code is not None:
            presented = (setup_code or "").strip().encode("utf-8", "replace")
            if not hmac.compare_digest(presented, self._setup_code.strip().encode("utf-8")):
                refused = self._audit.event(
                    AuditAction.USER_REGISTERED, device, outcome=Outcome.FAILURE, reason="setup_code"
                )
                await self._audit.record(refused)
                raise InvalidSetupCode
        # Of several who arrive at once, one becomes the admin; where registration is closed the others go away.
        return Admission.ANYONE if self._settings.registration_open else Admission.FIRST_ONLY

    async def _is_empty(self) -> bool:
        if not self._somebody_is_here:
            self._somebody_is_here = not await self._store.is_empty()
        return not self._somebody_is_here

    async def get_user(self, principal: Principal) -> User:
        """The caller's own account.

        Raises:
            InvalidToken: it is gone or disabled.
        """
        user = await self._store.find_user(principal.user_id)
        if user is None or user.disabled:
            raise InvalidToken
        return user

    async def rename(self, principal: Principal, name: str, device: Device | None = None) -> User:
        """Raises:
        InvalidName: too long, or not text.
        InvalidToken: the account is gone.
        """
        event = self._audit.event(AuditAction.USER_RENAMED, device, actor=principal)
        return await self._change(principal.user_id, UserChange(name=clean_name(name)), event)

    async def change_password(self, principal: Principal, current: str, new: str, device: Device | None = None) -> None:
        """Every other login of the caller ends; this one goes on.

        Raises:
            WrongPassword: `current` is not the password.
            UnacceptablePassword: what to do about it is in the message.
            RecentSignInRequired: the account has a second factor, and this login was not confirmed with it.
            InvalidToken: the account is gone or disabled.
            HashingBusy: too many others are signing in.
        """
        user = await self.get_user(principal)
        require_second_factor(principal, await self._store.find_factors(user.id))
        try:
            check_password(new, personal=[user.email_key, user.name, *self._settings.product_names])
        except UnacceptablePassword as refusal:
            raise UnacceptablePassword(refusal.detail, field="new_password") from None
        if not await self._passwords.verify(current, user.password_hash):
            refused = self._audit.event(AuditAction.PASSWORD_CHANGED, device, actor=principal, outcome=Outcome.FAILURE)
            await self._audit.record(refused)
            raise WrongPassword
        change = UserChange(
            password_hash=await self._passwords.hash(new),
            expected_password_hash=user.password_hash,
            ending=self._logins.ending(EndReason.PASSWORD_CHANGED),
            keep_sid=principal.login_id,
        )
        event = self._audit.event(AuditAction.PASSWORD_CHANGED, device, actor=principal)
        changed = await self._store.change_user(user.id, change, event=event)
        if changed is None:
            raise WrongPassword
        await self._revocations.apply(changed[1])
        self._mail.tell_of_changed_password(user)

    async def _change(self, user_id: str, change: UserChange, event: AuditEvent) -> User:
        changed = await self._store.change_user(user_id, change, event=event)
        if changed is None:
            raise InvalidToken
        user, revocations = changed
        await self._revocations.apply(revocations)
        return user

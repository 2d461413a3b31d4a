"""The journey of a forgotten password: a link to the mailbox, and a new password in its place."""

from authkeep.account_mail import AccountMail
from authkeep.audit import Audit
from authkeep.clock import Clock
from authkeep.device import Device
from authkeep.email_address import parse_email
from authkeep.errors import InvalidLink, UnacceptablePassword, UserNotFound
from authkeep.logins import Logins
from authkeep.mail import Mail
from authkeep.password_policy import check_password
from authkeep.passwords import PasswordHasher
from authkeep.revocation import Revocations
from authkeep.settings import AuthSettings
from authkeep.store import AuditAction, EndReason, Purpose, Store, UserChange


class PasswordReset:
    """Reading the mailbox replaces the password and nothing else: a second factor is still asked for afterwards."""

    def __init__(
        self,
        settings: AuthSettings,
        store: Store,
        clock: Clock,
        passwords: PasswordHasher,
        logins: Logins,
        revocations: Revocations,
        mail: AccountMail,
        audit: Audit,
    ) -> None:
        self._settings = settings
        self._store = store
        self._clock = clock
        self._passwords = passwords
        self._logins = logins
        self._revocations = revocations
        self._mail = mail
        self._audit = audit

    def request(self, email: str, device: Device | None = None) -> None:
        """Send a link, if there is an account. Says nothing about that.

        Raises:
            InvalidEmail: it is not an address.
            MailNotConfigured, MailBusy: nothing can be sent, whoever it is for.
        """
        _, key = parse_email(email)

        async def errand() -> Mail | None:
            user = await self._store.find_user_by_email(key)
            if user is None or user.disabled:
                return None
            mail = await self._mail.reset(user)
            if mail is not None:
                event = self._audit.event(AuditAction.PASSWORD_RESET_REQUESTED, device, subject=user.id)
                await self._audit.record(event)
            return mail

        self._mail.later(errand)

    async def issue(self, email: str) -> str:
        """A token for `reset`, by the operator's own hand: for an administrator who has nobody else to ask.

        No mail is sent, and none has to be set up. Whoever is given the token has the account, but for a second factor.

        Raises:
            InvalidEmail: it is not an address.
            UserNotFound: nobody has this address, or they are disabled.
        """
        _, key = parse_email(email)
        user = await self._store.find_user_by_email(key)
        if user is None or user.disabled:
            raise UserNotFound("Nobody who may sign in has this address.")
        token = await self._mail.reset_token(user)
        await self._audit.record(self._audit.event(AuditAction.PASSWORD_RESET_REQUESTED, None, subject=user.id))
        return token

    async def reset(self, token: str, new_password: str, device: Device | None = None) -> None:
        """Set a new password, and end every login of its owner. Whatever else was under way for them is void.

        Raises:
            InvalidLink: the token is used, void or expired.
            UnacceptablePassword: what to do about it is in the message; the token stays good.
            HashingBusy: too many others are signing in.
        """
        ticket = await self._mail.find(Purpose.RESET_PASSWORD, token)
        user = await self._store.find_user(ticket.user_id or "")
        if user is None or user.disabled or user.email_key != ticket.data["email_key"]:
            raise InvalidLink
        try:
            check_password(new_password, personal=[user.email_key, user.name, *self._settings.product_names])
        except UnacceptablePassword as refusal:
            raise UnacceptablePassword(refusal.detail, field="new_password") from None
        password_hash = await self._passwords.hash(new_password)
        await self._mail.redeem(Purpose.RESET_PASSWORD, token)
        change = UserChange(
            password_hash=password_hash,
            # Whoever got the link reads the mailbox.
            email_verified_at=user.email_verified_at or self._clock.now(),
            ending=self._logins.ending(EndReason.PASSWORD_RESET),
        )
        event = self._audit.event(AuditAction.PASSWORD_RESET, device, actor=user.id)
        changed = await self._store.change_user(user.id, change, event=event)
        if changed is None:
            raise InvalidLink
        await self._revocations.apply(changed[1])
        self._mail.tell_of_changed_password(user)

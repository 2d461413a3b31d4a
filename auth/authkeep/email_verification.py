"""The journeys of an e-mail address: confirm the one that was registered, change it for another."""

from authkeep.account_mail import AccountMail
from authkeep.audit import Audit
from authkeep.clock import Clock
from authkeep.device import Device
from authkeep.email_address import parse_email
from authkeep.errors import EmailTaken, InvalidEmail, InvalidLink, InvalidToken
from authkeep.mail import Mail
from authkeep.principal import Principal
from authkeep.store import AuditAction, Purpose, Store, Ticket, User, UserChange


class EmailVerification:
    """A token from a mail proves that its owner reads what is sent to the address, and so that it is theirs."""

    def __init__(self, store: Store, clock: Clock, mail: AccountMail, audit: Audit) -> None:
        self._store = store
        self._clock = clock
        self._mail = mail
        self._audit = audit

    def resend(self, email: str) -> None:
        """Send the link again, if there is an account that still needs it. Says nothing about that.

        Raises:
            InvalidEmail: it is not an address.
            MailNotConfigured, MailBusy: nothing can be sent, whoever it is for.
        """
        _, key = parse_email(email)

        async def errand() -> Mail | None:
            user = await self._store.find_user_by_email(key)
            if user is None or user.disabled or user.email_verified_at is not None:
                return None
            return await self._mail.verification(user)

        self._mail.later(errand)

    async def request_change(self, principal: Principal, email: str, device: Device | None = None) -> None:
        """Ask the new address whether it wants to be the account's, and tell the old one of it.

        Raises:
            InvalidEmail: it is not an address.
            InvalidToken: the account is gone or disabled.
            MailNotConfigured, MailBusy: nothing can be sent, whoever it is for.
        """
        try:
            shown, key = parse_email(email)
        except InvalidEmail as refusal:
            raise InvalidEmail(refusal.detail, field="new_email") from None
        user = await self._store.find_user(principal.user_id)
        if user is None or user.disabled:
            raise InvalidToken

        async def errand() -> Mail | None:
            # The tray may be slow, and what ends this login voids what it has asked for.
            if not await self._store.is_live(principal.login_id, user.id, principal.epoch):
                return None
            taken = await self._store.find_user_by_email(key)
            if taken is not None and taken.id != user.id:
                return await self._mail.have_account(taken)
            return await self._mail.change_of_email(user, shown, key)

        self._mail.later(errand)
        await self._audit.record(self._audit.event(AuditAction.EMAIL_CHANGE_REQUESTED, device, actor=principal))
        self._mail.tell_of_requested_email(user)

    async def confirm(self, token: str, device: Device | None = None) -> None:
        """Redeem the token of either mail.

        Raises:
            InvalidLink: it is used, void or expired, or the address belongs to another account by now.
        """
        try:
            ticket = await self._mail.redeem(Purpose.VERIFY_EMAIL, token)
        except InvalidLink:
            await self._change(await self._mail.redeem(Purpose.CHANGE_EMAIL, token), device)
        else:
            await self._verify(ticket, device)

    async def _verify(self, ticket: Ticket, device: Device | None) -> None:
        user = await self._owner(ticket)
        if user.email_key != ticket.data["email_key"]:
            raise InvalidLink
        event = self._audit.event(AuditAction.EMAIL_VERIFIED, device, actor=user.id)
        await self._store.change_user(user.id, UserChange(email_verified_at=self._clock.now()), event=event)

    async def _change(self, ticket: Ticket, device: Device | None) -> None:
        former = await self._owner(ticket)
        change = UserChange(
            email=ticket.data["email"], email_key=ticket.data["email_key"], email_verified_at=self._clock.now()
        )
        event = self._audit.event(AuditAction.EMAIL_CHANGED, device, actor=former.id)
        try:
            changed = await self._store.change_user(former.id, change, event=event)
        except EmailTaken:
            raise InvalidLink from None
        if changed is None:
            raise InvalidLink
        self._mail.tell_of_changed_email(former)

    async def _owner(self, ticket: Ticket) -> User:
        user = await self._store.find_user(ticket.user_id or "")
        if user is None or user.disabled:
            raise InvalidLink
        return user

"""Mail to people about their accounts: with a link that proves they read it, or to tell them what has happened.

Whether an address has an account is found out in the tray, after the answer has left. So the answer, and the time
it takes, are the same for every address. A mailbox gets a few messages an hour and no more, whoever asks for them.
"""

import hashlib
from datetime import timedelta

from authkeep.errors import InvalidLink
from authkeep.mail import Errand, Mail, OutTray
from authkeep.mail_texts import Words
from authkeep.one_time_secrets import OneTimeSecrets
from authkeep.settings import AuthSettings
from authkeep.store import Purpose, Ticket, User
from authkeep.throttle import Throttle

VERIFY_LIFETIME = timedelta(hours=24)
RESET_LIFETIME = timedelta(minutes=30)


class AccountMail:
    """Writes, and hands to the tray."""

    def __init__(self, settings: AuthSettings, tray: OutTray, secrets: OneTimeSecrets, throttle: Throttle) -> None:
        name = (*settings.product_names, settings.audience)[0]
        self._texts = settings.mail_texts(name, (settings.link_base or settings.public_url or "").rstrip("/"))
        self._tray = tray
        self._secrets = secrets
        self._throttle = throttle

    def later(self, errand: Errand) -> None:
        """Find out after the answer what there is to send.

        Raises:
            MailNotConfigured: this deployment sends no mail.
            MailBusy: the tray is full.
        """
        self._tray.put(errand)

    async def verification(self, user: User) -> Mail | None:
        """The link that confirms the address of a user."""
        if not await self._may_write_to(user.email_key):
            return None
        bound = {"email_key": user.email_key}
        return self._to(user.email, self._texts.verify_email(await self._link(Purpose.VERIFY_EMAIL, user, bound)))

    async def reset(self, user: User) -> Mail | None:
        """The link that chooses a new password."""
        if not await self._may_write_to(user.email_key):
            return None
        return self._to(user.email, self._texts.reset_password(await self.reset_token(user)))

    async def reset_token(self, user: User) -> str:
        """What the link that chooses a new password carries; those of before are void."""
        return await self._link(Purpose.RESET_PASSWORD, user, {"email_key": user.email_key})

    async def change_of_email(self, user: User, email: str, email_key: str) -> Mail | None:
        """The link that makes another address the one of a user."""
        if not await self._may_write_to(email_key):
            return None
        wanted = {"email": email, "email_key": email_key}
        return self._to(email, self._texts.change_email(await self._link(Purpose.CHANGE_EMAIL, user, wanted)))

    async def have_account(self, user: User) -> Mail | None:
        """For who tried to open a second account."""
        if user.disabled or not await self._may_write_to(user.email_key):
            return None
        return self._to(user.email, self._texts.have_account())

    def tell_of_requested_email(self, user: User) -> None:
        self._tray.notify(self._to(user.email, self._texts.email_change_requested()))

    def tell_of_changed_email(self, former: User) -> None:
        self._tray.notify(self._to(former.email, self._texts.email_changed()))

    def tell_of_changed_password(self, user: User) -> None:
        self._tray.notify(self._to(user.email, self._texts.password_changed()))

    def tell_of_added_factor(self, user: User) -> None:
        self._tray.notify(self._to(user.email, self._texts.factor_added()))

    def tell_of_removed_factor(self, user: User) -> None:
        self._tray.notify(self._to(user.email, self._texts.factor_removed()))

    def tell_of_reset_factors(self, user: User) -> None:
        self._tray.notify(self._to(user.email, self._texts.factors_reset()))

    def tell_of_deletion(self, user: User) -> None:
        self._tray.notify(self._to(user.email, self._texts.account_deleted()))

    async def find(self, purpose: Purpose, token: str) -> Ticket:
        """What a mailed token stands for; it stays good.

        Raises:
            InvalidLink: it is used, void, expired, or was never sent.
        """
        return _known(await self._secrets.find(purpose, token))

    async def redeem(self, purpose: Purpose, token: str) -> Ticket:
        """What a mailed token stands for; it is good no more.

        Raises:
            InvalidLink: it is used, void, expired, or was never sent.
        """
        return _known(await self._secrets.take(purpose, token))

    async def _link(self, purpose: Purpose, user: User, data: dict[str, str]) -> str:
        lifetime = RESET_LIFETIME if purpose is Purpose.RESET_PASSWORD else VERIFY_LIFETIME
        return await self._secrets.issue(purpose, lifetime, user_id=user.id, data=data, replacing=True)

    async def _may_write_to(self, email_key: str) -> bool:
        # Counters may live where others look: not the address itself.
        mailbox = hashlib.sha256(email_key.encode()).hexdigest()[:32]
        return (await self._throttle.hit("mailbox", mailbox)).allowed

    @staticmethod
    def _to(email: str, words: Words) -> Mail:
        # Always the address that is stored: one that only looks the same to us must not get another's link.
        return Mail(email, *words)


def _known(ticket: Ticket | None) -> Ticket:
    if ticket is None or ticket.user_id is None:
        raise InvalidLink
    return ticket

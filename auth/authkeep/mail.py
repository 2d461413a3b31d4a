"""Mail: what a message is, who can send one, and the tray from which they are sent.

A request never waits for mail. It leaves an errand in the tray and answers; what the errand finds out, such as whether
an address has an account, can then not be told from how long the answer took. The tray is memory: what has not been
sent when a process ends is lost, and people ask again. It waits a moment for them at an orderly end.
"""

import asyncio
import contextlib
import logging
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime, make_msgid
from typing import Protocol

from authkeep.clock import Clock
from authkeep.errors import MailBusy, MailNotConfigured

_log = logging.getLogger("authkeep.mail")
# Of its own, so that whoever looks for credentials in logs can pass over this one alone.
_mailbox = logging.getLogger("authkeep.mail.mailbox")
_LINE = 998


@dataclass(frozen=True, slots=True)
class Mail:
    """One message, in plain text.

    Attributes:
        to: one address, as `authkeep.email_address` accepts it.
        text: may hold a link that opens an account: it is shown to nobody but its reader.
    """

    to: str
    subject: str
    text: str = field(repr=False)


class MailNotSent(Exception):
    """A message was not taken. The text names the cause and neither an address nor a secret.

    Attributes:
        permanent: trying again is of no use.
    """

    def __init__(self, cause: str, *, permanent: bool) -> None:
        super().__init__(cause)
        self.permanent = permanent


class Mailer(Protocol):
    """Whatever can send: `authkeep.smtp.SmtpMailer`, `DevelopmentMailbox`, or a host's own."""

    async def send(self, mail: Mail) -> None:
        """Return when somebody else has taken responsibility for the message.

        Raises:
            MailNotSent: nobody has.
        """
        ...


class DevelopmentMailbox:
    """For a machine of one's own: shows each message in the log, links and all, and sends none.

    Whoever reads the log can open the accounts in it. Never where anybody else signs in.
    """

    def __init__(self, *, keep: int = 100) -> None:
        self.mails: deque[Mail] = deque(maxlen=keep)

    async def send(self, mail: Mail) -> None:
        self.mails.append(mail)
        _mailbox.info("Not sent, as no mail server is set. To %s: %s\n\n%s", mail.to, mail.subject, mail.text)


Errand = Callable[[], Awaitable[Mail | None]]


@dataclass(slots=True)
class _Letter:
    errand: Errand
    mail: Mail | None = None
    attempts: int = 0


class OutTray:
    """Sends in the background, a bounded number of messages, each of them tried several times.

    Args:
        retry_after: seconds to wait after each failure; after the last of them the message is given up.
        senders: how many messages are on their way at once.

    Attributes:
        lost: how many were given up, or found no room.
    """

    def __init__(
        self,
        mailer: Mailer | None,
        *,
        capacity: int = 1000,
        senders: int = 2,
        retry_after: Sequence[float] = (5, 60, 300, 900),
        goodbye_seconds: float = 5.0,
    ) -> None:
        self._mailer = mailer
        self._capacity = capacity
        self._senders = senders
        self._retry_after = retry_after
        self._goodbye_seconds = goodbye_seconds
        self._ready: deque[_Letter] = deque()
        self._wake = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()
        self._pending = 0
        self.lost = 0

    @property
    def can_send(self) -> bool:
        return self._mailer is not None

    def put(self, errand: Errand) -> None:
        """Take an errand on: it says what to send, and to whom, or that there is nothing to send.

        Raises:
            MailNotConfigured: this deployment sends no mail.
            MailBusy: the tray is full.
        """
        if self._mailer is None:
            raise MailNotConfigured
        if self._pending >= self._capacity:
            raise MailBusy
        self._pending += 1
        self._idle.clear()
        self._add(_Letter(errand))

    def notify(self, mail: Mail) -> None:
        """Send what its reader should know, if it can be sent: what has happened has happened."""

        async def as_it_is() -> Mail:
            return mail

        try:
            self.put(as_it_is)
        except MailNotConfigured:
            return
        except MailBusy:
            self._lose("the tray is full")

    async def sent(self) -> None:
        """Wait until there is nothing left to send."""
        await self._idle.wait()

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        senders = [asyncio.create_task(self._keep_sending(), name="authkeep mail") for _ in range(self._senders)]
        try:
            yield
        finally:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self.sent(), self._goodbye_seconds)
            for sender in senders:
                sender.cancel()
            await asyncio.gather(*senders, return_exceptions=True)
            for _ in range(self._pending):
                self._lose("the process ended")

    def _add(self, letter: _Letter) -> None:
        self._ready.append(letter)
        self._wake.set()

    async def _keep_sending(self) -> None:
        while True:
            while not self._ready:
                self._wake.clear()
                await self._wake.wait()
            letter = self._ready.popleft()
            try:
                await self._send(letter)
            except MailNotSent as failure:
                self._try_again(letter, str(failure), permanent=failure.permanent)
            except Exception as error:  # noqa: BLE001 - the store's or a host's mailer's: the tray outlives it
                self._try_again(letter, type(error).__name__, permanent=False)
            else:
                self._done()

    async def _send(self, letter: _Letter) -> None:
        if letter.mail is None:
            letter.mail = await letter.errand()
        if letter.mail is not None and self._mailer is not None:
            await self._mailer.send(letter.mail)

    def _try_again(self, letter: _Letter, cause: str, *, permanent: bool) -> None:
        if permanent or letter.attempts >= len(self._retry_after):
            self._lose(cause)
            self._done()
            return
        delay = self._retry_after[letter.attempts]
        letter.attempts += 1
        _log.info("A mail was not sent, and will be tried again in %s s: %s", delay, cause)
        asyncio.get_running_loop().call_later(delay, self._add, letter)

    def _done(self) -> None:
        self._pending -= 1
        if not self._pending:
            self._idle.set()

    def _lose(self, cause: str) -> None:
        self.lost += 1
        _log.warning("A mail was not sent: %s", cause)


def as_message(mail: Mail, sender: Address, clock: Clock) -> EmailMessage:
    """The message of RFC 5322, for mailers.

    Raises:
        ValueError: a header would need a line break, which is how headers are forged.
    """
    message = EmailMessage(SMTP.clone(max_line_length=_LINE))
    message["From"] = sender
    message["To"] = Address(addr_spec=mail.to)
    message["Subject"] = mail.subject
    message["Date"] = format_datetime(clock.now())
    message["Message-ID"] = make_msgid(domain=sender.domain)
    # RFC 3834: no machine shall answer.
    message["Auto-Submitted"] = "auto-generated"
    message.set_content(mail.text)
    return message

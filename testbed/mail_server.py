"""An SMTP server on loopback that keeps what it is sent."""

import re
import socket
import threading
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session

_LINK = re.compile(r"(http\S+?)#token=(\S+)")


class MailServer:
    """The mailboxes behind it, by address. Mail is taken out by reading it."""

    def __init__(self) -> None:
        self._mails: defaultdict[str, list[EmailMessage]] = defaultdict(list)
        self._arrived = threading.Condition()
        self.url = ""

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802 - aiosmtpd's
        mail = message_from_bytes(envelope.original_content or b"", policy=default)
        with self._arrived:
            for address in envelope.rcpt_tos:
                self._mails[address].append(mail)
            self._arrived.notify_all()
        return "250 OK"

    def next_mail(self, address: str, *, seconds: float = 20) -> str:
        """The oldest unread mail to `address`, as text; waits for it."""
        with self._arrived:
            assert self._arrived.wait_for(lambda: self._mails[address], seconds), f"no mail to {address}"
            return str(self._mails[address].pop(0).get_content())

    def next_link(self, address: str) -> tuple[str, str]:
        """Where the link in the next mail to `address` leads, and the token behind its `#`."""
        while not (link := _LINK.search(self.next_mail(address))):
            pass
        return link[1], link[2]


@contextmanager
def mail_server() -> Iterator[MailServer]:
    """Take mail while the block lasts."""
    server = MailServer()
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    controller = Controller(server, hostname="127.0.0.1", port=port)
    controller.start()
    try:
        server.url = f"smtp://127.0.0.1:{port}"
        yield server
    finally:
        controller.stop()

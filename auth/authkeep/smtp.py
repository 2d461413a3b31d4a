"""Mail over SMTP, by aiosmtplib."""

import ssl
from dataclasses import dataclass, field
from email.headerregistry import Address
from ipaddress import ip_address
from typing import Literal, Self
from urllib.parse import unquote, urlsplit

import aiosmtplib

from authkeep.clock import Clock, SystemClock
from authkeep.mail import Mail, MailNotSent, as_message

Security = Literal["starttls", "tls", "none"]
_PORTS: dict[Security, int] = {"starttls": 587, "tls": 465, "none": 25}
_TIMEOUT_SECONDS = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class SmtpMailer:
    """One mail server. Each message takes a connection of its own: they are few.

    Attributes:
        security: starttls and tls check the server's certificate, and send nothing before. none is for a server on
            this machine or in a network that is trusted: passwords are never sent that way.
        sender: whom mail comes from, with a name or without.

    Raises:
        ValueError: a password would travel in the clear.
    """

    host: str
    port: int
    sender: Address
    security: Security = "starttls"
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    timeout_seconds: float = _TIMEOUT_SECONDS
    tls: ssl.SSLContext | None = None
    clock: Clock = field(default_factory=SystemClock)

    def __post_init__(self) -> None:
        if self.security == "none" and self.username is not None and not _is_loopback(self.host):
            raise ValueError("a user name and password are sent over TLS alone")

    @classmethod
    def from_url(cls, url: str, sender: Address) -> Self:
        """From `smtp://user:password@host:587` (STARTTLS), `smtps://` (TLS from the start), or `smtp://host?tls=none`.

        Without `tls`, a server on this machine is spoken to in the clear.

        Raises:
            ValueError: it cannot be read, or a password would travel in the clear.
        """
        parts = urlsplit(url)
        host = parts.hostname or ""
        if parts.scheme not in ("smtp", "smtps") or not host or parts.path not in ("", "/") or parts.fragment:
            raise ValueError("must be smtp://host:port or smtps://host:port")
        if parts.query not in ("", "tls=none", "tls=starttls") or (parts.scheme == "smtps" and parts.query):
            raise ValueError("may have ?tls=none or ?tls=starttls behind smtp://, and nothing else")
        security: Security = "tls" if parts.scheme == "smtps" else "starttls"
        if parts.query == "tls=none" or (security == "starttls" and not parts.query and _is_loopback(host)):
            security = "none"
        return cls(
            host=host,
            port=parts.port or _PORTS[security],
            sender=sender,
            security=security,
            username=unquote(parts.username) if parts.username else None,
            password=unquote(parts.password) if parts.password else None,
        )

    async def send(self, mail: Mail) -> None:
        """Hand a message to the server.

        Raises:
            MailNotSent: it could not be reached, or did not take it.
        """
        try:
            await aiosmtplib.send(
                as_message(mail, self.sender, self.clock),
                hostname=self.host,
                port=self.port,
                use_tls=self.security == "tls",
                start_tls=self.security == "starttls",
                username=self.username,
                password=self.password,
                timeout=self.timeout_seconds,
                tls_context=self.tls,
            )
        except aiosmtplib.SMTPRecipientsRefused as error:
            codes = [refused.code for refused in error.recipients]
            raise _not_sent(error, codes[0] if codes else None) from None
        except aiosmtplib.SMTPResponseException as error:
            raise _not_sent(error, error.code) from None
        except (aiosmtplib.SMTPException, OSError) as error:
            raise _not_sent(error, None) from None
        except ValueError as error:
            raise MailNotSent(type(error).__name__, permanent=True) from None


def parse_sender(text: str) -> Address:
    """From `chat@example.org` or `Chat <chat@example.org>`.

    Raises:
        ValueError: it is neither.
    """
    name, bracket, rest = text.strip().rpartition("<")
    spec = rest.removesuffix(">") if bracket else text.strip()
    if (bracket and not rest.endswith(">")) or not text.isprintable():
        raise ValueError("must be an address, or Name <address>")
    try:
        address = Address(name.strip().strip('"'), addr_spec=spec)
    except Exception:  # noqa: BLE001 - the parser of the standard library leaks IndexError and others
        raise ValueError("must be an address, or Name <address>") from None
    if not address.username or not address.domain:
        raise ValueError("must be an address, or Name <address>")
    return address


def _not_sent(error: Exception, code: int | None) -> MailNotSent:
    # Never the server's words: they repeat addresses, and some servers repeat what they were sent.
    cause = type(error).__name__ + (f" {code}" if code else "")
    return MailNotSent(cause, permanent=code is not None and 500 <= code < 600 and code != 535)


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"

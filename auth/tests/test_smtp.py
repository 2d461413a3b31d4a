"""Mail over a real SMTP server: one that takes it, one that refuses, one that is slow, and one that is not there."""

import asyncio
import datetime as dt
import ipaddress
import logging
import socket
import ssl
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from email import message_from_bytes
from email.headerregistry import Address
from email.message import Message
from pathlib import Path
from typing import Any

import psutil
import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP as Server  # noqa: N811
from aiosmtpd.smtp import AuthResult, Envelope, LoginPassword, Session
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from authkeep import Mail, MailBusy, MailNotConfigured, MailNotSent
from authkeep.mail import OutTray, as_message
from authkeep.smtp import SmtpMailer, parse_sender
from authkeep.testing import FrozenClock

MAIL = Mail(
    "alice@example.com", "Choose a new password", "Open this:\n\nhttps://chat.example/reset-password#token=abc\n"
)
SENDER = Address("chatkeep", addr_spec="chat@example.org")
CREDENTIALS = ("chat", "p@ss:word/with#signs")


class Inbox:
    """What the server took. It answers DATA with `answers`, one after the other, and then with OK."""

    def __init__(self) -> None:
        self.messages: list[Message] = []
        self.answers: list[str] = []
        self.over_tls: list[bool] = []

    async def handle_DATA(self, server: Server, session: Session, envelope: Envelope) -> str:  # noqa: N802
        if self.answers:
            return self.answers.pop(0)
        assert isinstance(envelope.content, bytes)
        self.messages.append(message_from_bytes(envelope.content))
        self.over_tls.append(session.ssl is not None)
        return "250 OK"


@pytest.fixture
def inbox() -> Inbox:
    return Inbox()


@pytest.fixture(autouse=True)
async def hung_up(request: pytest.FixtureRequest) -> AsyncIterator[None]:
    """Goes on until the client's side of every connection is closed: after TLS, that takes a few turns of the loop."""
    started = [request.getfixturevalue(name) for name in ("server", "strict_server") if name in request.fixturenames]
    yield
    ports = {controller.port for controller in started}
    # The address of the other end is empty while there is none.
    while ports & {getattr(end.raddr, "port", 0) for end in psutil.Process().net_connections("tcp")}:  # noqa: ASYNC110
        await asyncio.sleep(0.002)


def mailer_at(controller: Controller, **options: Any) -> SmtpMailer:
    chosen = {"host": "127.0.0.1", "port": controller.port, "sender": SENDER}
    return SmtpMailer(**{**chosen, "security": "none", "timeout_seconds": 5, **options})


@pytest.fixture
def server(inbox: Inbox) -> Iterator[Controller]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    controller = Controller(inbox, hostname="127.0.0.1", port=port)
    controller.start()
    yield controller
    controller.stop()


@pytest.fixture(scope="session")
def tls_files(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A certificate of 127.0.0.1, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = dt.datetime.now(dt.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name).issuer_name(name).public_key(key.public_key()).serial_number(1)
        .not_valid_before(now - dt.timedelta(days=1)).not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )  # fmt: skip
    folder = tmp_path_factory.mktemp("tls")
    (folder / "cert.pem").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    (folder / "key.pem").write_bytes(pem)
    return folder / "cert.pem", folder / "key.pem"


@pytest.fixture
def strict_server(inbox: Inbox, tls_files: tuple[Path, Path]) -> Iterator[Controller]:
    """Takes mail after STARTTLS and a password alone."""

    def check(_: Server, __: Session, ___: Envelope, ____: str, given: LoginPassword) -> AuthResult:
        return AuthResult(success=(given.login.decode(), given.password.decode()) == CREDENTIALS, handled=False)

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*tls_files)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    controller = Controller(
        inbox, hostname="127.0.0.1", port=port, tls_context=context, require_starttls=True, authenticator=check,
        auth_required=True,
    )  # fmt: skip
    controller.start()
    yield controller
    controller.stop()


async def test_a_message_arrives_as_it_was_written(server: Controller, inbox: Inbox) -> None:
    await mailer_at(server).send(MAIL)
    (message,) = inbox.messages
    assert (message["From"], message["To"]) == ("chatkeep <chat@example.org>", "alice@example.com")
    assert message["Subject"] == MAIL.subject
    assert message["Auto-Submitted"] == "auto-generated"
    assert message["Message-ID"].endswith("@example.org>")
    assert message.get_payload(decode=True).decode().replace("\r\n", "\n") == MAIL.text  # type: ignore[union-attr]


async def test_starttls_and_a_password(strict_server: Controller, inbox: Inbox, tls_files: tuple[Path, Path]) -> None:
    trusting = ssl.create_default_context(cafile=str(tls_files[0]))
    options = {"security": "starttls", "username": CREDENTIALS[0], "password": CREDENTIALS[1], "tls": trusting}
    await mailer_at(strict_server, **options).send(MAIL)
    assert inbox.over_tls == [True]
    with pytest.raises(MailNotSent, match="535") as refused:
        await mailer_at(strict_server, **{**options, "password": "wrong"}).send(MAIL)
    # An operator can mend it while the message waits.
    assert not refused.value.permanent


async def test_a_certificate_that_nobody_vouches_for_gets_no_password(strict_server: Controller, inbox: Inbox) -> None:
    with pytest.raises(MailNotSent):
        await mailer_at(strict_server, security="starttls", username="chat", password="x").send(MAIL)
    assert not inbox.messages


async def test_a_server_without_tls_gets_nothing_where_tls_is_wanted(server: Controller, inbox: Inbox) -> None:
    """Whoever sits in between would else strip STARTTLS from the answer, and read along."""
    with pytest.raises(MailNotSent):
        await mailer_at(server, security="starttls").send(MAIL)
    assert not inbox.messages


@pytest.mark.parametrize(("answer", "permanent"), [("451 later", False), ("552 never alice@example.com", True)])
async def test_a_refusal_says_whether_to_try_again_and_to_whom_it_was_nothing(
    server: Controller, inbox: Inbox, answer: str, permanent: bool
) -> None:
    inbox.answers.append(answer)
    with pytest.raises(MailNotSent, match=answer[:3]) as refused:
        await mailer_at(server).send(MAIL)
    assert refused.value.permanent is permanent
    assert "alice" not in str(refused.value)


async def test_a_server_that_is_not_there_and_one_that_says_nothing(server: Controller) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        with pytest.raises(MailNotSent) as slow:
            await replace(mailer_at(server), port=port, timeout_seconds=0.2).send(MAIL)
    with pytest.raises(MailNotSent) as gone:
        await replace(mailer_at(server), port=port).send(MAIL)
    assert not slow.value.permanent
    assert not gone.value.permanent


@pytest.mark.parametrize("address", ["käthe@example.com", "alice@münchen.example"])
async def test_addresses_beyond_ascii(server: Controller, inbox: Inbox, address: str) -> None:
    try:
        await mailer_at(server).send(replace(MAIL, to=address))
    except MailNotSent as refused:
        assert refused.permanent  # noqa: PT017 - a server that cannot take it is no reason to try for ever
    else:
        assert inbox.messages


def errands(*mails: Mail | None) -> list[Any]:
    async def errand(mail: Mail | None) -> Mail | None:
        return mail

    return [lambda mail=mail: errand(mail) for mail in mails]


async def test_the_tray_tries_again_and_then_gives_up(server: Controller, inbox: Inbox, caplog: Any) -> None:
    caplog.set_level(logging.INFO, "authkeep.mail")
    tray = OutTray(mailer_at(server), retry_after=(0.0, 0.0))
    async with tray.running():
        inbox.answers = ["451 later", "451 later"]
        tray.notify(MAIL)
        await tray.sent()
        assert (len(inbox.messages), tray.lost) == (1, 0)
        inbox.answers = ["451 later"] * 3
        tray.notify(MAIL)
        await tray.sent()
        inbox.answers = ["550 never"]
        tray.notify(MAIL)
        await tray.sent()
        assert (len(inbox.messages), tray.lost) == (1, 2)
    assert "alice" not in caplog.text
    assert "token=" not in caplog.text


class Stuck:
    """Takes a message and never comes back."""

    async def send(self, mail: Mail) -> None:
        await asyncio.Event().wait()


async def test_a_mail_server_that_hangs_keeps_nobody_waiting_and_fills_no_memory() -> None:
    tray = OutTray(Stuck(), capacity=3, senders=1, goodbye_seconds=0.0)
    async with tray.running():
        for errand in errands(MAIL, MAIL, None):
            tray.put(errand)
        with pytest.raises(MailBusy):
            tray.put(errands(MAIL)[0])
        tray.notify(MAIL)
        assert tray.lost == 1
    assert tray.lost == 4


async def test_an_errand_that_fails_is_run_again(server: Controller, inbox: Inbox) -> None:
    failures = [ConnectionError()]

    async def errand() -> Mail:
        if failures:
            raise failures.pop()
        return MAIL

    tray = OutTray(mailer_at(server), retry_after=(0.0,))
    async with tray.running():
        tray.put(errand)
        await tray.sent()
    assert len(inbox.messages) == 1


async def test_without_a_mailer_nothing_is_taken_on() -> None:
    tray = OutTray(None)
    tray.notify(MAIL)
    with pytest.raises(MailNotConfigured):
        tray.put(errands(MAIL)[0])


@pytest.mark.parametrize("evil", ["x\r\nBcc: eve@example.com", "x\nBcc: eve@example.com", "x\r\n\r\nbody", "x\0"])
async def test_header_injection(server: Controller, inbox: Inbox, evil: str) -> None:
    for mail in (replace(MAIL, subject=evil), replace(MAIL, to=f"alice@example.com{evil[1:]}")):
        try:
            await mailer_at(server).send(mail)
        except MailNotSent as refused:
            assert refused.permanent  # noqa: PT017
    assert not any(message["Bcc"] for message in inbox.messages)
    for name in (
        "chat\r\nBcc: eve@example.com <chat@example.org>",
        "chat@example.org\nBcc: x",
        "",
        "chat",
        "<>",
        "a <b",
    ):
        with pytest.raises(ValueError, match="must be an address"):
            parse_sender(name)


def test_a_sender_has_a_name_or_none() -> None:
    assert parse_sender("Käthe's chat <chat@example.org>") == Address("Käthe's chat", addr_spec="chat@example.org")
    assert parse_sender(" chat@example.org ") == Address(addr_spec="chat@example.org")


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("smtp://u:p%40ss@mail.example.org:587", ("mail.example.org", 587, "starttls", "u", "p@ss")),
        ("smtp://mail.example.org", ("mail.example.org", 587, "starttls", None, None)),
        ("smtps://mail.example.org/", ("mail.example.org", 465, "tls", None, None)),
        ("smtp://relay:25?tls=none", ("relay", 25, "none", None, None)),
        ("smtp://127.0.0.1:1025", ("127.0.0.1", 1025, "none", None, None)),
        ("smtp://localhost?tls=starttls", ("localhost", 587, "starttls", None, None)),
    ],
)
def test_an_address_says_how_the_server_is_spoken_to(url: str, expected: tuple[Any, ...]) -> None:
    mailer = SmtpMailer.from_url(url, SENDER)
    assert (mailer.host, mailer.port, mailer.security, mailer.username, mailer.password) == expected
    assert "p@ss" not in repr(mailer)


@pytest.mark.parametrize(
    "url", ["http://x", "smtp://", "smtp://x/path", "smtp://x?tls=maybe", "smtps://x?tls=none", "smtp://u:p@x?tls=none"]
)
def test_an_address_that_cannot_be_used_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match=r"must|may|over TLS"):
        SmtpMailer.from_url(url, SENDER)


def test_a_message_carries_the_time_of_its_sending(clock: FrozenClock) -> None:
    assert as_message(MAIL, SENDER, clock)["Date"] == "Thu, 01 Jan 2026 12:00:00 +0000"

"""The one door to authkeep: who calls, and whose data that is."""

import base64
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from ipaddress import ip_address
from typing import Annotated, Any, NewType, cast
from urllib.parse import urlsplit

from fastapi import Depends, Request

from authkeep import (
    Auth,
    AuthError,
    AuthSettings,
    Counters,
    DevelopmentMailbox,
    Limit,
    Mailer,
    MemoryCounters,
    Principal,
    RevocationFeed,
    Role,
    SigningKeys,
    Throttle,
    TrustedProxies,
)
from authkeep.audit_export import export_lines
from authkeep.email_address import parse_email
from authkeep.http import (
    PolicyFirst,
    ending_with_login,
    identity_of,
    mount,
    owner_of,
    public,
    refuse_undeclared,
    require_role,
    require_scope,
    throttled,
)
from authkeep.oidc import Provider
from authkeep.smtp import SmtpMailer, parse_sender
from authkeep.sql import VERSIONS as AUTH_MIGRATIONS
from authkeep.sql import SqlCounters, SqlStore
from authkeep.sql import metadata as auth_metadata
from authkeep.store import AuditAction, AuditFilter
from chatkeep.db import Database
from chatkeep.settings import Settings
from chatkeep.settings_oidc import OidcProvider

__all__ = [
    "ADMINISTRATOR",
    "AUTH_MIGRATIONS",
    "Auth",
    "AuthError",
    "ChatOwner",
    "CompletionsOwner",
    "Counters",
    "DocumentsOwner",
    "OwnerId",
    "PolicyFirst",
    "ReadsDocuments",
    "Role",
    "SigningKeys",
    "WatchLogin",
    "audit_lines",
    "auth_metadata",
    "create_admin",
    "emails_of",
    "ending_with_login",
    "find_owner",
    "identity_of",
    "make_auth",
    "make_shared",
    "mount",
    "owned",
    "owned_document",
    "public",
    "reachable_by_others",
    "refuse_undeclared",
    "setup_code_to_show",
    "signing_keys",
    "throttled",
]

OwnerId = NewType("OwnerId", str)
"""Whose data it is. Minted here alone, from a verified principal; all that touches data takes one first."""

WatchLogin = Callable[[Callable[[], None]], Callable[[], None]]
"""Calls the function it is given when the login of a request is revoked; returns what has to be called to forget it."""

CHAT_SCOPE = "chat"
COMPLETIONS_SCOPE = "completions"
DOCUMENTS_SCOPE = "documents"
ADMIN_SCOPE = "admin"
# What an API key may be limited to, in the words of whoever makes one.
_SCOPES = {
    CHAT_SCOPE: "Read and write your chats",
    COMPLETIONS_SCOPE: "Ask models as programs for OpenAI do; your chats stay closed",
    DOCUMENTS_SCOPE: "Read, upload and delete your documents, and those of your collections",
    ADMIN_SCOPE: "For administrators: read users, the audit trail and what everybody uses",
}

# The page calls the API from within the server, and says with this header that it may name the browser's address.
FORWARDING_HEADER = "X-Chatkeep-Forwarding-Key"
# A limit is not worth waiting for: beyond this the process counts for itself.
_VALKEY_TIMEOUT_SECONDS = 0.25


# Dependencies are `async def`: the framework sends any other to a thread, which costs more than what it does.
async def _chat_owner(principal: Annotated[Principal, Depends(require_scope(CHAT_SCOPE))]) -> OwnerId:
    return OwnerId(principal.user_id)


ChatOwner = Annotated[OwnerId, Depends(_chat_owner)]
"""For the routes of chats: a person, or their API key with the scope `chat`; 401 for everybody else."""


ADMINISTRATOR: Any = Depends(require_role(Role.ADMIN, scope=ADMIN_SCOPE))
"""Among a route's dependencies: for administrators, and their API keys with the scope `admin`."""


async def _completions_owner(principal: Annotated[Principal, Depends(require_scope(COMPLETIONS_SCOPE))]) -> OwnerId:
    return OwnerId(principal.user_id)


CompletionsOwner = Annotated[OwnerId, Depends(_completions_owner)]
"""For the door of OpenAI's clients: a person, or their API key with the scope `completions`; 401 for everybody else."""


async def _documents_owner(principal: Annotated[Principal, Depends(require_scope(DOCUMENTS_SCOPE))]) -> OwnerId:
    return OwnerId(principal.user_id)


DocumentsOwner = Annotated[OwnerId, Depends(_documents_owner)]
"""For documents and collections: a person, or their API key with the scope `documents`; 401 for everybody else."""


async def _reads_documents(request: Request) -> bool:
    principal = identity_of(request.scope).principal
    return principal is not None and (not principal.is_limited or DOCUMENTS_SCOPE in principal.scopes)


ReadsDocuments = Annotated[bool, Depends(_reads_documents)]
"""Whether an answer for this caller may draw on documents: an API key for chats alone does not open them."""


def owned(parameter: str) -> Any:
    """Among a route's dependencies: what `parameter` names is its owner's alone, and to all others it is not there."""
    return Depends(owner_of(parameter, scope=CHAT_SCOPE))


def owned_document(parameter: str) -> Any:
    """As `owned`, for documents and collections: also theirs with whom one is shared."""
    return Depends(owner_of(parameter, scope=DOCUMENTS_SCOPE))


async def find_owner(request: Request, email: str) -> OwnerId | None:
    """Who has an account with this address, or None. Not to be told to whoever asks."""
    try:
        _, key = parse_email(email)
    except AuthError:
        return None
    user = await _auth(request).store.find_user_by_email(key)
    return None if user is None else OwnerId(user.id)


async def emails_of(request: Request, user_ids: Sequence[str]) -> Mapping[str, str]:
    """The addresses of those among them who have an account, by id."""
    return await _auth(request).store.find_emails(user_ids)


def _auth(request: Request) -> Auth:
    return cast(Auth, request.app.state.auth)


@dataclass(frozen=True, slots=True)
class Shared:
    """What the instances share beside the database: counts of limits, and news of what was revoked; None: by the
    database's own way.
    """

    counters: Counters
    feed: RevocationFeed | None
    aclose: Callable[[], Awaitable[None]]


async def _nothing_to_delete(_: OwnerId) -> None:
    pass


def make_auth(
    settings: Settings,
    database: Database,
    shared: Shared | None = None,
    forwarding_key: str | None = None,
    *,
    own_url: str = "http://localhost",
    on_owner_deleted: Callable[[OwnerId], Awaitable[None]] = _nothing_to_delete,
) -> Auth:
    """authkeep, as these settings want it. Creates the signing keys at the first start.

    Args:
        own_url: where links in mails lead when there is no CHATKEEP_PUBLIC_URL.
        on_owner_deleted: removes everything of an owner; called again until it has succeeded, and once more.

    Raises:
        ValueError: the keys cannot be read or made, or mail cannot be sent this way; the message names the setting.
    """
    keys = signing_keys(settings)
    names = ("send", "import", "upload", "share", "search")
    limits = {name: Limit.parse(getattr(settings, f"limit_{name}")) for name in names}
    shared = shared or _by_the_database(database)
    return Auth(
        AuthSettings(
            issuer=settings.public_url or "chatkeep",
            audience="chatkeep",
            product_names=("chatkeep",),
            key_rotation=timedelta(days=settings.key_rotation_days) if settings.key_rotation_days else None,
            scopes=_SCOPES,
            public_url=settings.public_url,
            link_base=settings.public_url or own_url,
            verify_email=settings.verify_email,
            registration_open=settings.registration == "open",
            providers=_providers(settings),
            secure_cookies=(settings.public_url or "").startswith("https://"),
            trusted_origins=_origins(settings),
            trusted_proxies=TrustedProxies(settings.trusted_proxies, forwarding_key, FORWARDING_HEADER),
            limit_login=Limit.parse(settings.limit_login),
            limit_register=Limit.parse(settings.limit_register),
        ),
        SqlStore(database.engine),
        keys,
        feed=shared.feed,
        throttle=Throttle(shared.counters, limits),
        setup_code=_setup_code(keys) if reachable_by_others(settings) else None,
        mailer=_mailer(settings),
        on_user_deleted=lambda user_id: on_owner_deleted(OwnerId(user_id)),
    )


def _mailer(settings: Settings) -> Mailer | None:
    if settings.smtp_url is None or settings.mail_from is None:
        if not reachable_by_others(settings):
            return DevelopmentMailbox()
        if settings.verify_email:
            raise ValueError("CHATKEEP_VERIFY_EMAIL: needs CHATKEEP_SMTP_URL and CHATKEEP_MAIL_FROM, or nobody gets in")
        return None
    try:
        sender = parse_sender(settings.mail_from)
    except ValueError as error:
        raise ValueError(f"CHATKEEP_MAIL_FROM: {error}") from None
    try:
        return SmtpMailer.from_url(settings.smtp_url, sender)
    except ValueError as error:
        raise ValueError(f"CHATKEEP_SMTP_URL: {error}") from None


def _providers(settings: Settings) -> tuple[Provider, ...]:
    return tuple(_provider(provider_id, named) for provider_id, named in settings.oidc.items())


def _provider(provider_id: str, named: OidcProvider) -> Provider:
    setting = f"CHATKEEP_OIDC_{provider_id.upper().replace('-', '_')}"
    try:
        secret = named.client_secret.get_secret_value() if named.client_secret else None
        if named.client_secret_file is not None:
            secret = named.client_secret_file.expanduser().read_text(encoding="utf-8").partition("\n")[0].strip()
        return Provider(
            id=provider_id,
            name=named.name or provider_id.title(),
            issuer=named.issuer,
            client_id=named.client_id,
            client_secret=secret,
            scopes=named.scopes,
            email_always_verified=named.email_always_verified,
            email_domains=tuple(domain.lower() for domain in named.email_domains),
            opens_accounts=named.opens_accounts,
            trusted_mfa=frozenset(named.trusted_mfa),
        )
    except OSError as error:
        raise ValueError(f"{setting}_CLIENT_SECRET_FILE: {error.strerror}") from None
    except ValueError as error:
        raise ValueError(f"{setting}: {error}") from None


async def create_admin(auth: Auth, settings: Settings) -> None:
    """The administrator of CHATKEEP_ADMIN_EMAIL, unless there is that account already.

    Raises:
        ValueError: the file cannot be read, or the password is refused; the message names the setting.
    """
    if settings.admin_email is None or settings.admin_password_file is None:
        return
    try:
        password = settings.admin_password_file.read_text(encoding="utf-8").partition("\n")[0]
        await auth.accounts.create_admin(settings.admin_email, password)
    except OSError as error:
        raise ValueError(f"CHATKEEP_ADMIN_PASSWORD_FILE: {error.strerror}") from None
    except AuthError as error:
        raise ValueError(f"CHATKEEP_ADMIN_EMAIL, CHATKEEP_ADMIN_PASSWORD_FILE: {error.detail}") from None


async def audit_lines(auth: Auth, since: datetime | None, until: datetime | None) -> AsyncIterator[str]:
    """The audit trail as JSON lines, newest first. That it was taken is recorded in it."""
    await auth.audit.record(auth.audit.event(AuditAction.AUDIT_EXPORTED, None))
    async for lines in export_lines(auth.store, AuditFilter(since=since, until=until)):
        yield lines


async def setup_code_to_show(auth: Auth, settings: Settings) -> str | None:
    """What the first registration must present, while there is nobody yet and it must present anything."""
    if not reachable_by_others(settings) or not await auth.store.is_empty():
        return None
    return _setup_code(auth.keys)


def reachable_by_others(settings: Settings) -> bool:
    """Whether somebody else than the person at this machine can connect, and so be the first to register."""
    return bool(settings.public_url or settings.trusted_proxies) or not _is_loopback(settings.host)


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _setup_code(keys: SigningKeys) -> str:
    """Derived from the root secret: the same at every instance and start, and stored nowhere. 80 bits."""
    text = base64.b32encode(keys.derive("chatkeep setup code")[:10]).decode().lower()
    return "-".join(text[n : n + 4] for n in range(0, 16, 4))


def signing_keys(settings: Settings, *, create: bool = True) -> SigningKeys:
    """The keys of the file that the settings name, which is made if it may be and is not there.

    Raises:
        ValueError: they cannot be read or made; the message names the setting.
    """
    path, algorithm = settings.effective_secret_key_file, settings.signing_algorithm
    try:
        if not create:
            return SigningKeys.load(path, algorithm=algorithm)
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        return SigningKeys.load_or_create(path, algorithm=algorithm)
    except OSError as error:
        raise ValueError(f"CHATKEEP_SECRET_KEY_FILE: cannot use {path} ({error.strerror})") from None
    except ValueError as error:
        raise ValueError(f"CHATKEEP_SECRET_KEY_FILE: {error}") from None


def make_shared(settings: Settings, database: Database) -> Shared:
    """What holds for all instances: limits and revocations, by CHATKEEP_VALKEY_URL or else by PostgreSQL.

    Raises:
        ValueError: the extra that speaks to Valkey is not installed, or the URL has a parameter that it cannot take.
    """
    if settings.valkey_url is None:
        return _by_the_database(database)
    try:
        from valkey.asyncio import Valkey  # noqa: PLC0415

        from authkeep.valkey import ValkeyCounters, ValkeyFeed  # noqa: PLC0415 - an optional extra
    except ImportError:
        raise ValueError("CHATKEEP_VALKEY_URL: install chatkeep[valkey] to use it") from None
    seconds = _VALKEY_TIMEOUT_SECONDS
    try:
        client = Valkey.from_url(settings.valkey_url, socket_timeout=seconds, socket_connect_timeout=seconds)
    except ValueError:
        raise ValueError("CHATKEEP_VALKEY_URL: has a part that cannot be read; leave all after the ? out") from None
    counters = ValkeyCounters(client, prefix="chatkeep:limit:")
    return Shared(counters, ValkeyFeed(client, channel="chatkeep:revocations"), client.aclose)


def _by_the_database(database: Database) -> Shared:
    # A SQLite file has one server, which counts for itself. What the command line revokes beside it has to reach it all
    # the same, and the store has its way for that.
    counters = MemoryCounters() if database.is_sqlite else SqlCounters(database.engine)
    return Shared(counters, None, _nothing_to_close)


async def _nothing_to_close() -> None:
    pass


def _origins(settings: Settings) -> frozenset[str]:
    if settings.public_url is None:
        return frozenset()
    parts = urlsplit(settings.public_url)
    return frozenset({f"{parts.scheme}://{parts.netloc}"})

"""The composition root: the only place that knows every part, and chooses the adapters."""

import asyncio
import importlib.util
import logging
import secrets
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from time import monotonic
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from fastapi import Depends, FastAPI
from pydantic import SecretStr

from chatkeep import identity
from chatkeep.chat.accounting import Accounting
from chatkeep.chat.bin import keep_purging
from chatkeep.chat.dependencies import ChatServices
from chatkeep.chat.drawing_on import QUOTING
from chatkeep.chat.event_feed import EventFeed
from chatkeep.chat.open_streams import OpenStreams
from chatkeep.chat.routes_branches import router as branches_router
from chatkeep.chat.routes_generations import router as generations_router
from chatkeep.chat.routes_search import router as search_router
from chatkeep.chat.routes_sessions import router as sessions_router
from chatkeep.chat.routes_traces import router as traces_router
from chatkeep.chat.routes_transfer import router as transfer_router
from chatkeep.chat.runner import GenerationRunner
from chatkeep.chat.sessions import delete_sessions_of
from chatkeep.chat.titling import Titling
from chatkeep.completions.dependencies import CompletionServices
from chatkeep.completions.open_completions import OpenCompletions
from chatkeep.completions.routes import router as completions_router
from chatkeep.data_dir import DataDirUnusable, make_private
from chatkeep.db import Database, DatabaseUnusable
from chatkeep.index.port import Indexes, IndexUnavailable
from chatkeep.index.selection import build_indexes
from chatkeep.limits.configured import configured_quotas
from chatkeep.limits.dependencies import LimitServices
from chatkeep.limits.ledger import delete_usage_of
from chatkeep.limits.routes_usage import router as usage_router
from chatkeep.limits.turns import Turns
from chatkeep.llm.catalogue import ModelCatalogue
from chatkeep.llm.model import ChatModel
from chatkeep.llm.openai import OpenAIChatModel
from chatkeep.llm.providers import Endpoint, ProvidersChatModel
from chatkeep.llm.routes_to_models import Described
from chatkeep.llm.selection import build_chat_model, build_endpoint
from chatkeep.migrations.schema import is_current, upgrade
from chatkeep.ops import health, problems
from chatkeep.ops.bodies import BodyLimit
from chatkeep.ops.health import Check
from chatkeep.ops.hosts import AllowedHosts
from chatkeep.ops.page_mount import PageMount
from chatkeep.ops.reachability import reachable
from chatkeep.ops.request_id import RequestId
from chatkeep.settings import Settings

if TYPE_CHECKING:
    from chatkeep.app_documents import Documents
    from chatkeep_ui.page import Page

log = logging.getLogger(__name__)

MAX_BODY_BYTES = 64 * 1024
# A message of 200,000 characters in UTF-8, escaped, with room to spare; a conversation with its pictures.
MAX_BODY_BYTES_AT = {
    "/chat/send": 2 * 1024 * 1024,
    "/chat/import": 32 * 1024 * 1024,
    # The page's form, which hands its file on to /chat/import.
    "/account/data": 32 * 1024 * 1024,
    "/v1/chat/completions": 20 * 1024 * 1024,
}
_ROUTERS = (
    sessions_router,
    branches_router,
    search_router,
    transfer_router,
    generations_router,
    traces_router,
    usage_router,
    completions_router,
)
# What a form takes beside its files.
_FORM_BYTES = 64 * 1024
_NEEDED_BY_DOCUMENTS = (
    "numpy",
    "py3langid",
    "pypdfium2",
    "python_multipart",
    "qdrant_client",
    "qdrant_edge",
    "tokenizers",
)

# The page's form comes back with words instead of a problem's JSON.
_TOO_LARGE_LEADS_TO = {
    "/account/data": "/account/data?error=file_too_large",
    "/library/upload": "/library?error=document_too_large",
}

# The provider of CHATKEEP_LLM_BASE_URL where there are others beside it.
_ONLY = "default"


class ServerUnusable(Exception):
    """The server cannot start; the message says what to do."""


@dataclass(frozen=True, slots=True)
class Parts:
    """What the lifespan opens and closes, made from the settings before anything runs."""

    database: Database
    auth: identity.Auth
    shared: identity.Shared
    chat_model: ChatModel
    indexes: Indexes | None
    chat: ChatServices
    limits: LimitServices
    completions: CompletionServices
    documents: "Documents | None"


async def prepare(settings: Settings) -> None:
    """Make the data directory, reach the database, bring its schema up to date, create the administrator who is named.
    Once per start, before `create_app`.

    Raises:
        ServerUnusable: one of these cannot be done.
    """
    try:
        make_private(settings.data_dir)
        # A migration of many rows takes as long as it takes, and so does waiting for the instance that runs it.
        database = Database(settings.effective_database_url, statement_seconds=None)
        try:
            await database.check()
            await upgrade(database)
            await _create_admin(settings, database)
        finally:
            await database.aclose()
    except (DataDirUnusable, DatabaseUnusable, ValueError) as error:
        raise ServerUnusable(str(error)) from None


@asynccontextmanager
async def auth_alone(settings: Settings) -> AsyncIterator[identity.Auth]:
    """Authkeep without a server around it: for the command line, beside a server that may be running.

    Raises:
        ServerUnusable: the database cannot be used, or has another schema.
    """
    try:
        database = Database(settings.effective_database_url)
        try:
            await database.check()
            if not await is_current(database):
                raise ServerUnusable("The database has another schema: run chatkeep migrate first.")
            async with identity.make_auth(settings, database).at_hand() as auth:
                yield auth
        finally:
            await database.aclose()
    except (DatabaseUnusable, ValueError) as error:
        raise ServerUnusable(str(error)) from None


async def _create_admin(settings: Settings, database: Database) -> None:
    if settings.admin_email is not None:
        auth = identity.make_auth(settings, database)
        async with auth.at_hand():
            await identity.create_admin(auth, settings)


def create_app(settings: Settings, api_url: str) -> FastAPI:
    """The application. `api_url` is where its own API will answer: the page calls it there, over HTTP, as the user.

    Raises:
        ServerUnusable: the settings name something that cannot be used.
    """
    forwarding_key = secrets.token_urlsafe(32)
    parts = _make_parts(settings, api_url, forwarding_key)
    page = _make_page(settings, api_url, forwarding_key)

    # The framework's own documentation pages load their scripts from elsewhere; /openapi.json is for any viewer.
    lifespan = _lifespan(parts, page)
    app = FastAPI(title="chatkeep", lifespan=lifespan, docs_url=None, redoc_url=None, redirect_slashes=False)
    app.state.chat = parts.chat
    app.state.completions = parts.completions
    app.state.auth = parts.auth
    app.state.limits = parts.limits
    if parts.documents is not None:
        app.state.documents = parts.documents.services
    app.state.readiness_checks = _readiness_checks(settings, parts)
    problems.install(app)
    app.include_router(health.router, dependencies=[Depends(identity.public)])
    for router in (*_ROUTERS, *(parts.documents.routers if parts.documents is not None else ())):
        app.include_router(router)
    identity.mount(app, parts.auth)
    _add_middleware(app, settings)
    api = identity.refuse_undeclared(app)
    if page is not None:
        app.router.routes.append(PageMount(page.app, [route.path for route in api]))
        # The page asks for a sign-in itself, because it must answer with a form where the API answers 401.
        identity.refuse_undeclared(app, declare={"/": identity.public})
    return app


def _lifespan(parts: Parts, page: "Page | None") -> Callable[[FastAPI], AbstractAsyncContextManager[None]]:
    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        async with AsyncExitStack() as stack:
            stack.push_async_callback(parts.database.aclose)
            stack.push_async_callback(parts.shared.aclose)
            stack.push_async_callback(parts.chat_model.aclose)
            if parts.indexes is not None:
                stack.push_async_callback(parts.indexes.aclose)
            if parts.documents is not None:
                await stack.enter_async_context(parts.documents.running())
            await stack.enter_async_context(parts.auth.running())
            await parts.chat.runner.open()
            stack.push_async_callback(parts.chat.runner.aclose)
            stack.push_async_callback(parts.completions.underway.drain)
            if page is not None:
                await stack.enter_async_context(page.lifespan())
            # The built-in model begins to load now, and not with the first question.
            warming = asyncio.create_task(parts.chat.catalogue.offer())
            purging = asyncio.create_task(keep_purging(parts.database), name="purge")
            yield
            warming.cancel()
            purging.cancel()

    return lifespan


def _add_middleware(app: FastAPI, settings: Settings) -> None:
    """The last to be added is the first to see a request."""
    upload_bytes = settings.upload_megabytes * 1024 * 1024 + _FORM_BYTES
    # The latter is the page's form, which hands its files on to the former.
    max_bytes_at = MAX_BODY_BYTES_AT | dict.fromkeys(("/documents", "/library/upload"), upload_bytes)
    app.add_middleware(BodyLimit, max_bytes=MAX_BODY_BYTES, max_bytes_at=max_bytes_at, leads_to=_TOO_LARGE_LEADS_TO)
    if settings.public_url is not None:
        # Probes and containers ask by address.
        names = (settings.host, urlsplit(settings.public_url).hostname or "")
        app.add_middleware(AllowedHosts, names=names, any_address=True)
    elif not identity.reachable_by_others(settings):
        app.add_middleware(AllowedHosts, names=(settings.host,))
    app.add_middleware(RequestId)


def _make_parts(settings: Settings, api_url: str, forwarding_key: str) -> Parts:
    async def forget(owner: identity.OwnerId) -> None:
        async with database.writing(owner) as db:
            await delete_sessions_of(db, owner)
            await delete_usage_of(db, owner)
        if documents is not None:
            await documents.forget(owner)

    try:
        database = Database(settings.effective_database_url)
        shared = identity.make_shared(settings, database)
        auth = identity.make_auth(settings, database, shared, forwarding_key, own_url=api_url, on_owner_deleted=forget)
        indexes = build_indexes(settings.data_dir, settings.qdrant_url, _secret(settings.qdrant_api_key))
        documents = _make_documents(settings, database, indexes)
    except (DatabaseUnusable, ValueError) as error:
        raise ServerUnusable(str(error)) from None
    chat_model = _make_chat_model(settings)
    catalogue = ModelCatalogue(chat_model, monotonic, QUOTING if documents else ())
    quotas = configured_quotas(settings)
    turns = Turns(settings.concurrent_answers, settings.concurrent_answers_per_user)
    accounting = Accounting(quotas, catalogue, settings.llm_context_tokens)
    titling = Titling(database, chat_model, accounting, turns, settings.title_model) if settings.auto_titles else None
    runner = GenerationRunner(
        database,
        chat_model,
        accounting,
        turns=turns,
        feed=_make_feed(settings),
        titling=titling,
        drawing_on=documents.drawing_on(catalogue) if documents else None,
        drain_seconds=settings.drain_seconds,
    )
    chat = ChatServices(
        database, catalogue, runner, OpenStreams(), imported_bytes=settings.import_megabytes * 1024 * 1024
    )
    underway = OpenCompletions(settings.drain_seconds)
    completions = CompletionServices(database, chat_model, catalogue, quotas, turns, underway)
    return Parts(
        database, auth, shared, chat_model, indexes, chat, LimitServices(database, quotas), completions, documents
    )


def _make_documents(settings: Settings, database: Database, indexes: Indexes | None) -> "Documents | None":
    if indexes is None or not all(importlib.util.find_spec(name) for name in _NEEDED_BY_DOCUMENTS):
        log.warning("No documents: what reads them is not installed. Install chatkeep[documents].")
        return None
    from chatkeep.app_documents import Documents  # noqa: PLC0415 - an optional extra, and a heavy one

    return Documents(settings, database, indexes)


def _make_feed(settings: Settings) -> EventFeed | None:
    if settings.valkey_url is None:
        return None
    from chatkeep.chat.valkey_log import ValkeyLog  # noqa: PLC0415 - an optional extra; `make_shared` has missed it

    return ValkeyLog(settings.valkey_url)


def _make_chat_model(settings: Settings) -> ChatModel:
    if not settings.providers:
        return _make_only_model(settings)
    endpoints = []
    if settings.llm_base_url is not None:
        only = _make_only_model(settings)
        if not isinstance(only, OpenAIChatModel) or _ONLY in settings.providers:
            raise ServerUnusable(
                "CHATKEEP_LLM_BASE_URL beside CHATKEEP_PROVIDERS is the provider 'default': it must be an http(s) "
                "address, and no other may have that id."
            )
        endpoints.append(Endpoint(_ONLY, only, dict.fromkeys(settings.llm_models, Described())))
    for provider, named in settings.providers.items():
        try:
            endpoints.append(build_endpoint(provider, named))
        except ValueError as error:
            raise ServerUnusable(f"CHATKEEP_PROVIDERS, {provider}: {error}") from None
    return ProvidersChatModel(endpoints)


def _make_only_model(settings: Settings) -> ChatModel:
    try:
        return build_chat_model(settings.llm_base_url, _secret(settings.llm_api_key), settings.llm_models)
    except ValueError as error:
        raise ServerUnusable(f"CHATKEEP_LLM_BASE_URL {error}") from None


def _secret(value: SecretStr | None) -> str | None:
    return None if value is None else value.get_secret_value()


def _make_page(settings: Settings, api_url: str, forwarding_key: str) -> "Page | None":
    if not settings.page:
        return None
    if importlib.util.find_spec("chatkeep_ui") is None:
        log.warning("No page: it is not installed. Install chatkeep[ui], or set CHATKEEP_PAGE=false.")
        return None
    from chatkeep_ui.page import create_page  # noqa: PLC0415 - an optional extra, and a heavy one

    return create_page(api_url, forwarding_key, settings.public_url)


def _readiness_checks(settings: Settings, parts: Parts) -> Mapping[str, Check]:
    async def serving() -> str | None:
        return "draining" if parts.chat.runner.draining else None

    async def database() -> str | None:
        try:
            await parts.database.check()
        except DatabaseUnusable:
            return "does not answer"
        return None

    async def migrations() -> str | None:
        try:
            return None if await is_current(parts.database) else "run chatkeep migrate"
        except DatabaseUnusable:
            return "unknown"

    async def model() -> str | None:
        offer = await parts.chat.catalogue.offer()
        if offer.error is not None:
            return offer.error.code
        return None if all(info.ready for info in offer.models) else "loading"

    checks: dict[str, Check] = {"serving": serving, "database": database, "migrations": migrations, "model": model}
    if parts.indexes is not None:
        checks["index"] = _index_check(parts.indexes)
    if settings.valkey_url:
        checks["valkey"] = reachable(settings.valkey_url)
    return checks


def _index_check(indexes: Indexes) -> Check:
    async def check() -> str | None:
        try:
            await indexes.check()
        except IndexUnavailable as error:
            log.warning("not ready: %s", error)
            return "does not answer"
        return None

    return check

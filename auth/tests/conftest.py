import asyncio
import importlib.util
import logging
import os
import re
import shutil
import unicodedata
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from copy import copy
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import httpx
import pytest
from fastapi import FastAPI
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from starlette.middleware import Middleware

from authkeep import Auth, AuthSettings, DevelopmentMailbox, InvalidToken, SigningKeys, Throttle, TrustedProxies
from authkeep.http import mount
from authkeep.http.middleware import AuthMiddleware
from authkeep.sql import SqlStore, metadata, migrate
from authkeep.store import Store
from authkeep.testing import CredentialsInLogs, FrozenClock, MemoryStore, cheap_passwords
from authkeep.throttle import Limit, MemoryCounters

PASSWORD = "seven purple kettles sing"
FORWARDING_KEY = "k" * 32
_TOKEN = re.compile(r"#token=(\S+)")


def own_postgres_url() -> str:
    url = os.environ.get("AUTHKEEP_TEST_POSTGRES_URL")
    if url is None:
        pytest.skip("no PostgreSQL: set AUTHKEEP_TEST_POSTGRES_URL to postgresql+asyncpg://... of an empty database")
    return url


if importlib.util.find_spec("testbed") is None:
    # Away from the repository whose test servers these are, for instance where only the wheel is installed.
    @pytest.fixture
    def postgres_url() -> str:
        return own_postgres_url()

    @pytest.fixture
    def valkey_url() -> str:
        url = os.environ.get("AUTHKEEP_TEST_VALKEY_URL")
        if url is None:
            pytest.skip("no Valkey: set AUTHKEEP_TEST_VALKEY_URL to redis://... of an empty database")
        return url


@pytest.fixture(scope="session", autouse=True)
def no_credential_in_any_log() -> Iterator[None]:
    """Whatever any test makes the library log, at its most talkative."""
    watch = CredentialsInLogs(PASSWORD)
    logging.getLogger().addHandler(watch)
    logging.getLogger("authkeep").setLevel(logging.DEBUG)
    yield
    logging.getLogger().removeHandler(watch)
    assert watch.found == []


@pytest.fixture
def clock() -> FrozenClock:
    return FrozenClock()


@pytest.fixture(scope="session")
def keys() -> SigningKeys:
    return SigningKeys.generate()


@pytest.fixture
def settings() -> AuthSettings:
    return AuthSettings(
        issuer="https://chat.example",
        audience="chat",
        product_names=("Kettleworks",),
        trusted_proxies=TrustedProxies(["10.0.0.0/8"], forwarding_key=FORWARDING_KEY),
    )


@pytest.fixture
def lenient(settings: AuthSettings) -> Throttle:
    """Limits that no test meets by accident; those about limits make their own."""
    return Throttle(MemoryCounters(), {name: Limit.parse("1000/second") for name in settings.limits})


def _migrate(url: str) -> None:
    async def run() -> None:
        async with _engine(url) as engine:
            await migrate(engine)

    # Where this is asked for, another loop may be about to run.
    with ThreadPoolExecutor(1) as thread:
        thread.submit(asyncio.run, run()).result()


@asynccontextmanager
async def _engine(url: str) -> AsyncIterator[AsyncEngine]:
    engine = create_async_engine(url)
    try:
        yield engine
    finally:
        await engine.dispose()


@pytest.fixture(scope="session")
def migrated_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """SQLite with the tables that the migrations build, to be copied: to migrate takes longer than most tests."""
    file = tmp_path_factory.mktemp("migrated") / "auth.db"
    _migrate(f"sqlite+aiosqlite:///{file}")
    return file


@pytest.fixture
async def sqlite_store(migrated_file: Path, tmp_path: Path) -> AsyncIterator[SqlStore]:
    file = shutil.copyfile(migrated_file, tmp_path / "auth.db")
    async with _engine(f"sqlite+aiosqlite:///{file}") as engine:
        yield SqlStore(engine)


@pytest.fixture(scope="session")
def migrated_postgres_url(request: pytest.FixtureRequest) -> Iterator[str]:
    """One database with authkeep's tables, for all tests that leave the schema alone."""
    if importlib.util.find_spec("testbed") is None:
        _migrate(own_postgres_url())
        yield own_postgres_url()
        return
    server = request.getfixturevalue("postgres")
    database = server.create_database()
    _migrate(server.url(database))
    yield server.url(database)
    server.drop_database(database)


@pytest.fixture
async def postgres_store(migrated_postgres_url: str) -> AsyncIterator[SqlStore]:
    async with _engine(migrated_postgres_url) as engine:
        await emptied(engine)
        yield SqlStore(engine)


async def emptied(engine: AsyncEngine) -> None:
    async with engine.begin() as db:
        # The trail cannot be emptied, which is right everywhere but here.
        await db.execute(text("ALTER TABLE authkeep_audit DISABLE TRIGGER USER"))
        await db.execute(text(f"TRUNCATE {', '.join(metadata.tables)}"))
        await db.execute(text("ALTER TABLE authkeep_audit ENABLE TRIGGER USER"))


@pytest.fixture
def empty() -> Any:
    """`emptied`, for tests that bring engines of their own to PostgreSQL."""
    return emptied


@pytest.fixture
def memory_store() -> MemoryStore:
    return MemoryStore()


@pytest.fixture(params=["memory", "sqlite", "postgres"])
def store(request: pytest.FixtureRequest) -> Any:
    return request.getfixturevalue(f"{request.param}_store")


def make_auth(store: Store, clock: FrozenClock, settings: AuthSettings, keys: SigningKeys, **options: Any) -> Auth:
    return Auth(settings, store, keys, clock=clock, passwords=cheap_passwords(), **options)


@pytest.fixture
async def auth_on(
    store: Store, clock: FrozenClock, settings: AuthSettings, keys: SigningKeys, lenient: Throttle
) -> AsyncIterator[Auth]:
    """`Auth` on each store in turn."""
    async with make_auth(store, clock, settings, keys, throttle=lenient).running() as auth:
        yield auth


@pytest.fixture
async def auth(
    memory_store: MemoryStore, clock: FrozenClock, settings: AuthSettings, keys: SigningKeys, lenient: Throttle
) -> AsyncIterator[Auth]:
    async with make_auth(memory_store, clock, settings, keys, throttle=lenient).running() as auth:
        yield auth


_MOUNTED: dict[bool, FastAPI] = {}


def application(auth: Auth) -> FastAPI:
    """An app with authkeep mounted, and nothing else.

    FastAPI takes longer to look at the signatures of all routes than most tests take, and sees the same each time. So
    these are mounted once, with and without scopes, and every app has them behind a door of its own.
    """
    has_scopes = bool(auth.settings.scopes)
    if has_scopes not in _MOUNTED:
        mount(_MOUNTED.setdefault(has_scopes, FastAPI()), auth)
    app = copy(_MOUNTED[has_scopes])
    app.user_middleware = [Middleware(AuthMiddleware, auth=auth)]
    return app


@asynccontextmanager
async def browsing(auth: Auth, base_url: str = "http://chat.example", peer: str = "198.51.100.7") -> Any:
    """A client of `application(auth)`, as seen from `peer`."""
    transport = httpx.ASGITransport(application(auth), client=(peer, 40000))
    async with httpx.AsyncClient(transport=transport, base_url=base_url) as client:
        yield client


@pytest.fixture
async def client(auth: Auth) -> AsyncIterator[httpx.AsyncClient]:
    async with browsing(auth) as client:
        yield client


@pytest.fixture
async def client_on(auth_on: Auth) -> AsyncIterator[httpx.AsyncClient]:
    async with browsing(auth_on) as client:
        yield client


@pytest.fixture
def make() -> Any:
    """`make_auth`, for tests that need other settings."""
    return make_auth


@pytest.fixture
def browse() -> Any:
    """`browsing`, for tests that need another peer or address."""
    return browsing


@pytest.fixture
def normalised(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How long each text was that has been handed to Unicode normalisation."""
    lengths: list[int] = []
    normalize = unicodedata.normalize

    def record(form: Literal["NFC", "NFD", "NFKC", "NFKD"], text: str) -> str:
        lengths.append(len(text))
        return normalize(form, text)

    monkeypatch.setattr(unicodedata, "normalize", record)
    return lengths


@pytest.fixture
def password() -> str:
    return PASSWORD


@pytest.fixture
def forwarding_key() -> str:
    return FORWARDING_KEY


@pytest.fixture
def until() -> Any:
    """Await `until(holds)` to go on once `holds()` is true, or what it gives to await is."""

    async def wait(holds: Callable[[], Any]) -> None:
        async with asyncio.timeout(20):
            while not (await held if asyncio.iscoroutine(held := holds()) else held):  # noqa: ASYNC110 - of other processes
                await asyncio.sleep(0.002)

    return wait


@pytest.fixture
def refuses() -> Any:
    """Whether an `Auth` takes a token for invalid."""

    async def ask(auth: Auth, token: str) -> bool:
        try:
            await auth.verify(token)
        except InvalidToken:
            return True
        return False

    return ask


class Post:
    """Reads what arrived, as its owner would."""

    def __init__(self, auth: Auth, box: DevelopmentMailbox) -> None:
        self._auth = auth
        self._box = box

    async def arrived(self) -> list[tuple[str, str]]:
        """Whom mail went to, and its subject, since the last look."""
        await self._auth.out_tray.sent()
        found = [(mail.to, mail.subject) for mail in self._box.mails]
        self.last = self._box.mails[-1].text if found else ""
        self._box.mails.clear()
        return found

    async def token(self) -> str:
        """The token in the newest mail that has one."""
        await self._auth.out_tray.sent()
        (*_, text) = [mail.text for mail in self._box.mails if "#token=" in mail.text]
        self._box.mails.clear()
        match = _TOKEN.search(text)
        assert match is not None
        return match[1]


@pytest.fixture
def box() -> DevelopmentMailbox:
    return DevelopmentMailbox()


@pytest.fixture
async def mailing(
    store: Store, clock: FrozenClock, settings: Any, keys: Any, lenient: Throttle, box: DevelopmentMailbox
) -> AsyncIterator[Auth]:
    """A deployment that sends mail and does not verify addresses. Its first account, an admin, is there."""
    chosen = replace(settings, link_base="https://chat.example")
    async with make_auth(store, clock, chosen, keys, throttle=lenient, mailer=box).running() as auth:
        await auth.accounts.create_admin("admin@example.com", PASSWORD)
        yield auth


@pytest.fixture
async def web(mailing: Auth) -> AsyncIterator[httpx.AsyncClient]:
    async with browsing(mailing) as client:
        yield client


@pytest.fixture
def reading() -> type[Post]:
    """`Post`, for tests of a deployment of their own."""
    return Post


@pytest.fixture
def post(mailing: Auth, box: DevelopmentMailbox) -> Post:
    return Post(mailing, box)


@pytest.fixture
def sign_in(web: httpx.AsyncClient) -> Callable[..., Any]:
    async def attempt(password: str, email: str = "alice@example.com") -> httpx.Response:
        return await web.post("/auth/login", json={"email": email, "password": password})

    return attempt

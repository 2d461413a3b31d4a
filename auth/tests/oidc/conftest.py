"""A provider of sign-ins that misbehaves as it is told, and apps that trust it."""

import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import httpx
import pytest

from authkeep import Auth, AuthSettings, SigningKeys, Throttle
from authkeep.testing import FrozenClock, MemoryStore, signed_in
from authkeep.testing.provider import ScriptedProvider, new_key


@pytest.fixture(scope="session")
def provider_key() -> Any:
    return new_key("first")


@pytest.fixture
async def provider(clock: FrozenClock, provider_key: Any) -> AsyncIterator[ScriptedProvider]:
    """An OpenID Connect provider on a real socket; it misbehaves as it is told."""
    async with ScriptedProvider(clock=clock, key=provider_key).running() as running:
        yield running


@pytest.fixture(scope="session")
def authorities() -> ssl.SSLContext:
    return ssl.create_default_context()


@pytest.fixture
def visiting(
    *,
    memory_store: MemoryStore,
    monkeypatch: pytest.MonkeyPatch,
    authorities: ssl.SSLContext,
    clock: FrozenClock,
    settings: AuthSettings,
    keys: SigningKeys,
    lenient: Throttle,
    provider: ScriptedProvider,
    make: Any,
    browse: Any,
) -> Any:
    """`async with visiting() as (auth, browser)`: at an app that signs people in with `provider`, and has an admin."""

    # Reading all of the machine's certificates takes longer than most of these tests, and none of them uses one.
    monkeypatch.setattr(ssl, "create_default_context", lambda: authorities)

    @asynccontextmanager
    async def visit(*, base_url: str = "http://chat.example", registration_open: bool = True, **named: Any) -> Any:
        providers = (provider.provider(**named),)
        naming = replace(settings, registration_open=registration_open, providers=providers)
        async with make(memory_store, clock, naming, keys, throttle=lenient).running() as auth:
            await signed_in(auth, "admin@example.com")
            async with browse(auth, base_url) as browser:
                yield auth, browser

    return visit


@pytest.fixture
async def visit(visiting: Any) -> AsyncIterator[tuple[Auth, httpx.AsyncClient]]:
    async with visiting() as visit:
        yield visit


@pytest.fixture
def visited(visit: tuple[Auth, httpx.AsyncClient]) -> Auth:
    """The `Auth` that knows `provider`."""
    return visit[0]


@pytest.fixture
def browser(visit: tuple[Auth, httpx.AsyncClient]) -> httpx.AsyncClient:
    """At the app of `visited`."""
    return visit[1]

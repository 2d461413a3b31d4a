"""What one process revokes, another knows at once, by each feed."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from valkey.asyncio import Valkey

from authkeep import Auth, AuthSettings, RefreshTokenReused
from authkeep.device import Device
from authkeep.sql import SqlStore
from authkeep.sql.revocations import record
from authkeep.store import EndReason, Revocation, RevocationFeed, Store, UserChange
from authkeep.testing import FrozenClock, signed_in
from authkeep.valkey import ValkeyFeed

DEVICE = Device("127.0.0.1", "test")


@pytest.fixture
def settings(settings: AuthSettings) -> AuthSettings:
    """The timer is out of the way: what is known soon is known by the feed."""
    return replace(settings, revocation_reread=timedelta(minutes=1), revocation_lease=timedelta(minutes=2))


@pytest.fixture(params=["memory", "sqlite", "postgres", "valkey"])
def shared(request: pytest.FixtureRequest) -> Store:
    kind = request.param
    store: Store = request.getfixturevalue("sqlite_store" if kind == "valkey" else f"{kind}_store")
    return store


@pytest.fixture
def valkey_feed_url(request: pytest.FixtureRequest, shared: Store) -> Any:
    return request.getfixturevalue("valkey_url") if "valkey" in request.node.name else None


@pytest.fixture
async def two(
    shared: Store, valkey_feed_url: str | None, clock: FrozenClock, settings: Any, keys: Any, make: Any, until: Any
) -> AsyncIterator[list[Auth]]:
    """Two `Auth` over one store, as two processes would have them, that hear of each other by one of the feeds."""
    async with AsyncExitStack() as stack:
        auths: list[Auth] = []
        for _ in range(2):
            feed: RevocationFeed | None = None
            if valkey_feed_url is not None:
                client = Valkey.from_url(valkey_feed_url, socket_timeout=5)
                stack.push_async_callback(client.aclose)
                feed = ValkeyFeed(client, channel="test")
            auths.append(await stack.enter_async_context(make(shared, clock, settings, keys, feed=feed).running()))
        await until(lambda: all(auth.revocations.listening for auth in auths))
        yield auths


async def test_a_logout_bites_in_the_other_process(two: list[Auth], until: Any, refuses: Any) -> None:
    here, there = two
    user, other = await signed_in(here), await signed_in(here, "bob@example.com")
    assert not await refuses(there, user.access_token)
    await here.logins.end(user.principal, user.principal.login_id, EndReason.LOGOUT)
    await until(lambda: refuses(there, user.access_token))
    assert not await refuses(there, other.access_token)


async def test_ending_all_logins_bites_in_the_other_process(two: list[Auth], until: Any, refuses: Any) -> None:
    here, there = two
    users = [await signed_in(here) for _ in range(3)]
    await here.logins.end_all(users[0].principal)
    for user in users:
        await until(lambda user=user: refuses(there, user.access_token))
    anew = await signed_in(here)
    assert not await refuses(there, anew.access_token)


async def test_disabling_bites_in_the_other_process(two: list[Auth], until: Any, refuses: Any) -> None:
    here, there = two
    user = await signed_in(here)
    await here.administration.change_user(None, user.user.id, disabled=True)
    await until(lambda: refuses(there, user.access_token))


async def test_a_stolen_refresh_token_ends_the_login_in_the_other_process(
    two: list[Auth], clock: FrozenClock, until: Any, refuses: Any
) -> None:
    here, there = two
    user = await signed_in(here)
    await here.logins.refresh(user.refresh_token, DEVICE)
    clock.advance(timedelta(seconds=30))
    with pytest.raises(RefreshTokenReused):
        await here.logins.refresh(user.refresh_token, DEVICE)
    await until(lambda: refuses(there, user.access_token))


async def test_logins_that_end_together_are_all_heard_of(two: list[Auth], until: Any, refuses: Any) -> None:
    here, there = two
    # Together more than PostgreSQL takes into one notification.
    user, *others = [await signed_in(here) for _ in range(80)]
    ending = here.logins.ending(EndReason.PASSWORD_CHANGED)
    changed = await here.store.change_user(user.user.id, UserChange(ending=ending, keep_sid=user.principal.login_id))
    assert changed is not None
    await here.revocations.apply(changed[1])
    await until(lambda: len(there.revocations.view) == len(others))
    assert not await refuses(there, user.access_token)


async def test_a_subscriber_hears_of_each_revocation_once(two: list[Auth], until: Any, refuses: Any) -> None:
    here, there = two
    heard: list[Revocation] = []
    end_subscription = there.revocations.subscribe(heard.append)
    user, witness = await signed_in(here), await signed_in(here)
    await here.logins.end(user.principal, user.principal.login_id, EndReason.LOGOUT)
    await until(lambda: heard)
    await there.revocations.reread()
    assert [entry.sid for entry in heard] == [user.principal.login_id]
    end_subscription()
    await here.logins.end(witness.principal, witness.principal.login_id, EndReason.LOGOUT)
    await until(lambda: refuses(there, witness.access_token))
    assert len(heard) == 1


async def test_a_subscriber_that_fails_keeps_nobody_from_being_told(auth: Auth) -> None:
    user = await signed_in(auth)
    ended: list[str | None] = []

    def fail(_: Revocation) -> None:
        raise RuntimeError("a host's fault")

    auth.revocations.subscribe(fail)
    auth.revocations.subscribe(lambda entry: ended.append(entry.sid))
    await auth.logins.end(user.principal, user.principal.login_id, EndReason.LOGOUT)
    assert ended == [user.principal.login_id]


async def test_a_revocation_that_is_rolled_back_is_not_heard_of(
    postgres_store: SqlStore, clock: FrozenClock, settings: Any, keys: Any, make: Any, until: Any
) -> None:
    heard: list[Revocation] = []
    entry = Revocation("id", "sid", "user", None, clock.now() + timedelta(minutes=6))
    async with make(postgres_store, clock, settings, keys).running() as auth, postgres_store._engine.connect() as db:
        await until(lambda: auth.revocations.listening)
        auth.revocations.subscribe(heard.append)
        await record(db, [entry])
        await db.rollback()
        await record(db, [replace(entry, sid="witness")])
        await db.commit()
        await until(lambda: heard)
    assert [entry.sid for entry in heard] == ["witness"]

"""A feed whose connection is killed, falls silent, or says what nobody of us would."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from urllib.parse import urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import text
from sqlalchemy.ext.asyncio import create_async_engine
from valkey.asyncio import Valkey

from authkeep import Auth, AuthSettings
from authkeep.revocation_feed import encode, parse
from authkeep.sql import PostgresFeed, SqlStore
from authkeep.store import EndReason, Revocation, RevocationFeed
from authkeep.testing import FrozenClock, MemoryStore, signed_in
from authkeep.valkey import ValkeyFeed

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
KILL_LISTENERS = text(
    "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity "
    "WHERE datname = current_database() AND query LIKE 'LISTEN%'"
)


@pytest.fixture
def settings(settings: AuthSettings) -> AuthSettings:
    """The timer is out of the way: the set is read again because of what befell the feed."""
    return replace(settings, revocation_reread=timedelta(minutes=1), revocation_lease=timedelta(minutes=2))


async def test_what_was_revoked_while_the_listening_connection_was_killed_is_known(
    postgres_store: SqlStore, clock: FrozenClock, settings: Any, keys: Any, make: Any, until: Any, refuses: Any
) -> None:
    elsewhere: Auth = make(postgres_store, clock, settings, keys)
    user, later = await signed_in(elsewhere), await signed_in(elsewhere)
    async with make(postgres_store, clock, settings, keys).running() as auth:
        await until(lambda: auth.revocations.listening)
        async with postgres_store._engine.connect() as db:
            assert (await db.execute(KILL_LISTENERS)).scalar_one() == 1
        await elsewhere.logins.end(user.principal, user.principal.login_id, EndReason.LOGOUT)
        await until(lambda: refuses(auth, user.access_token))
        await until(lambda: auth.revocations.failures and auth.revocations.listening)
        await elsewhere.logins.end(later.principal, later.principal.login_id, EndReason.LOGOUT)
        await until(lambda: refuses(auth, later.access_token))


class BlackHole:
    """A proxy that can fall silent: connections stay open and nothing passes, as behind a network that has gone.

    Attributes:
        passing: cleared, it swallows.
    """

    def __init__(self, connect: Callable[[], Awaitable[tuple[asyncio.StreamReader, asyncio.StreamWriter]]]) -> None:
        self.passing = asyncio.Event()
        self.passing.set()
        self._connect = connect
        self._tasks: set[asyncio.Task[None]] = set()

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        up_reader, up_writer = await self._connect()
        self._tasks.add(asyncio.create_task(self._copy(reader, up_writer)))
        self._tasks.add(asyncio.create_task(self._copy(up_reader, writer)))

    async def _copy(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        try:
            while data := await source.read(65536):
                await self.passing.wait()
                sink.write(data)
        finally:
            sink.close()

    async def aclose(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)


Broken = tuple[BlackHole, RevocationFeed]


@pytest.fixture
async def broken_valkey_feed(valkey_url: str) -> AsyncIterator[Broken]:
    hole = BlackHole(lambda: asyncio.open_connection("127.0.0.1", urlsplit(valkey_url).port))
    server = await asyncio.start_server(hole.handle, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    client = Valkey(port=port, socket_timeout=0.2, socket_connect_timeout=0.2)
    yield hole, ValkeyFeed(client, channel="broken", quiet_seconds=0.1)
    await client.aclose()
    server.close()
    await hole.aclose()


@pytest.fixture
async def broken_postgres_feed(postgres_store: SqlStore) -> AsyncIterator[Broken]:
    url = postgres_store._engine.url
    directory = str(url.query.get("host", ""))
    if not directory.startswith("/"):
        pytest.skip("this PostgreSQL has no unix socket to stand before")
    socket = Path(directory) / ".s.PGSQL.5432"
    hole = BlackHole(lambda: asyncio.open_unix_connection(socket))
    with TemporaryDirectory(prefix="ck-hole-") as name:
        server = await asyncio.start_unix_server(hole.handle, Path(name) / socket.name)
        engine = create_async_engine(url.update_query_dict({"host": name}))
        yield hole, PostgresFeed(engine, quiet_seconds=0.1)
        await engine.dispose()
        server.close()
        await hole.aclose()


@pytest.fixture(params=["postgres", "valkey"])
def broken_feed(request: pytest.FixtureRequest) -> Any:
    return request.getfixturevalue(f"broken_{request.param}_feed")


async def test_a_connection_that_fell_silent_is_noticed_and_the_set_is_read_again(
    broken_feed: Broken, sqlite_store: SqlStore, clock: FrozenClock, settings: Any, keys: Any, make: Any, until: Any,
    refuses: Any,
) -> None:  # fmt: skip
    hole, feed = broken_feed
    elsewhere: Auth = make(sqlite_store, clock, settings, keys)
    user = await signed_in(elsewhere)
    async with make(sqlite_store, clock, settings, keys, feed=feed).running() as auth:
        await until(lambda: auth.revocations.listening)
        hole.passing.clear()
        await elsewhere.logins.end(user.principal, user.principal.login_id, EndReason.LOGOUT)
        await until(lambda: refuses(auth, user.access_token))
        assert not auth.revocations.listening
        hole.passing.set()
        await until(lambda: auth.revocations.listening)


class Saying:
    """A feed that says what it is told to."""

    def __init__(self) -> None:
        self.said: asyncio.Queue[str | Exception | None] = asyncio.Queue()
        self.connections = 0

    async def publish(self, revocations: Sequence[Revocation]) -> None:
        raise ConnectionError("gone")

    async def listen(self) -> AsyncGenerator[str | None]:
        self.connections += 1
        yield None
        while not isinstance(item := await self.said.get(), Exception):
            yield item
        raise item


@pytest.fixture
async def told(
    memory_store: MemoryStore, clock: FrozenClock, settings: Any, keys: Any, make: Any
) -> AsyncIterator[Auth]:
    async with make(memory_store, clock, settings, keys, feed=Saying()).running() as auth:
        yield auth


def saying(auth: Auth) -> Saying:
    feed = auth.revocations.feed
    assert isinstance(feed, Saying)
    return feed


@pytest.mark.parametrize(
    "payload",
    [
        "", "null", "{}", "[]", "[1,2,3,4,5]", "nonsense", "[" * 2000, "[" * 100_000, "NaN", '"' + "x" * 5000 + '"',
        '["id", "sid", "user", null, NaN]', '["id", "sid", "user", null, 1e999]', '["id", "sid", "user", null, true]',
        '["id", "sid", "user", 1, 1767269160000000]', '["id", null, "user", null, 1767269160000000]',
        '["id", ["sid"], "user", null, 1767269160000000]', '["id", "sid", "user", null, -1]',
        '["id", "sid", "user", null, 99999999999999999999999999]', '["id", "sid", "user", null, 9767269160000000]',
        '["id", "sid", "user", null, "1767269160000000"]', '["id", "sid", "user", null, 1767269160000000, 0]',
    ],
)  # fmt: skip
async def test_what_is_no_revocation_makes_the_set_be_read_again(
    told: Auth, memory_store: MemoryStore, payload: str, until: Any, refuses: Any
) -> None:
    user = await signed_in(told)
    await until(lambda: told.revocations.listening and not told.revocations._due.is_set())
    entry = Revocation("id", user.principal.login_id, user.user.id, None, told.clock.now() + timedelta(minutes=6))
    memory_store.revocations.append(entry)
    saying(told).said.put_nowait(payload)
    await until(lambda: refuses(told, user.access_token))
    assert (told.revocations.failures, saying(told).connections) == (1, 1)


async def test_nobody_is_ended_by_a_forged_entry_for_longer_than_a_token_lives(
    told: Auth, clock: FrozenClock, until: Any
) -> None:
    forged = Revocation("id", "sid", "user", None, clock.now() + timedelta(hours=2))
    saying(told).said.put_nowait(encode(forged))
    await until(lambda: len(told.revocations.view) == 1)
    saying(told).said.put_nowait(encode(replace(forged, sid="other", expires_at=forged.expires_at + timedelta(1))))
    await until(lambda: told.revocations.failures)
    assert len(told.revocations.view) == 1


async def test_a_feed_that_cannot_publish_does_not_fail_the_logout(told: Auth, refuses: Any) -> None:
    user = await signed_in(told)
    await told.logins.end(user.principal, user.principal.login_id, EndReason.LOGOUT)
    assert await refuses(told, user.access_token)
    assert told.revocations.failures == 1


async def test_a_feed_that_breaks_is_taken_up_again(told: Auth, until: Any) -> None:
    await until(lambda: told.revocations.listening)
    saying(told).said.put_nowait(OSError("cut"))
    await until(lambda: saying(told).connections == 2 and told.revocations.listening)


texts = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=36)
moments = st.datetimes(datetime(2020, 1, 1), datetime(2026, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001
entries = st.one_of(
    st.builds(Revocation, texts, texts, texts, st.none(), moments),
    st.builds(Revocation, texts, st.none(), texts, st.integers(0, 2**31), moments),
)


@given(entries)
def test_an_entry_arrives_as_it_was_sent(entry: Revocation) -> None:
    assert parse(encode(entry), NOW) == entry
    assert len(encode(entry).encode()) < 2048


@given(st.text(max_size=100))
def test_whatever_else_is_said_is_a_value_error(payload: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        parse(payload, NOW)


async def test_an_entry_that_takes_the_row_of_a_purged_one_is_heard_of(
    sqlite_store: SqlStore, clock: FrozenClock, settings: Any, keys: Any, make: Any, until: Any, refuses: Any
) -> None:
    elsewhere: Auth = make(sqlite_store, clock, settings, keys)
    async with make(sqlite_store, clock, settings, keys).running() as auth:
        for _ in range(3):
            user = await signed_in(elsewhere)
            await elsewhere.logins.end(user.principal, user.principal.login_id, EndReason.LOGOUT)
            await until(lambda user=user: refuses(auth, user.access_token))
            await sqlite_store.purge(clock.now() + timedelta(hours=1))

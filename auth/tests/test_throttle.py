"""GCRA, on every set of counters."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import text
from sqlalchemy.ext.asyncio import create_async_engine
from valkey.asyncio import Valkey

from authkeep import Counters, Limit, MemoryCounters, RateLimited, Throttle
from authkeep.sql import SqlCounters, SqlStore
from authkeep.testing import FrozenClock
from authkeep.valkey import ValkeyCounters


@pytest.fixture
async def valkey_counters(valkey_url: str) -> AsyncIterator[ValkeyCounters]:
    client = Valkey.from_url(valkey_url)
    yield ValkeyCounters(client)
    await client.aclose()


@pytest.fixture
def memory_counters(clock: FrozenClock) -> MemoryCounters:
    return MemoryCounters(clock)


@pytest.fixture
def sqlite_counters(sqlite_store: SqlStore) -> SqlCounters:
    return SqlCounters(sqlite_store._engine)


@pytest.fixture
def postgres_counters(postgres_store: SqlStore) -> SqlCounters:
    return SqlCounters(postgres_store._engine)


@pytest.fixture(params=["memory", "valkey", "sqlite", "postgres"])
def counters(request: pytest.FixtureRequest) -> Any:
    return request.getfixturevalue(f"{request.param}_counters")


def throttle_of(counters: Counters, limit: str) -> Throttle:
    return Throttle(counters, {"send": Limit.parse(limit)})


async def test_a_whole_limit_may_come_at_once_and_then_no_more(counters: Counters) -> None:
    throttle = throttle_of(counters, "3/hour")
    decisions = [await throttle.hit("send", "alice") for _ in range(5)]
    assert [decision.allowed for decision in decisions] == [True, True, True, False, False]
    assert [decision.remaining for decision in decisions] == [2, 1, 0, 0, 0]
    assert 1190 < decisions[-1].retry_after <= 1200


async def test_parallel_hits_do_not_overspend(counters: Counters) -> None:
    throttle = throttle_of(counters, "10/hour")
    decisions = await asyncio.gather(*(throttle.hit("send", "alice") for _ in range(40)))
    assert sum(decision.allowed for decision in decisions) == 10


async def test_keys_and_limits_do_not_share(counters: Counters) -> None:
    throttle = Throttle(counters, {"send": Limit.parse("1/hour"), "login": Limit.parse("1/hour")})
    for name, key in [("send", "alice"), ("send", "bob"), ("login", "alice")]:
        assert (await throttle.hit(name, key)).allowed


async def test_a_hit_may_cost_several_uses(counters: Counters) -> None:
    throttle = throttle_of(counters, "10/hour")
    assert (await throttle.hit("send", "alice", uses=8)).remaining == 2
    assert not (await throttle.hit("send", "alice", uses=3)).allowed
    assert (await throttle.hit("send", "alice", uses=2)).allowed


async def test_what_is_given_back_can_be_used_again(counters: Counters) -> None:
    throttle = throttle_of(counters, "2/hour")
    for _ in range(5):
        await throttle.require("send", "alice")
        await throttle.give_back("send", "alice")
    assert [(await throttle.hit("send", "alice")).allowed for _ in range(3)] == [True, True, False]


async def test_giving_back_more_than_was_taken_buys_nothing(counters: Counters) -> None:
    throttle = throttle_of(counters, "2/hour")
    for _ in range(5):
        await throttle.give_back("send", "alice")
    assert [(await throttle.hit("send", "alice")).allowed for _ in range(3)] == [True, True, False]


async def test_a_success_says_when_there_will_be_one_more(memory_counters: MemoryCounters, clock: FrozenClock) -> None:
    throttle = throttle_of(memory_counters, "4/minute")
    fields = []
    for seconds in (0, 0, 5, 20):
        clock.advance(timedelta(seconds=seconds))
        fields.append((await throttle.hit("send", "alice")).headers()["RateLimit"])
    assert fields == ['"send";r=3;t=15', '"send";r=2;t=15', '"send";r=1;t=10', '"send";r=1;t=5']


async def test_time_gives_the_limit_back_evenly(memory_counters: MemoryCounters, clock: FrozenClock) -> None:
    throttle = throttle_of(memory_counters, "60/minute")
    while (await throttle.hit("send", "alice")).allowed:
        pass
    clock.advance(timedelta(seconds=2))
    allowed = [(await throttle.hit("send", "alice")).allowed for _ in range(3)]
    assert allowed == [True, True, False]
    clock.advance(timedelta(minutes=5))
    assert (await throttle.hit("send", "alice")).remaining == 59


@given(
    limit=st.builds(Limit, st.integers(1, 50), st.integers(1, 3600).map(lambda n: timedelta(seconds=n))),
    gaps=st.lists(st.floats(0, 100), max_size=120),
)
async def test_no_schedule_gets_more_than_twice_the_limit_in_a_period(limit: Limit, gaps: list[float]) -> None:
    """GCRA's own bound: a full burst and one refill in any window of one period."""
    clock = FrozenClock()
    throttle = Throttle(MemoryCounters(clock), {"send": limit})
    allowed_at: list[float] = []
    for gap in gaps:
        clock.advance(timedelta(seconds=gap))
        if (await throttle.hit("send", "alice")).allowed:
            allowed_at.append(clock.monotonic())
    for start in allowed_at:
        window = [at for at in allowed_at if start <= at < start + limit.period.total_seconds()]
        assert len(window) <= 2 * limit.count


async def test_memory_is_bounded_however_many_addresses_come(clock: FrozenClock) -> None:
    counters = MemoryCounters(clock, max_keys=100)
    for n in range(1000):
        await counters.advance(f"address:{n}", 1.0, 10.0)
    assert len(counters._arrivals) == 100


async def test_a_refusal_says_when_to_come_back(memory_counters: MemoryCounters) -> None:
    throttle = throttle_of(memory_counters, "1/minute")
    await throttle.require("send", "alice")
    with pytest.raises(RateLimited) as refusal:
        await throttle.require("send", "alice")
    assert refusal.value.headers["Retry-After"] == "60"
    assert refusal.value.headers["RateLimit"] == '"send";r=0;t=60'


@pytest.mark.parametrize(
    ("text", "count", "seconds"),
    [("30/minute", 30, 60), ("5/10 seconds", 5, 10), (" 100 / hour ", 100, 3600), ("1/2days", 1, 172800)],
)
def test_limits_are_written_as_people_write_them(text: str, count: int, seconds: int) -> None:
    assert Limit.parse(text) == Limit(count, timedelta(seconds=seconds))


@pytest.mark.parametrize(
    "text", ["", "30", "30/", "/minute", "0/minute", "-1/minute", "30/week", "1e3/hour", "٣/minute"]
)
def test_what_is_not_a_limit_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(ValueError, match="30/minute"):
        Limit.parse(text)


async def test_the_hosts_own_limits_win(memory_counters: MemoryCounters) -> None:
    throttle = throttle_of(memory_counters, "1/minute").with_defaults({"send": Limit.parse("9/minute")})
    assert throttle.limits["send"] == Limit.parse("1/minute")


async def test_processes_share_what_valkey_counts(valkey_url: str) -> None:
    async with Valkey.from_url(valkey_url) as one, Valkey.from_url(valkey_url) as two:
        first, second = (throttle_of(ValkeyCounters(client), "4/hour") for client in (one, two))
        decisions = [await throttle.hit("send", "alice") for throttle in (first, second) * 4]
    assert sum(decision.allowed for decision in decisions) == 4


async def test_what_valkey_counts_expires_by_itself(valkey_url: str) -> None:
    async with Valkey.from_url(valkey_url) as client:
        await throttle_of(ValkeyCounters(client), "4/minute").hit("send", "alice")
        (key,) = await client.keys()
        assert 14_000 < await client.pttl(key) <= 15_000


@pytest.mark.parametrize("store", ["sqlite", "postgres"], indirect=True)
async def test_processes_share_what_the_database_counts(store: SqlStore) -> None:
    url = store._engine.url
    engines = [create_async_engine(url) for _ in range(2)]
    throttles = [throttle_of(SqlCounters(engine), "10/hour") for engine in engines]
    decisions = await asyncio.gather(*(throttle.hit("send", "alice") for throttle in throttles for _ in range(20)))
    assert sum(decision.allowed for decision in decisions) == 10
    for engine in engines:
        await engine.dispose()


async def test_the_database_forgets_what_is_over(sqlite_store: SqlStore) -> None:
    counters = SqlCounters(sqlite_store._engine)
    await counters.advance("alice", 0.001, 10)
    await asyncio.sleep(0.002)
    await counters.advance("bob", 10, 100)
    async with sqlite_store._engine.connect() as db:
        keys = (await db.execute(text("SELECT key FROM authkeep_counters"))).scalars().all()
    assert [len(key) for key in keys] == [64]


async def test_without_a_database_each_process_counts_for_itself(clock: FrozenClock) -> None:
    engine = create_async_engine("postgresql+asyncpg://nobody@127.0.0.1:1/none")
    counters = SqlCounters(engine, fallback=MemoryCounters(clock))
    decisions = [await throttle_of(counters, "2/hour").hit("send", "alice") for _ in range(3)]
    assert [decision.allowed for decision in decisions] == [True, True, False]
    assert (counters.outages, counters.counted_alone) == (1, 3)
    await engine.dispose()

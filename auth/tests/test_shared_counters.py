"""Counters that processes share: batches, and what happens while the place they are in does not answer."""

import asyncio
import signal
from collections.abc import AsyncIterator, Iterator, Sequence
from typing import Any

import pytest
from typing_extensions import override
from valkey.asyncio import Valkey

from authkeep import Limit, MemoryCounters, Throttle
from authkeep.shared_counters import SharedCounters, Use
from authkeep.testing import FrozenClock
from authkeep.valkey import ValkeyCounters

valkey_server = pytest.importorskip("testbed.valkey", reason="stops a server of its own, and so needs the repository")


class Gated(SharedCounters):
    """Counts in memory, as soon as the test opens the gate."""

    def __init__(self) -> None:
        super().__init__(patience=60)
        self.under_way = asyncio.Event()
        self.gate = asyncio.Event()
        self.batches: list[list[str]] = []
        self._memory = MemoryCounters(FrozenClock())

    @override
    async def _advance_all(self, uses: Sequence[Use]) -> Sequence[tuple[bool, float]]:
        self.batches.append([use.key for use in uses])
        self.under_way.set()
        await self.gate.wait()
        return [await self._memory.advance(use.key, use.cost, use.ceiling) for use in uses]

    @override
    def _is_outage(self, error: Exception) -> bool:
        return False


async def test_who_arrives_during_a_round_trip_shares_the_next_one() -> None:
    counters = Gated()
    first = asyncio.create_task(counters.advance("a", 1, 10))
    await counters.under_way.wait()
    others = [asyncio.create_task(counters.advance(key, 1, 10)) for key in "bcbd"]
    await asyncio.sleep(0)
    counters.gate.set()
    assert await asyncio.gather(first, *others) == [(True, 1), (True, 1), (True, 1), (True, 2), (True, 1)]
    assert counters.batches == [["a"], ["b", "c", "b", "d"]]


async def test_who_hangs_up_while_waiting_disturbs_nobody() -> None:
    counters = Gated()
    gone, patient = (asyncio.create_task(counters.advance(key, 1, 10)) for key in "ab")
    await counters.under_way.wait()
    gone.cancel()
    counters.gate.set()
    assert await patient == (True, 1)
    assert (counters.shared, counters.counted_alone) == (True, 0)


@pytest.fixture
def server() -> Iterator[Any]:
    with valkey_server.running_valkey() as server:
        yield server


@pytest.fixture
async def counters(server: Any, clock: FrozenClock) -> AsyncIterator[ValkeyCounters]:
    client = Valkey.from_url(server.url)
    yield ValkeyCounters(client, fallback=MemoryCounters(clock), patience=0.05, clock=clock)
    await client.aclose()


def throttle_of(counters: SharedCounters, limit: str) -> Throttle:
    return Throttle(counters, {"send": Limit.parse(limit)})


async def comes_back(counters: SharedCounters, clock: FrozenClock) -> None:
    """Time passes, and requests come: one of them looks whether the place is there again."""
    while not counters.shared:
        clock.advance(Limit.parse("1/second").period)
        await counters.advance("somebody", 0, 1)
        await asyncio.sleep(0.01)


async def test_a_valkey_that_hangs_costs_the_first_request_its_patience_and_the_others_nothing(
    server: Any, counters: ValkeyCounters, clock: FrozenClock, caplog: pytest.LogCaptureFixture
) -> None:
    throttle = throttle_of(counters, "100/hour")
    await throttle.require("send", "alice")
    server.process.send_signal(signal.SIGSTOP)
    try:
        await asyncio.gather(*(throttle.require("send", "alice") for _ in range(20)))
        assert (counters.shared, counters.outages, counters.counted_alone) == (False, 1, 20)
        trips = counters._courier
        for _ in range(20):
            await throttle.require("send", "alice")
        assert counters._courier is trips is None
        assert [record.levelname for record in caplog.records] == ["WARNING"]
    finally:
        server.process.send_signal(signal.SIGCONT)
    await comes_back(counters, clock)
    assert (await throttle.hit("send", "alice")).remaining in (98, 78)  # what was sent before the stop may be counted
    assert len(caplog.records) == 2


async def test_a_valkey_that_is_killed_closes_nothing_and_is_used_again_when_it_is_back(
    server: Any, counters: ValkeyCounters, clock: FrozenClock
) -> None:
    throttle = throttle_of(counters, "3/hour")
    await throttle.require("send", "alice")
    server.process.kill()
    server.process.wait()
    alone = [(await throttle.hit("send", "alice")).allowed for _ in range(4)]
    assert alone == [True, True, True, False]
    assert (counters.outages, counters.counted_alone) == (1, 4)
    server.start()
    await comes_back(counters, clock)
    assert [(await throttle.hit("send", "alice")).allowed for _ in range(4)] == [True, True, True, False]


async def test_looking_whether_it_is_back_holds_up_no_request(
    server: Any, counters: ValkeyCounters, clock: FrozenClock
) -> None:
    throttle = throttle_of(counters, "100/hour")
    await throttle.require("send", "alice")
    server.process.send_signal(signal.SIGSTOP)
    try:
        await throttle.require("send", "alice")
        for n in range(1, 4):
            clock.advance(Limit.parse("1/second").period)
            await throttle.require("send", "alice")
            assert counters._courier is not None
            await counters._courier
            assert (counters.outages, counters.counted_alone) == (1, 1 + n)
    finally:
        server.process.send_signal(signal.SIGCONT)

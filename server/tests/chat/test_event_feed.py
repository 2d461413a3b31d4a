"""Followed where it is written and followed elsewhere: one behaviour. And what a Valkey can do to it."""

import asyncio
import signal
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack, ExitStack, contextmanager
from dataclasses import dataclass

import pytest

from chatkeep.chat.event_log import BATCH_BYTES, EventLog
from chatkeep.chat.valkey_log import ValkeyLog
from chatkeep.db import Database
from chatkeep.identity import OwnerId
from server.tests.chat.test_event_log import events_of
from server.tests.chat.test_mirrors import Follower, assert_exact
from server.tests.chat.test_runner import LONG, answer_of, begin, ended, make_runner
from testbed.unavailable import obtain
from testbed.valkey import ValkeyServer, running_valkey

ALICE, BOB = OwnerId("alice"), OwnerId("bob")


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not holds():  # noqa: ASYNC110 - conditions of several processes, and no event for them
            await asyncio.sleep(0.005)


async def read(log: EventLog, seq: int = 0) -> list[dict]:
    """All from behind `seq` to the end, as a client gets it."""
    async with asyncio.timeout(20):
        return events_of(b"".join([batch async for batch, _ in log.follow(seq, until=lambda: False)]))


@dataclass
class Places:
    """Where a log is written, and how it is followed."""

    here: ValkeyLog | None = None
    there: ValkeyLog | None = None

    def write(self, generation_id: str = "g", max_bytes: int = 1_000_000) -> EventLog:
        log = EventLog(generation_id, max_bytes)
        if self.here is not None:
            self.here.publish(ALICE, log)
        log.append("generation.created", {"message_id": "m"})
        return log

    def follow(self, log: EventLog) -> EventLog:
        if self.there is None:
            return log
        mirror = EventLog(log.generation_id)
        self.there.follow(ALICE, mirror)
        return mirror


async def two_feeds(url: str, stack: AsyncExitStack, stopped: list[str] | None = None) -> Places:
    places = Places(ValkeyLog(url), ValkeyLog(url))
    for feed in (places.here, places.there):
        assert feed is not None
        await stack.enter_async_context(feed.running((stopped if stopped is not None else []).append))
    return places


@pytest.fixture(params=["in the process", "by Valkey"])
async def places(request: pytest.FixtureRequest) -> AsyncIterator[Places]:
    async with AsyncExitStack() as stack:
        if request.param == "by Valkey":
            yield await two_feeds(request.getfixturevalue("valkey_url"), stack)
        else:
            yield Places()


@pytest.fixture
async def by_valkey(valkey_url: str) -> AsyncIterator[Places]:
    async with AsyncExitStack() as stack:
        yield await two_feeds(valkey_url, stack)


AWKWARD = ["", "\n\ndata: [DONE]\n\n", "\r", "\u2028", "\0", "é", "🦉", 'x"}\n\nid: 9\nevent: y\ndata: {}\n\n', "end"]


async def test_all_events_arrive_once_in_order_to_the_end(places: Places) -> None:
    log = places.write()
    mirror = places.follow(log)
    reading = asyncio.ensure_future(read(mirror))
    # Its text is none of the answer's.
    log.append("reasoning.delta", {"text": "Hm."})
    for text in AWKWARD * 20:
        log.append_text(text)
        await asyncio.sleep(0)
    log.append("generation.completed", {"finish_reason": "stop"})
    assert await reading == await read(log)
    assert mirror.text == log.text == "".join(AWKWARD * 20)


@pytest.mark.parametrize("seq", [0, 1, 7, 100, 180, 181])
async def test_who_comes_back_continues_at_the_next_event(places: Places, seq: int) -> None:
    log = places.write()
    for text in AWKWARD * 20:
        log.append_text(text)
    log.append("generation.completed", {"finish_reason": "stop"})
    assert [event["seq"] for event in await read(places.follow(log), seq)] == list(range(seq + 1, log.last_seq + 1))


async def test_a_hundred_followers_are_one_mirror_and_see_the_same(places: Places) -> None:
    log = places.write()
    mirror = places.follow(log)
    reading = [asyncio.ensure_future(read(mirror, seq % 3)) for seq in range(100)]
    for number in range(50):
        log.append_text(f"{number} ")
        await asyncio.sleep(0)
    log.append("generation.stopped")
    everything = await read(log)
    for seq, events in enumerate(await asyncio.gather(*reading)):
        assert events == everything[seq % 3 :]


async def test_a_batch_larger_than_one_entry_arrives_whole(places: Places) -> None:
    log = places.write(max_bytes=10 * BATCH_BYTES)
    for _ in range(5):
        log.append_text("x" * BATCH_BYTES)
    log.append("generation.completed", {})
    assert [event["seq"] for event in await read(places.follow(log))] == list(range(1, 8))


async def test_a_log_beyond_its_bound_is_told_by_a_snapshot(places: Places) -> None:
    log = places.write(max_bytes=2000)
    mirror = places.follow(log)
    for number in range(200):
        log.append_text(f"{number} ")
    log.append("generation.completed", {})
    events = await read(mirror)
    assert_exact(events)
    assert (events[-1]["type"], events[-1]["seq"]) == ("generation.completed", log.last_seq)
    assert mirror.text == log.text


# What only a Valkey does.


async def test_one_persons_keys_lead_to_nothing_of_another(by_valkey: Places) -> None:
    log = by_valkey.write()
    log.append("generation.stopped")
    stolen = EventLog(log.generation_id)
    assert by_valkey.there is not None
    by_valkey.there.follow(BOB, stolen)
    assert await read(by_valkey.follow(log)) == await read(log)
    await by_valkey.there.recall(BOB, stolen)
    assert stolen.last_seq == 0


@pytest.mark.parametrize(
    "frames",
    [
        b"",
        b"no frame",
        b"no frame\n\n",
        b"id: 2\nevent: x\ndata: {}\n\n",
        b'id: 2\nevent: x\ndata: {"type":"x","seq":2,"generation_id":"another"}\n\n',
        b'id: 2\nevent: x\ndata: {"type":"x","seq":"2","generation_id":"g"}\n\n',
        b'id: 9\nevent: x\ndata: {"type":"x","seq":9,"generation_id":"g"}\n\n',
        b"\xff\n\xff\ndata: \xff\n\n",
    ],
)
async def test_garbage_in_valkey_is_not_passed_on_and_ends_nothing(by_valkey: Places, frames: bytes) -> None:
    log = by_valkey.write()
    mirror = by_valkey.follow(log)
    await until(lambda: mirror.last_seq == 1)
    assert by_valkey.here is not None
    await by_valkey.here._client.xadd("chatkeep:events:{alice:g}", {"frames": frames}, id="2-0")
    await by_valkey.here._client.xadd("chatkeep:stops", {"what": frames})
    log.append("heartbeat")
    # SQL's checkpoint lifts it over the place, and it goes on from there.
    log.append_text("a")
    mirror.restart(3, {}, "a")
    log.append_text("b")
    log.append("generation.stopped")
    assert [event["seq"] for event in await read(mirror, 3)] == [4, 5]


async def test_a_stream_lives_no_longer_than_its_log(by_valkey: Places, valkey: ValkeyServer) -> None:
    log = by_valkey.write(max_bytes=2000)
    mirror = by_valkey.follow(log)
    for number in range(100):
        log.append_text(f"{number} ")
        await asyncio.sleep(0.001)
    await until(lambda: mirror.last_seq == log.last_seq)
    assert 1800 < int(valkey.command("TTL chatkeep:events:{alice:g}").lstrip(":")) <= 3600
    assert by_valkey.here is not None
    entries = await by_valkey.here._client.xrange("chatkeep:events:{alice:g}")
    assert sum(len(fields[b"frames"]) for _, fields in entries) < 2 * 2000
    log.append("generation.stopped")
    await until(lambda: mirror.ended)
    await until(lambda: int(valkey.command("TTL chatkeep:events:{alice:g}").lstrip(":")) <= 300)


async def test_many_followed_answers_take_one_connection(by_valkey: Places) -> None:
    logs = [by_valkey.write(f"g{number}") for number in range(200)]
    mirrors = [by_valkey.follow(log) for log in logs]
    for log in logs:
        log.append("generation.stopped")
    await until(lambda: all(mirror.ended for mirror in mirrors))
    assert by_valkey.here is not None
    assert len(await by_valkey.here._client.client_list()) <= 4


async def test_a_stop_is_heard_by_all_processes(valkey_url: str) -> None:
    async with AsyncExitStack() as stack:
        stopped: list[str] = []
        places = await two_feeds(valkey_url, stack, stopped)
        here, there = places.here, places.there
        assert here is not None
        assert there is not None
        await until(lambda: None not in (here._reader_id, there._reader_id))
        there.stop("some generation")
        await until(lambda: stopped == ["some generation"] * 2)


@contextmanager
def own_valkey() -> Iterator[ValkeyServer]:
    with ExitStack() as stack:
        yield obtain(lambda: stack.enter_context(running_valkey()))


async def test_a_valkey_that_hangs_holds_nobody_up_and_costs_no_memory() -> None:
    with own_valkey() as valkey:
        async with AsyncExitStack() as stack:
            places = await two_feeds(valkey.url, stack)
            log = places.write(max_bytes=20_000)
            mirror = places.follow(log)
            await until(lambda: mirror.last_seq == 1)
            assert valkey.process is not None
            valkey.process.send_signal(signal.SIGSTOP)
            try:
                for _ in range(100):
                    log.append_text("x" * 1000)
                    await asyncio.sleep(0.001)
                assert log.size <= 21_000
            finally:
                valkey.process.send_signal(signal.SIGCONT)
            log.append_text("and on")
            await until(lambda: mirror.last_seq == log.last_seq)
            follower = Follower(mirror)
            log.append("generation.completed", {})
            await until(lambda: mirror.ended)
            assert follower.text == log.text
            assert_exact(follower.events)


async def test_a_valkey_that_died_is_filled_again_and_the_gap_told_by_a_checkpoint() -> None:
    with own_valkey() as valkey:
        async with AsyncExitStack() as stack:
            places = await two_feeds(valkey.url, stack)
            log = places.write()
            mirror = places.follow(log)
            log.append_text("one ")
            await until(lambda: mirror.last_seq == 2)
            valkey.stop()
            log.append_text("two ")
            valkey.start()
            log.append_text("three ")
            late = EventLog("g")
            assert places.here is not None
            places.here.follow(ALICE, late)
            await until(lambda: mirror.last_seq == log.last_seq)
            log.append("generation.completed", {})
            await until(lambda: mirror.ended)
            assert_exact(await read(mirror))
            assert mirror.text == "one two three "
            # What came before the death is nowhere but in SQL.
            assert late.last_seq == 0
            late.restart(2, {}, "one ")
            await until(lambda: late.ended)
            assert late.text == "one two three "


async def test_a_stop_at_another_instance_bites_before_any_checkpoint(
    database: Database, valkey_url: str, alice: OwnerId
) -> None:
    here, there = make_runner(database, ValkeyLog(valkey_url)), make_runner(database, ValkeyLog(valkey_url))
    for runner in (here, there):
        await runner.open()
    try:
        generation = await begin(database, here, alice, LONG)
        with there.following(alice, generation) as mirror:
            await until(lambda: mirror.last_seq > 3)
            # No mark in SQL: that would be found at a checkpoint in any case.
            there.stop(generation.id)
            assert await ended(here, generation) == "generation.stopped"
            log = here.find_log(generation.id)
            assert log is not None
            assert await read(mirror) == await read(log)
    finally:
        await here.aclose()
        await there.aclose()


async def test_what_a_dead_process_had_shown_elsewhere_is_not_lost(
    database: Database, valkey_url: str, alice: OwnerId
) -> None:
    here, there = make_runner(database, ValkeyLog(valkey_url)), make_runner(database, ValkeyLog(valkey_url))
    for runner in (here, there):
        await runner.open()
    try:
        generation = await begin(database, here, alice, LONG)
        with there.following(alice, generation) as mirror:
            follower = Follower(mirror)
            await until(lambda: mirror.last_seq > 100)
            shown = follower.text
            assert await there.recover(everything=True) == 1
            await until(lambda: mirror.ended)
            assert follower.text.startswith(shown)
            assert_exact(follower.events)
            assert (follower.events[-1]["type"], follower.events[-1]["reason"]) == ("generation.interrupted", "crash")
        message, row = await answer_of(database, alice, generation)
        assert message.content == follower.text
        assert row.last_seq == follower.events[-1]["seq"]
    finally:
        await here.aclose()
        await there.aclose()

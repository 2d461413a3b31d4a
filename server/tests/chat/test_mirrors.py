"""Followed in another process than the one that writes: by SQL alone, exact in its numbers, to the same end."""

import asyncio
from collections.abc import AsyncIterator
from itertools import pairwise

import pytest

from chatkeep.chat.event_log import TERMINAL, EventLog
from chatkeep.chat.generations import beat, interrupt_generation
from chatkeep.chat.messages import write_texts
from chatkeep.chat.runner import GenerationRunner
from chatkeep.chat.sessions import delete_session
from chatkeep.db import Database
from chatkeep.identity import OwnerId
from chatkeep.row_security import EVERYBODY
from server.tests.chat.test_event_log import events_of
from server.tests.chat.test_runner import LONG, answer_of, begin, ended, make_runner


@pytest.fixture
async def here(database: Database) -> AsyncIterator[GenerationRunner]:
    """Writes."""
    runner = make_runner(database)
    await runner.open()
    yield runner
    await runner.aclose()


@pytest.fixture
async def there(database: Database) -> AsyncIterator[GenerationRunner]:
    """Is where somebody follows. Its looks at SQL are taken by hand."""
    runner = make_runner(database)
    yield runner
    await runner.aclose()


class Follower:
    """Somebody who reads all there is, whenever asked."""

    def __init__(self, log: EventLog, seq: int = 0) -> None:
        self.log = log
        self.seq = seq
        self.events: list[dict] = []

    def read(self) -> list[dict]:
        if self.seq < self.log.last_seq:
            batch, self.seq = self.log.after(self.seq)
            self.events += events_of(batch)
        return self.events

    @property
    def text(self) -> str:
        text = ""
        for event in self.read():
            text = event["text"] if event["type"] == "message.snapshot" else text + event.get("text", "")
        return text


def assert_exact(events: list[dict]) -> None:
    """Each event is the next one, unless it is a snapshot, which says where it stands."""
    for before, event in pairwise(events):
        is_snapshot = event["type"] == "message.snapshot"
        assert event["seq"] > before["seq"] if is_snapshot else event["seq"] == before["seq"] + 1
    assert TERMINAL.isdisjoint(event["type"] for event in events[:-1])


async def text_grows(log: EventLog) -> None:
    length = len(log.text)
    while len(log.text) == length:
        await log.changed()


async def test_the_text_grows_by_checkpoints_and_never_goes_back(
    database: Database, here: GenerationRunner, there: GenerationRunner, alice: OwnerId
) -> None:
    generation = await begin(database, here, alice, LONG)
    log = here.find_log(generation.id)
    assert log is not None
    with there.following(alice, generation) as mirror:
        follower = Follower(mirror)
        texts = [""]
        for _ in range(3):
            await text_grows(log)
            await here._checkpoint()
            await there._mirrors._look()
            texts.append(follower.text)
            assert texts[-1].startswith(texts[-2])
            assert texts[-1] != texts[-2]
            assert log.text.startswith(texts[-1])
        here.stop(generation.id)
        await ended(here, generation)
        await there._mirrors._look()
        assert_exact(follower.read())
        assert follower.text == log.text
        assert (follower.events[-1]["type"], follower.events[-1]["seq"]) == ("generation.stopped", log.last_seq)


async def test_who_comes_after_the_end_is_told_of_it_with_the_numbers_it_had(
    database: Database, here: GenerationRunner, there: GenerationRunner, alice: OwnerId
) -> None:
    generation = await begin(database, here, alice, "count to 3")
    await ended(here, generation)
    log = here.find_log(generation.id)
    assert log is not None
    _, row = await answer_of(database, alice, generation)
    assert there.ended_at(row) == log.last_seq
    assert there.is_readable(row)
    with there.following(alice, row) as mirror:
        await there._mirrors._look()
        snapshot, *rest = Follower(mirror).read()
    original = events_of(log.after(0)[0])
    assert rest == original[-2:]
    told = {"type": "message.snapshot", "seq": rest[0]["seq"] - 1, "text": log.text, "model": "scripted"}
    assert snapshot == {**original[0], **told}


async def test_after_a_crash_every_follower_gets_one_end_with_a_number_that_nothing_had(
    database: Database, here: GenerationRunner, there: GenerationRunner, alice: OwnerId
) -> None:
    generation = await begin(database, here, alice, LONG)
    log = here.find_log(generation.id)
    assert log is not None
    await text_grows(log)
    await here._checkpoint()
    with there.following(alice, generation) as mirror:
        # One saw nothing of it before, the other more than was ever saved.
        late, early = Follower(mirror), Follower(mirror, seq=log.last_seq + 50)
        async with database.writing(EVERYBODY) as db:
            assert await interrupt_generation(db, generation.id, "crash", here.now())
        await there._mirrors._look()
        for follower in (late, early):
            follower.read()
            assert_exact(follower.events)
            assert [event["type"] for event in follower.events] == ["message.snapshot", "generation.interrupted"]
            assert follower.events[-1]["reason"] == "crash"
            assert follower.text
            assert log.text.startswith(follower.text)


async def test_what_a_model_thought_is_there_after_a_kill_and_for_who_comes_late(
    database: Database, here: GenerationRunner, there: GenerationRunner, alice: OwnerId
) -> None:
    generation = await begin(database, here, alice, f"{LONG}[[fault reasoning]]")
    log = here.find_log(generation.id)
    assert log is not None
    await text_grows(log)
    await here._checkpoint()
    assert (await answer_of(database, alice, generation))[0].reasoning == "Hm."
    with there.following(alice, generation) as mirror:
        await there._mirrors._look()
        (snapshot,) = Follower(mirror).read()
        assert snapshot["reasoning"] == "Hm."
        assert "reasoning" not in mirror.opening


async def test_a_deleted_chat_ends_its_followers_elsewhere(
    database: Database, here: GenerationRunner, there: GenerationRunner, alice: OwnerId
) -> None:
    generation = await begin(database, here, alice, LONG)
    with there.following(alice, generation) as mirror:
        async with database.writing(EVERYBODY) as db:
            await delete_session(db, alice, generation.session_id)
        await there._mirrors._look()
        assert Follower(mirror).read()[-1]["type"] == "generation.stopped"


async def test_a_reconnect_storm_is_one_mirror_and_is_forgotten(
    database: Database, here: GenerationRunner, there: GenerationRunner, alice: OwnerId
) -> None:
    generation = await begin(database, here, alice, LONG)
    for _ in range(500):
        with there.following(alice, generation), there.following(alice, generation):
            assert len(there._mirrors._mirrors) == 1
    await there._mirrors._look()
    assert there._mirrors._mirrors == {}


async def test_mirrors_are_kept_up_by_themselves(
    database: Database, here: GenerationRunner, there: GenerationRunner, alice: OwnerId
) -> None:
    await there.open()
    generation = await begin(database, here, alice, "count to 3")
    with there.following(alice, generation) as mirror:
        batches = [batch async for batch, _ in mirror.follow(0, until=lambda: False)]
    assert events_of(batches[-1])[-1]["type"] == "generation.completed"


async def test_a_process_that_goes_sends_its_followers_elsewhere(
    database: Database, here: GenerationRunner, there: GenerationRunner, alice: OwnerId
) -> None:
    generation = await begin(database, here, alice, LONG)
    with there.following(alice, generation) as mirror:
        reading = asyncio.ensure_future(anext(mirror.follow(0, until=lambda: False), None))
        await there.drain()
        assert await reading is None


async def test_a_mirror_that_cannot_catch_up_holds_no_other_back(
    database: Database, here: GenerationRunner, there: GenerationRunner, alice: OwnerId, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken, whole = [await begin(database, here, alice, "count to 3") for _ in range(2)]
    for generation in (broken, whole):
        await ended(here, generation)

    def fail(*_: object) -> None:
        raise ValueError

    with there.following(alice, broken) as first, there.following(alice, whole) as second:
        monkeypatch.setattr(first, "restart", fail)
        await there._mirrors._look()
        assert not first.ended
        assert second.ended


async def test_a_long_text_is_not_told_anew_each_second_but_its_end_is_told_at_once(
    database: Database, there: GenerationRunner, alice: OwnerId
) -> None:
    # Without its clockwork: what SQL holds is written by hand.
    here = make_runner(database)
    generation = await begin(database, here, alice, LONG)

    async def written(seq: int, characters: int) -> None:
        async with database.writing(EVERYBODY) as db:
            await write_texts(db, {generation.message_id: "x" * characters})
            await beat(db, {generation.id: seq}, here.now())

    with there.following(alice, generation) as mirror:
        await written(100_000, 1_000_000)
        await there._mirrors._look()
        await written(100_001, 1_000_001)
        await there._mirrors._look()
        assert (mirror.last_seq, len(mirror.text)) == (100_000, 1_000_000)
        async with database.writing(EVERYBODY) as db:
            assert await interrupt_generation(db, generation.id, "crash", here.now())
        await there._mirrors._look()
        assert mirror.ended
    await here.aclose()

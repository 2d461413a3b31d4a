"""The runner: whatever happens to a generation, it reaches a final state, a terminal event, and keeps its text."""

import asyncio
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from time import monotonic

import pytest
from sqlalchemy import update

from chatkeep.chat.accounting import Accounting
from chatkeep.chat.errors import Draining, GenerationRunning
from chatkeep.chat.event_feed import EventFeed
from chatkeep.chat.generations import find_generation, interrupt_generation, request_stop
from chatkeep.chat.messages import find_message
from chatkeep.chat.records import Generation, Message, State
from chatkeep.chat.recovery import Earshot, find_living
from chatkeep.chat.runner import GenerationRunner
from chatkeep.chat.send import NewMessage, send
from chatkeep.chat.sessions import create_session, delete_session
from chatkeep.chat.tables import generations
from chatkeep.db import Database, DatabaseClock
from chatkeep.errors import NotFound
from chatkeep.identity import OwnerId
from chatkeep.limits.quotas import Quotas
from chatkeep.llm.catalogue import ModelCatalogue
from chatkeep.llm.scripted import ScriptedChatModel
from chatkeep.row_security import EVERYBODY

LONG = "count to 100000 [[delay 1ms]]"


def make_runner(database: Database, feed: EventFeed | None = None, drain_seconds: float = 0.0) -> GenerationRunner:
    model = ScriptedChatModel()
    accounting = Accounting(Quotas(), ModelCatalogue(model, monotonic), 8192)
    return GenerationRunner(database, model, accounting, feed=feed, drain_seconds=drain_seconds)


@pytest.fixture
async def runner(database: Database) -> AsyncIterator[GenerationRunner]:
    runner = make_runner(database)
    await runner.open()
    yield runner
    await runner.aclose()


def set_clock(runner: GenerationRunner, ahead: timedelta) -> None:
    runner._now = runner.earshot.now = runner._checkpoints._now = lambda: datetime.now(UTC) + ahead


def lasting(_: Callable[[], None]) -> Callable[[], None]:
    """The watch of a login that does not end."""
    return lambda: None


async def begin(database: Database, runner: GenerationRunner, owner: OwnerId, text: str) -> Generation:
    async with database.writing(EVERYBODY) as db:
        session = await create_session(db, owner, None, None, datetime.now(UTC))
    async with database.writing(EVERYBODY) as db:
        return await send(db, owner, NewMessage(session.id, text), None, runner, lasting)


async def ended(runner: GenerationRunner, generation: Generation) -> str:
    """Wait for the terminal event; returns its type."""
    log = runner.find_log(generation.id)
    assert log is not None
    batches = [batch async for batch, _ in log.follow(0, until=lambda: False)]
    return batches[-1].split(b"event: ")[-1].split(b"\n")[0].decode()


async def answer_of(database: Database, owner: OwnerId, generation: Generation) -> tuple[Message, Generation]:
    async with database.reading(EVERYBODY) as db:
        message = await find_message(db, owner, generation.message_id)
        row = await find_generation(db, owner, generation.id)
    assert message is not None
    assert row is not None
    return message, row


async def test_an_answer_is_written_down(database: Database, runner: GenerationRunner, alice: OwnerId) -> None:
    generation = await begin(database, runner, alice, "count to 3")
    assert await ended(runner, generation) == "generation.completed"
    message, row = await answer_of(database, alice, generation)
    log = runner.find_log(generation.id)
    assert log is not None
    assert (message.content, message.status, message.model) == (log.text, State.COMPLETED, "scripted")
    assert (row.state, row.last_seq) == (State.COMPLETED, log.last_seq)


async def test_what_a_model_thinks_is_told_and_kept_apart(
    database: Database, runner: GenerationRunner, alice: OwnerId
) -> None:
    generation = await begin(database, runner, alice, "[[say yes]][[fault reasoning]]")
    assert await ended(runner, generation) == "generation.completed"
    message, _ = await answer_of(database, alice, generation)
    assert (message.content, message.reasoning) == ("yes", "Hm.")
    log = runner.find_log(generation.id)
    assert log is not None
    assert b'"type":"reasoning.delta","seq":2' in log.after(0)[0]


async def test_a_stop_before_the_first_step_still_ends_it(
    database: Database, runner: GenerationRunner, alice: OwnerId
) -> None:
    generation = await begin(database, runner, alice, LONG)
    runner.stop(generation.id)
    assert await ended(runner, generation) == "generation.stopped"
    assert (await answer_of(database, alice, generation))[1].state is State.STOPPED


async def test_a_stop_asked_for_elsewhere_is_found(
    database: Database, runner: GenerationRunner, alice: OwnerId
) -> None:
    generation = await begin(database, runner, alice, LONG)
    async with database.writing(EVERYBODY) as db:
        await request_stop(db, alice, generation.id, datetime.now(UTC))
    assert await ended(runner, generation) == "generation.stopped"


async def test_a_drain_interrupts_and_takes_nothing_new(
    database: Database, runner: GenerationRunner, alice: OwnerId
) -> None:
    generations = [await begin(database, runner, alice, LONG) for _ in range(3)]
    await runner.drain()
    for generation in generations:
        assert await ended(runner, generation) == "generation.interrupted"
        message, row = await answer_of(database, alice, generation)
        assert message.status is row.state is State.INTERRUPTED
    with pytest.raises(Draining):
        await begin(database, runner, alice, "hello")


async def test_a_drain_lets_what_runs_end_and_takes_nothing_new(database: Database, alice: OwnerId) -> None:
    runner = make_runner(database, drain_seconds=30)
    generation = await begin(database, runner, alice, "count to 20 [[delay 5ms]]")
    draining = asyncio.ensure_future(runner.drain())
    await asyncio.sleep(0)
    with pytest.raises(Draining):
        await begin(database, runner, alice, "hello")
    assert await ended(runner, generation) == "generation.completed"
    await draining
    await runner.aclose()


async def test_a_drain_that_is_hurried_interrupts(database: Database, alice: OwnerId) -> None:
    runner = make_runner(database, drain_seconds=3600)
    generation = await begin(database, runner, alice, LONG)
    draining = asyncio.ensure_future(runner.drain())
    await asyncio.sleep(0)
    runner.hurried = True
    assert await ended(runner, generation) == "generation.interrupted"
    await draining
    await runner.aclose()


async def test_what_was_ended_elsewhere_stops_writing_and_says_so(
    database: Database, runner: GenerationRunner, alice: OwnerId
) -> None:
    generation = await begin(database, runner, alice, LONG)
    async with database.writing(EVERYBODY) as db:
        await interrupt_generation(db, generation.id, "crash", datetime.now(UTC))
    assert await ended(runner, generation) == "generation.interrupted"
    assert (await answer_of(database, alice, generation))[1].state is State.INTERRUPTED


async def test_a_chat_deleted_elsewhere_stops_its_answer(
    database: Database, runner: GenerationRunner, alice: OwnerId
) -> None:
    generation = await begin(database, runner, alice, LONG)
    async with database.writing(EVERYBODY) as db:
        await delete_session(db, alice, generation.session_id)
    assert await ended(runner, generation) == "generation.stopped"


async def test_a_generation_committed_after_the_drain_began_does_not_run(
    database: Database, runner: GenerationRunner, alice: OwnerId
) -> None:
    async with database.writing(EVERYBODY) as db:
        session = await create_session(db, alice, None, None, datetime.now(UTC))
    async with database.writing(EVERYBODY) as db:
        generation = await send(db, alice, NewMessage(session.id, LONG), None, runner, lasting)
        await runner.drain()
    assert await ended(runner, generation) == "generation.interrupted"
    assert (await answer_of(database, alice, generation))[1].state is State.INTERRUPTED


async def test_a_session_is_answered_once_at_a_time(
    database: Database, runner: GenerationRunner, alice: OwnerId
) -> None:
    async with database.writing(EVERYBODY) as db:
        session = await create_session(db, alice, None, None, datetime.now(UTC))

    async def attempt() -> bool:
        try:
            async with database.writing(EVERYBODY) as db:
                await send(db, alice, NewMessage(session.id, LONG), None, runner, lasting)
        except GenerationRunning:
            return False
        return True

    assert sorted(await asyncio.gather(*(attempt() for _ in range(6)))) == [False] * 5 + [True]


async def test_what_a_dead_process_left_is_interrupted_at_start(
    database: Database, runner: GenerationRunner, alice: OwnerId
) -> None:
    generation = await begin(database, runner, alice, LONG)
    log = runner.find_log(generation.id)
    assert log is not None
    await log.changed()
    await runner._checkpoint()
    successor = make_runner(database)
    assert await successor.recover(everything=True) == 1
    message, row = await answer_of(database, alice, generation)
    assert message.status is row.state is State.INTERRUPTED
    assert message.content


async def test_recovery_leaves_the_living_alone(database: Database, runner: GenerationRunner, alice: OwnerId) -> None:
    await begin(database, runner, alice, LONG)
    assert await runner.recover(everything=True) == 0
    assert await make_runner(database).recover(everything=False) == 0


async def test_recovery_finds_a_heartbeat_that_is_too_old(
    database: Database, runner: GenerationRunner, alice: OwnerId
) -> None:
    generation = await begin(database, runner, alice, LONG)
    later = make_runner(database)
    set_clock(later, timedelta(minutes=1))
    assert await later.recover(everything=False) == 0
    set_clock(later, timedelta(minutes=2))
    assert await later.recover(everything=False) == 1
    assert (await answer_of(database, alice, generation))[1].state is State.INTERRUPTED


async def test_a_database_that_was_away_makes_nobody_look_dead(
    database: Database, runner: GenerationRunner, alice: OwnerId
) -> None:
    other = make_runner(database)

    async def found_dead(after: timedelta) -> int:
        set_clock(other, after)
        return await other.recover(everything=False)

    await begin(database, runner, alice, LONG)
    assert await found_dead(timedelta()) == 0
    assert other.earshot.lose()
    # Back after two minutes, and nobody has had the time to say a word.
    assert await found_dead(timedelta(minutes=2)) == 0
    assert await found_dead(timedelta(minutes=2, seconds=5)) == 0
    assert await found_dead(timedelta(minutes=2, seconds=11)) == 1


def test_a_database_that_hung_was_away() -> None:
    moments = [datetime(2026, 1, 1, 0, 0, seconds, tzinfo=UTC) for seconds in range(50)]
    answered_at = iter([0, 5, 40, 41, 41, 46, 46])
    earshot = Earshot(lambda: moments[next(answered_at)])
    for asked_at in (0, 5, 10, 41):
        earshot.hear(moments[asked_at])
    assert not earshot.covers(timedelta(seconds=5))
    earshot.hear(moments[46])
    assert earshot.covers(timedelta(seconds=5))


async def test_instances_whose_clocks_are_apart_do_not_take_each_other_for_dead(
    database: Database, runner: GenerationRunner, alice: OwnerId
) -> None:
    # A SQLite file has one server, and so one clock.
    apart = timedelta() if database.is_sqlite else timedelta(hours=1)
    clock = DatabaseClock(database, own=lambda: datetime.now(UTC) + apart)
    accounting = Accounting(Quotas(), ModelCatalogue(ScriptedChatModel(), monotonic), 8192)
    ahead = GenerationRunner(database, ScriptedChatModel(), accounting, clock=clock)
    ahead.earshot.since = datetime.now(UTC) - timedelta(days=1)
    generation = await begin(database, runner, alice, LONG)
    assert await ahead.recover(everything=False) == 0
    assert ahead.earshot.covers(timedelta(minutes=1))
    async with database.writing(alice) as db:
        assert await find_living(db, alice, generation.session_id, ahead.earshot) is not None


async def test_recovery_never_touches_the_text_of_what_has_ended(
    database: Database, runner: GenerationRunner, alice: OwnerId
) -> None:
    generation = await begin(database, runner, alice, "count to 3")
    await ended(runner, generation)
    assert await make_runner(database).recover(everything=True) == 0
    message, row = await answer_of(database, alice, generation)
    assert message.status is row.state is State.COMPLETED
    assert message.content


async def test_a_stale_answer_does_not_block_its_chat(
    database: Database, runner: GenerationRunner, alice: OwnerId
) -> None:
    dead = make_runner(database)
    generation = await begin(database, dead, alice, LONG)
    async with database.writing(EVERYBODY) as db:
        long_ago = datetime.now(UTC) - timedelta(minutes=1)
        await db.execute(update(generations).values(heartbeat_at=long_ago))
    runner.earshot.since = datetime.now(UTC) - timedelta(minutes=1)
    async with database.writing(EVERYBODY) as db:
        following = await send(db, alice, NewMessage(generation.session_id, "hello"), None, runner, lasting)
    assert await ended(runner, following) == "generation.completed"
    await dead.aclose()
    assert (await answer_of(database, alice, generation))[0].status is State.INTERRUPTED


async def test_an_end_that_cannot_be_saved_is_saved_later(
    database: Database, runner: GenerationRunner, alice: OwnerId, caplog: pytest.LogCaptureFixture
) -> None:
    generation = await begin(database, runner, alice, "count to 5 [[delay 20ms]]")
    async with database.writing(EVERYBODY) as db:
        await db.connection.exec_driver_sql("ALTER TABLE generations RENAME TO elsewhere")
    log = runner.find_log(generation.id)
    assert log is not None
    while "could not be saved yet" not in caplog.text:  # noqa: ASYNC110 - a line in the log sets no event
        await asyncio.sleep(0.01)
    assert not log.ended
    async with database.writing(EVERYBODY) as db:
        await db.connection.exec_driver_sql("ALTER TABLE elsewhere RENAME TO generations")
    assert await ended(runner, generation) == "generation.completed"
    message, row = await answer_of(database, alice, generation)
    assert (message.content, message.status, row.last_seq) == (log.text, State.COMPLETED, log.last_seq)


async def test_the_same_request_in_parallel_is_one_generation(
    database: Database, runner: GenerationRunner, alice: OwnerId
) -> None:
    async with database.writing(EVERYBODY) as db:
        session = await create_session(db, alice, None, None, datetime.now(UTC))

    async def attempt() -> str:
        async with database.writing(EVERYBODY) as db:
            return (await send(db, alice, NewMessage(session.id, LONG), "key", runner, lasting)).id

    assert len(set(await asyncio.gather(*(attempt() for _ in range(8))))) == 1


async def test_sending_to_a_chat_that_is_being_deleted_is_not_found(
    database: Database, runner: GenerationRunner, alice: OwnerId
) -> None:
    async def attempt(n: int, session_id: str) -> str:
        try:
            async with database.writing(EVERYBODY) as db:
                if n % 2:
                    await delete_session(db, alice, session_id)
                else:
                    await send(db, alice, NewMessage(session_id, "hello"), None, runner, lasting)
        except (NotFound, GenerationRunning) as refusal:
            return refusal.code
        return "done"

    for _ in range(10):
        async with database.writing(EVERYBODY) as db:
            session = await create_session(db, alice, None, None, datetime.now(UTC))
        outcomes = await asyncio.gather(*(attempt(n, session.id) for n in range(6)))
        assert outcomes.count("done") in (1, 2)
        assert set(outcomes) <= {"done", "not_found", "generation_running"}


async def test_nothing_unstorable_reaches_the_database(
    database: Database, runner: GenerationRunner, alice: OwnerId
) -> None:
    generation = await begin(database, runner, alice, "[[fault nul]] hello")
    assert await ended(runner, generation) == "generation.completed"
    message, _ = await answer_of(database, alice, generation)
    assert "\0" not in message.content

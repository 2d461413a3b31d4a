"""Quotas of chats: whatever becomes of an answer, it is settled once, and nobody gets around it."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from time import monotonic
from typing import Any

import pytest
from sqlalchemy import func, select
from uuid_utils.compat import uuid7

from chatkeep.chat.accounting import Accounting
from chatkeep.chat.generations import find_generation
from chatkeep.chat.messages import find_message
from chatkeep.chat.records import Generation, State
from chatkeep.chat.runner import GenerationRunner
from chatkeep.chat.send import NewMessage, send
from chatkeep.chat.sessions import create_session, delete_session
from chatkeep.chat.tables import messages
from chatkeep.db import Database
from chatkeep.identity import OwnerId, Role
from chatkeep.limits.errors import QuotaExceeded
from chatkeep.limits.quotas import Claim, Payer, Quotas
from chatkeep.limits.tables import usage_records
from chatkeep.limits.turns import Turns
from chatkeep.llm.catalogue import ModelCatalogue
from chatkeep.llm.model import Chunk, ModelInfo, PromptMessage
from chatkeep.llm.script import MODEL
from chatkeep.llm.scripted import ScriptedChatModel
from chatkeep.llm.testing import eventually
from chatkeep.row_security import EVERYBODY
from chatkeep.settings_quotas import parse_quota

LONG = "count to 100000 [[delay 1ms]]"
USER = Payer(Role.USER)


class TwoNames(ScriptedChatModel):
    """Answers to another name too, and says where it is, as a model of a provider does."""

    async def stream(self, model: str, messages: Sequence[PromptMessage]) -> AsyncGenerator[Chunk, None]:
        provider: str | None = "provider"
        async for chunk in super().stream(model, messages):
            yield replace(chunk, provider=provider)
            provider = None

    async def list_models(self) -> list[ModelInfo]:
        return [ModelInfo(MODEL, other_names=(f"provider/{MODEL}",))]


MakeRunner = Callable[..., Awaitable[GenerationRunner]]


@pytest.fixture
async def make_runner(database: Database) -> Any:
    opened: list[GenerationRunner] = []

    async def make(
        quota: str = "100k tokens/day", turns: Turns | None = None, *, clockwork: bool = True
    ) -> GenerationRunner:
        model = TwoNames()
        catalogue = ModelCatalogue(model, monotonic)
        await catalogue.offer()
        accounting = Accounting(Quotas({Role.USER: parse_quota(quota)}), catalogue, 8192)
        runner = GenerationRunner(database, model, accounting, turns=turns)
        if clockwork:
            await runner.open()
        opened.append(runner)
        return runner

    yield make
    for runner in opened:
        await runner.aclose()


def lasting(_: Callable[[], None]) -> Callable[[], None]:
    return lambda: None


async def begin(
    database: Database, runner: GenerationRunner, owner: OwnerId, text: str, model: str | None = MODEL, key: str = ""
) -> Generation:
    async with database.writing(owner) as db:
        session = await create_session(db, owner, None, None, datetime.now(UTC))
    async with database.writing(owner) as db:
        return await send(db, owner, NewMessage(session.id, text, None, model), key or None, runner, lasting, USER)


async def ended(runner: GenerationRunner, generation: Generation) -> str:
    log = runner.find_log(generation.id)
    assert log is not None
    batches = [batch async for batch, _ in log.follow(0, until=lambda: False)]
    return batches[-1].split(b"event: ")[-1].split(b"\n")[0].decode().removeprefix("generation.")


async def events_of(runner: GenerationRunner, generation: Generation) -> bytes:
    log = runner.find_log(generation.id)
    assert log is not None
    return log.after(0)[0]


async def begun(runner: GenerationRunner, generation: Generation) -> None:
    """Some of the answer is there."""
    log = runner.find_log(generation.id)
    assert log is not None
    await eventually(lambda: len(log.text) > 0)


async def settled(database: Database, generation_id: str) -> tuple[int, int] | None:
    """The tokens of its record, once they are what was used and not what is held."""
    async with database.reading(EVERYBODY) as db:
        row = (await db.execute(select(usage_records).where(usage_records.c.id == generation_id))).one()
    return (row.prompt_tokens, row.completion_tokens) if row.settled_at else None


async def test_an_answer_is_billed_as_its_endpoint_counts(
    database: Database, make_runner: MakeRunner, alice: OwnerId
) -> None:
    runner = await make_runner()
    generation = await begin(database, runner, alice, "count to 30")
    assert await settled(database, generation.id) is None
    assert await ended(runner, generation) == "completed"
    assert (await settled(database, generation.id) or (0, 0))[1] == 30
    async with database.reading(EVERYBODY) as db:
        assert (await db.execute(select(usage_records.c.provider))).scalar_one() == "provider"


async def test_a_stop_right_before_the_end_is_billed_all_the_same(
    database: Database, make_runner: MakeRunner, alice: OwnerId
) -> None:
    runner = await make_runner()
    generation = await begin(database, runner, alice, LONG)
    await begun(runner, generation)
    runner.stop(generation.id)
    assert await ended(runner, generation) == "stopped"
    prompt, completion = await settled(database, generation.id) or (0, 0)
    assert prompt > 10
    assert completion > 0


async def test_an_endpoint_that_breaks_off_is_billed_for_what_came(
    database: Database, make_runner: MakeRunner, alice: OwnerId
) -> None:
    runner = await make_runner()
    generation = await begin(database, runner, alice, "[[tokens 50]] [[fault break after 40]]")
    assert await ended(runner, generation) == "failed"
    assert (await settled(database, generation.id) or (0, 0))[1] > 20


async def test_an_endpoint_that_gives_nothing_costs_nothing(
    database: Database, make_runner: MakeRunner, alice: OwnerId
) -> None:
    runner = await make_runner()
    generation = await begin(database, runner, alice, "[[fault 503]]")
    assert await ended(runner, generation) == "failed"
    assert await settled(database, generation.id) == (0, 0)


async def test_a_drain_bills_what_was_written(database: Database, make_runner: MakeRunner, alice: OwnerId) -> None:
    runner = await make_runner()
    generation = await begin(database, runner, alice, LONG)
    await begun(runner, generation)
    await runner.drain()
    assert (await settled(database, generation.id) or (0, 0))[1] > 0


async def test_deleting_the_chat_in_the_middle_is_no_way_around_the_bill(
    database: Database, make_runner: MakeRunner, alice: OwnerId
) -> None:
    runner = await make_runner()
    generation = await begin(database, runner, alice, LONG)
    await begun(runner, generation)
    async with database.writing(alice) as db:
        await delete_session(db, alice, generation.session_id)
    assert await ended(runner, generation) == "stopped"
    assert (await settled(database, generation.id) or (0, 0))[1] > 0


async def test_what_a_crash_left_is_billed_by_its_checkpoint(
    database: Database, make_runner: MakeRunner, alice: OwnerId
) -> None:
    runner = await make_runner()
    generation = await begin(database, runner, alice, LONG)
    await begun(runner, generation)
    await runner._checkpoint()
    successor = await make_runner()
    await successor.recover(everything=True)
    async with database.reading(EVERYBODY) as db:
        answer = await find_message(db, alice, generation.message_id)
    assert answer is not None
    prompt, completion = await settled(database, generation.id) or (0, 0)
    assert completion * 3.5 >= len(answer.content) > 0
    assert prompt > 10
    # The one that was taken for dead ends later, and finds that settled.
    assert await ended(runner, generation) == "interrupted"
    assert await settled(database, generation.id) == (prompt, completion)


async def test_a_crash_and_a_deleted_chat_leave_no_quota_eaten(
    database: Database, make_runner: MakeRunner, alice: OwnerId
) -> None:
    successor = await make_runner("1 concurrent")
    dead = await make_runner("1 concurrent", clockwork=False)
    generation = await begin(database, dead, alice, LONG)
    async with database.writing(alice) as db:
        await delete_session(db, alice, generation.session_id)
    await successor.recover(everything=False)
    assert await settled(database, generation.id) is not None
    assert await ended(successor, await begin(database, successor, alice, "count to 3")) == "completed"


async def test_what_runs_is_not_taken_for_dead(database: Database, make_runner: MakeRunner, alice: OwnerId) -> None:
    runner, other = await make_runner(), await make_runner()
    generation = await begin(database, runner, alice, LONG)
    other._now = lambda: datetime.now(UTC) + timedelta(seconds=1)
    await other.recover(everything=False)
    assert await settled(database, generation.id) is None


@pytest.mark.parametrize(("everything", "hours", "is_lost"), [(False, 1, False), (False, 3, True), (True, 0, True)])
async def test_a_crash_of_the_door_for_other_clients_leaves_no_quota_eaten(
    database: Database, make_runner: MakeRunner, alice: OwnerId, everything: bool, hours: int, is_lost: bool
) -> None:
    runner = await make_runner(clockwork=False)
    claim = Claim(str(uuid7()), MODEL, 7, 100, "completions")
    async with database.writing(alice) as db:
        await runner.accounting.quotas.reserve(db, alice, USER, claim, datetime.now(UTC))
    later = datetime.now(UTC) + timedelta(hours=hours)
    await runner.accounting.settle_left(database, (), later, everything=everything)
    assert await settled(database, claim.id) == ((7, 0) if is_lost else None)


async def test_a_retry_reserves_nothing(database: Database, make_runner: MakeRunner, alice: OwnerId) -> None:
    runner = await make_runner("1 requests/day")
    async with database.writing(alice) as db:
        session = await create_session(db, alice, None, None, datetime.now(UTC))

    async def attempt(key: str) -> Generation:
        async with database.writing(alice) as db:
            return await send(db, alice, NewMessage(session.id, "count to 3"), key, runner, lasting, USER)

    answers = await asyncio.gather(*(attempt("key") for _ in range(4)))
    assert len({generation.id for generation in answers}) == 1
    assert await ended(runner, answers[0]) == "completed"
    assert (await attempt("key")).id == answers[0].id
    with pytest.raises(QuotaExceeded):
        await attempt("another key")
    async with database.reading(EVERYBODY) as db:
        assert (await db.execute(select(func.count()).select_from(messages))).scalar() == 2


async def test_parallel_sends_to_many_chats_cannot_all_take_the_last_one(
    database: Database, make_runner: MakeRunner, alice: OwnerId
) -> None:
    runner = await make_runner("2 requests/day, 1 requests/month")

    async def attempt() -> bool:
        try:
            await begin(database, runner, alice, "count to 3")
        except QuotaExceeded:
            return False
        return True

    assert sorted(await asyncio.gather(*(attempt() for _ in range(6)))) == [False] * 5 + [True]


async def test_a_model_under_another_name_has_the_same_quota(
    database: Database, make_runner: MakeRunner, alice: OwnerId
) -> None:
    runner = await make_runner(f"1 requests/day of {MODEL}")
    await begin(database, runner, alice, "count to 3", model=f"provider/{MODEL}")
    for name in (MODEL, f"provider/{MODEL}"):
        with pytest.raises(QuotaExceeded):
            await begin(database, runner, alice, "count to 3", model=name)


async def state_of(database: Database, owner: OwnerId, generation: Generation) -> tuple[State, State]:
    """Of the generation, and of its message."""
    async with database.reading(owner) as db:
        row = await find_generation(db, owner, generation.id)
        answer = await find_message(db, owner, generation.message_id)
    assert row is not None
    assert answer is not None
    return row.state, answer.status


async def test_one_who_waits_is_queued_and_then_answered(
    database: Database, make_runner: MakeRunner, alice: OwnerId, bob: OwnerId
) -> None:
    runner = await make_runner(turns=Turns(1, 1))
    first = await begin(database, runner, alice, LONG)
    await begun(runner, first)
    second = await begin(database, runner, bob, "count to 3")
    log = runner.find_log(second.id)
    assert log is not None
    await eventually(lambda: log.last_seq == 2)
    assert b'event: generation.queued\ndata: {"type":"generation.queued"' in await events_of(runner, second)
    assert b'"position":1' in await events_of(runner, second)
    await runner._checkpoint()
    assert await state_of(database, bob, second) == (State.QUEUED, State.QUEUED)
    runner.stop(first.id)
    await begun(runner, second)
    assert await ended(runner, second) == "completed"
    assert await state_of(database, bob, second) == (State.COMPLETED, State.COMPLETED)


@pytest.mark.parametrize("ending", ["stopped", "interrupted"])
async def test_one_who_waits_can_be_stopped_and_drained_and_pays_nothing(
    database: Database, make_runner: MakeRunner, alice: OwnerId, ending: str
) -> None:
    runner = await make_runner(turns=Turns(1, 1))
    await begun(runner, await begin(database, runner, alice, LONG))
    waiting = await begin(database, runner, alice, LONG)
    await asyncio.sleep(0)
    await runner._checkpoint()
    if ending == "stopped":
        runner.stop(waiting.id)
    else:
        await runner.drain()
    assert await ended(runner, waiting) == ending
    assert await settled(database, waiting.id) == (0, 0)


async def test_a_crash_while_one_waits_bills_nothing(
    database: Database, make_runner: MakeRunner, alice: OwnerId
) -> None:
    runner = await make_runner(turns=Turns(1, 1))
    await begun(runner, await begin(database, runner, alice, LONG))
    waiting = await begin(database, runner, alice, LONG)
    log = runner.find_log(waiting.id)
    assert log is not None
    await eventually(lambda: log.last_seq == 2)
    await runner._checkpoint()
    successor = await make_runner()
    await successor.recover(everything=True)
    assert await settled(database, waiting.id) == (0, 0)
    assert await state_of(database, alice, waiting) == (State.INTERRUPTED, State.INTERRUPTED)

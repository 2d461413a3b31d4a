"""What goes through the door is reserved before a model is asked, and settled however it ends."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import httpx
import openai
import pytest
import pytest_asyncio
from sqlalchemy import select, text

from chatkeep.limits.tables import usage_records
from chatkeep.llm.testing import eventually
from chatkeep.row_security import EVERYBODY
from server.tests.completions.conftest import Door, opened

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def tight(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Door]:
    """A server where nobody may ask for more than four answers a day, of one model for no more than one."""
    quota = "4 requests/day, 1 requests/day of scripted-slow"
    async with opened(tmp_path_factory.mktemp("tight") / "data", quota_user=quota) as door:
        yield door


def body(said: str, model: str = "two/scripted", **more: Any) -> dict[str, Any]:
    return {"model": model, "messages": [{"role": "user", "content": said}], **more}


async def records(door: Door) -> list[Any]:
    async with door.services.database.reading(EVERYBODY) as db:
        return list((await db.execute(select(usage_records).order_by(usage_records.c.id))).all())


async def settled(door: Door) -> Any:
    """The newest record, once it has been settled."""
    async with asyncio.timeout(30):
        while not (found := await records(door)) or found[-1].state != "settled":  # noqa: ASYNC110 - told by SQL
            await asyncio.sleep(0.005)
    return found[-1]


async def rename(door: Door, table: str, to: str) -> None:
    async with door.services.database.writing(EVERYBODY) as db:
        await db.execute(text(f"ALTER TABLE {table} RENAME TO {to}"))


@pytest.mark.parametrize("stream", [False, True])
async def test_the_endpoints_figures_are_what_counts(door: Door, stream: bool) -> None:
    async with door.client() as client:
        answer = await client.chat.completions.create(**body("count to 7", stream=stream))
        if stream:
            [chunk async for chunk in answer]
    record = (await records(door))[-1]
    assert (record.state, record.kind, record.provider) == ("settled", "completions", "two")
    assert (record.prompt_tokens, record.completion_tokens) == (3, 7)
    assert record.api_key_id is not None


async def test_what_a_client_left_behind_is_counted(door: Door) -> None:
    headers = {"Authorization": f"Bearer {door.key}"}
    async with (
        httpx.AsyncClient(base_url=door.url, headers=headers) as http,
        http.stream("POST", "/v1/chat/completions", json=body("hello [[fault endless]]", stream=True)) as response,
    ):
        received = 0
        async for piece in response.aiter_bytes():
            received += len(piece)
            if received > 100_000:
                break
    record = await settled(door)
    assert record.completion_tokens > 100
    assert record.prompt_tokens > 0


@pytest.mark.parametrize("fault", ["negative-usage", "absurd-usage"])
async def test_a_usage_that_cannot_be_is_replaced_by_an_estimate(door: Door, fault: str) -> None:
    async with door.client() as client:
        [chunk async for chunk in await client.chat.completions.create(**body(f"[[fault {fault}]]hello", stream=True))]
    record = await settled(door)
    assert 0 < record.prompt_tokens < 100
    assert 0 < record.completion_tokens < 100


async def test_a_model_that_refuses_costs_no_tokens(door: Door) -> None:
    async with door.client() as client:
        with pytest.raises(openai.BadRequestError):
            await client.chat.completions.create(**body("hello", model="two/scripted-400"))
    record = await settled(door)
    assert (record.prompt_tokens, record.completion_tokens, record.cost_micros) == (0, 0, 0)


async def test_a_broken_answer_is_counted_by_what_came(door: Door) -> None:
    async with door.client() as client:
        stream = await client.chat.completions.create(**body("count to 9 [[fault break]]", stream=True))
        with pytest.raises(openai.APIError):
            [chunk async for chunk in stream]
    assert (await settled(door)).completion_tokens > 0


async def test_another_name_of_a_model_is_no_other_quota(tight: Door) -> None:
    async with tight.client() as client:
        await client.chat.completions.create(**body("[[say yes]]", model="scripted-slow"))
        with pytest.raises(openai.RateLimitError):
            await client.chat.completions.create(**body("[[say yes]]", model="one/scripted-slow"))


async def test_parallel_requests_at_the_edge_of_a_quota_do_not_overspend(tight: Door) -> None:
    async with tight.client() as client:
        asked = [client.chat.completions.create(**body("count to 3", model="scripted")) for _ in range(8)]
        outcomes = await asyncio.gather(*asked, return_exceptions=True)
    refused = [outcome for outcome in outcomes if isinstance(outcome, openai.RateLimitError)]
    assert len(refused) == 5
    assert sum(b"count to 3" in request for request in tight.one.requests) == 3
    assert {refusal.code for refusal in refused} == {"insufficient_quota"}
    assert int(refused[0].response.headers["retry-after"]) > 0
    assert '"requests-day"' in refused[0].response.headers["ratelimit"]


async def test_what_is_left_is_told_with_the_answer(door: Door) -> None:
    async with httpx.AsyncClient(base_url=door.url, headers={"Authorization": f"Bearer {door.key}"}) as http:
        response = await http.post("/v1/chat/completions", json=body("hello"))
    assert '"concurrent"' in response.headers["ratelimit"]


async def test_a_database_that_is_away_at_the_end_holds_nobody_up_and_loses_nothing(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    async with opened(tmp_path_factory.mktemp("away") / "data") as door, door.client() as client:
        stream = await client.chat.completions.create(**body("count to 50 [[delay 2ms]]", stream=True))
        chunks = aiter(stream)
        await anext(chunks)
        await rename(door, "usage_records", "away")
        assert [chunk async for chunk in chunks][-1].choices[0].finish_reason == "stop"
        await rename(door, "away", "usage_records")
        assert (await settled(door)).completion_tokens == 50


async def test_a_server_that_stops_ends_its_answers_and_accounts_for_them(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    async with opened(tmp_path_factory.mktemp("stopping") / "data") as door, door.client() as client:
        stream = await client.chat.completions.create(**body("count to 100000 [[delay 2ms]]", stream=True))
        chunks = aiter(stream)
        await anext(chunks)
        await door.services.underway.drain()
        with pytest.raises(openai.APIError) as ending:
            [chunk async for chunk in chunks]
        assert ending.value.code == "draining"
        assert [record.state for record in await records(door)] == ["settled"]
        await eventually(lambda: not door.two.open)
        with pytest.raises(openai.InternalServerError):
            await client.chat.completions.create(**body("hello"))


async def test_a_server_that_stops_lets_answers_end_for_a_while(tmp_path_factory: pytest.TempPathFactory) -> None:
    data_dir = tmp_path_factory.mktemp("patient") / "data"
    async with opened(data_dir, drain_seconds=30) as door, door.client() as client:
        stream = await client.chat.completions.create(**body("count to 50 [[delay 2ms]]", stream=True))
        chunks = aiter(stream)
        await anext(chunks)
        draining = asyncio.create_task(door.services.underway.drain())
        assert [chunk async for chunk in chunks][-1].choices[0].finish_reason == "stop"
        await draining

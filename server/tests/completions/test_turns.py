"""Answers through the door take turns with each other and with those in chats."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import openai
import pytest
import pytest_asyncio

from authkeep.testing import signed_in
from chatkeep.completions import response
from chatkeep.identity import OwnerId
from chatkeep.llm.testing import eventually
from server.tests.completions.conftest import Door, opened

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def small(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Door]:
    """A server that writes two answers at once."""
    async with opened(tmp_path_factory.mktemp("small") / "data", concurrent_answers=2) as door:
        yield door


def body(said: str, **more: Any) -> dict[str, Any]:
    return {"model": "two/scripted", "messages": [{"role": "user", "content": said}], **more}


def in_line(door: Door) -> int:
    return sum(map(len, door.services.turns._lines.values()))


async def test_one_who_asks_for_a_hundred_answers_does_not_starve_another(small: Door) -> None:
    bob = await signed_in(small.auth, "bob@example.com")
    async with small.client() as alices, small.client(bob.access_token) as bobs:
        running = [await alices.chat.completions.create(**body("[[fault endless]]", stream=True)) for _ in range(2)]
        asked = [alices.chat.completions.create(**body(f"alice {n}")) for n in range(20)]
        waiting = [asyncio.create_task(asking) for asking in asked]
        await eventually(lambda: in_line(small) == 20)
        his = asyncio.create_task(bobs.chat.completions.create(**body("bob")))
        await eventually(lambda: in_line(small) == 21)
        for stream in running:
            await stream.close()
        await asyncio.gather(his, *waiting)
    said = [n for n, request in enumerate(list(small.two.requests)[2:]) if b"bob" in request]
    assert said[0] <= 2


async def test_whoever_waits_for_a_place_for_too_long_is_told_so_and_pays_nothing(
    small: Door, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(response, "_PATIENCE_SECONDS", 0.01)
    turns = small.services.turns
    async with turns.turn(OwnerId("chat 1")), turns.turn(OwnerId("chat 2")), small.client() as client:
        before = len(small.two.requests)
        with pytest.raises(openai.InternalServerError) as refused:
            await client.chat.completions.create(**body("hello"))
        assert (refused.value.status_code, refused.value.code) == (503, "busy")
        assert refused.value.response.headers["retry-after"] == "5"
        assert len(small.two.requests) == before
    async with small.client() as client:
        await client.chat.completions.create(**body("hello"))


async def test_whoever_leaves_the_line_leaves_no_hole_in_it(small: Door) -> None:
    turns = small.services.turns
    async with small.client() as client:
        async with turns.turn(OwnerId("chat 1")), turns.turn(OwnerId("chat 2")):
            asking = asyncio.create_task(client.chat.completions.create(**body("hello")))
            await eventually(lambda: bool(turns._lines))
            asking.cancel()
            await eventually(lambda: not turns._lines)
        await client.chat.completions.create(**body("hello"))


@pytest.mark.parametrize("outage", [TimeoutError(), ConnectionResetError(), RuntimeError("asyncpg")])
async def test_a_database_that_does_not_answer_is_no_client_that_has_gone(
    small: Door, monkeypatch: pytest.MonkeyPatch, outage: Exception
) -> None:
    async def away(*_: object) -> None:
        raise outage

    monkeypatch.setattr(small.services.quotas, "reserve", away)
    async with small.client() as client:
        with pytest.raises(openai.InternalServerError) as refused:
            await client.chat.completions.create(**body("hello"))
    assert (refused.value.status_code, refused.value.code) == (503, "database_unavailable")

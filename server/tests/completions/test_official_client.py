"""OpenAI's own client for Python against the door: it must notice no difference."""

import openai
import pytest
from openai.types.chat import ChatCompletion, ChatCompletionChunk

from server.tests.completions.conftest import Door

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_models_are_listed_and_found(door: Door) -> None:
    async with door.client() as client:
        listed = [model.id async for model in client.models.list()]
        assert listed[0] == "scripted"
        assert "two/scripted" in listed
        assert (await client.models.retrieve("two/scripted")).owned_by == "two"
        with pytest.raises(openai.NotFoundError) as refusal:
            await client.models.retrieve("nothing")
    assert refusal.value.code == "model_not_found"


async def test_an_answer_at_once(door: Door) -> None:
    async with door.client() as client:
        answer = await client.chat.completions.create(
            model="scripted", messages=[{"role": "user", "content": "[[say hello there]]"}]
        )
    assert isinstance(answer, ChatCompletion)
    assert answer.choices[0].message.content == "hello there"
    assert answer.usage is not None
    assert answer.usage.completion_tokens == 2


async def test_an_answer_in_a_stream_with_its_usage(door: Door) -> None:
    async with door.client() as client:
        stream = await client.chat.completions.create(
            model="scripted",
            messages=[{"role": "user", "content": "count to 20"}],
            stream=True,
            stream_options={"include_usage": True},
        )
        chunks = [chunk async for chunk in stream]
    assert all(isinstance(chunk, ChatCompletionChunk) for chunk in chunks)
    text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
    assert text.split() == [str(number) for number in range(1, 21)]
    assert chunks[-1].usage is not None
    assert chunks[-1].usage.completion_tokens == 20


async def test_a_usage_that_nobody_asked_for_is_kept_back(door: Door) -> None:
    async with door.client() as client:
        stream = await client.chat.completions.create(
            model="scripted", messages=[{"role": "user", "content": "hello"}], stream=True
        )
        chunks = [chunk async for chunk in stream]
    assert all(chunk.choices and chunk.usage is None for chunk in chunks)

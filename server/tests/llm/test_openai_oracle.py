"""The official client reads the same endpoint; whatever it understands, we must have understood the same."""

from collections.abc import AsyncIterator

import openai
import pytest

from chatkeep.llm.model import Chunk, ModelGarbage, Usage
from chatkeep.llm.openai import OpenAIChatModel
from chatkeep.llm.openai_answer import AnswerDecoder
from chatkeep.llm.scripted_upstream import ScriptedUpstream
from chatkeep.llm.testing import ask

MESSAGES = [
    "hello",
    "count to 12",
    "[[say Grüße, 世界 🎉 \u2028 \\n\\ndata: [DONE]\\n\\n]]",
    "[[tokens 40]]",
    "  \n\n  ",
]


@pytest.fixture
async def official(upstream: ScriptedUpstream) -> AsyncIterator[openai.AsyncOpenAI]:
    async with openai.AsyncOpenAI(base_url=upstream.url, api_key="sk-test", max_retries=0) as client:
        yield client


@pytest.mark.parametrize("fault", ["", "crlf", "drip", "tools", "reasoning", "no-done"])
@pytest.mark.parametrize("message", MESSAGES)
async def test_text_and_usage_are_the_same(
    message: str, fault: str, official: openai.AsyncOpenAI, model: OpenAIChatModel
) -> None:
    message += f"[[fault {fault}]]" if fault else ""
    text, usage = "", None
    stream = await official.chat.completions.create(
        model="scripted",
        messages=[{"role": "user", "content": message}],
        stream=True,
        stream_options={"include_usage": True},
    )
    async for chunk in stream:
        text += "".join(choice.delta.content or "" for choice in chunk.choices)
        usage = chunk.usage or usage
    ours = await ask(model, message)
    assert ours.text == text
    assert usage is not None
    assert ours.usage == Usage(usage.prompt_tokens, usage.completion_tokens)


async def test_the_list_of_models_is_the_same(official: openai.AsyncOpenAI, model: OpenAIChatModel) -> None:
    listed = [listed.id async for listed in official.models.list()]
    assert [info.id for info in await model.list_models()] == listed


@pytest.mark.parametrize("status", ["400", "401", "403", "404", "422", "429", "500"])
async def test_what_it_refuses_we_refuse(status: str, official: openai.AsyncOpenAI, model: OpenAIChatModel) -> None:
    message = f"[[fault {status}]]"
    with pytest.raises(openai.APIStatusError) as refusal:
        await official.chat.completions.create(model="scripted", messages=[{"role": "user", "content": message}])
    assert refusal.value.status_code == int(status)
    assert (await ask(model, message)).error is not None


async def test_what_a_model_thinks_aloud_is_kept_apart_and_counted_once(model: OpenAIChatModel) -> None:
    answer = await ask(model, "[[say done]][[fault reasoning]]")
    assert "".join(chunk.reasoning for chunk in answer.chunks) == "Hm."
    assert answer.text == "done"


async def test_a_thought_of_another_shape_breaks_no_answer() -> None:
    decoder = AnswerDecoder(max_characters=1000)
    delta = b'{"content": "yes", "reasoning": {"effort": [1]}, "reasoning_content": null}'
    assert decoder.feed(b'data: {"choices": [{"delta": ' + delta + b"}]}\n\n") == Chunk("yes")
    assert decoder.error is None


async def test_endless_thinking_is_bounded() -> None:
    decoder = AnswerDecoder(max_characters=10)
    chunk = decoder.feed(b'data: {"choices": [{"delta": {"reasoning": "' + b"x" * 100 + b'"}}]}\n\n')
    assert chunk == Chunk(reasoning="x" * 10)
    assert isinstance(decoder.error, ModelGarbage)

import json

import pytest

from chatkeep.llm.http_response import Bounds
from chatkeep.llm.model import ModelGarbage, ModelInfo, ModelRefused, PromptMessage, Usage
from chatkeep.llm.openai import OpenAIChatModel
from chatkeep.llm.openai_answer import AnswerDecoder
from chatkeep.llm.scripted_answers import frame
from chatkeep.llm.scripted_upstream import ScriptedUpstream
from chatkeep.llm.testing import ask, eventually


async def test_an_answer_arrives_with_its_reason_and_usage(model: OpenAIChatModel) -> None:
    answer = await ask(model, "count to 5")
    assert (answer.text, answer.finish_reason, answer.usage) == ("1 2 3 4 5 ", "stop", Usage(3, 5))


async def test_one_read_is_one_chunk(model: OpenAIChatModel) -> None:
    answer = await ask(model, "count to 1000")
    assert answer.text.split() == [str(number) for number in range(1, 1001)]
    assert len(answer.chunks) < 200


async def test_what_is_sent_is_what_the_protocol_asks_for(upstream: ScriptedUpstream, model: OpenAIChatModel) -> None:
    messages = [
        PromptMessage("system", "Be brief."),
        PromptMessage("user", "count to 2"),
        PromptMessage("assistant", "ok"),
    ]
    assert "".join([chunk.text async for chunk in model.stream("scripted", messages)]) == "1 2 "
    assert json.loads(upstream.requests[-1]) == {
        "model": "scripted",
        "messages": [{"role": message.role, "content": message.content} for message in messages],
        "stream": True,
        "stream_options": {"include_usage": True},
    }


async def test_the_endpoint_is_asked_for_its_models(model: OpenAIChatModel) -> None:
    assert await model.list_models() == [ModelInfo("scripted"), ModelInfo("scripted-slow")]


async def test_configured_models_are_not_asked_for(upstream: ScriptedUpstream) -> None:
    model = OpenAIChatModel(upstream.url, models=["b", "a"])
    assert [info.id for info in await model.list_models()] == ["b", "a"]
    assert not upstream.requests


async def test_closing_the_answer_closes_the_connection(upstream: ScriptedUpstream) -> None:
    model = OpenAIChatModel(upstream.url)
    chunks = model.stream("scripted", [PromptMessage("user", "x [[fault endless]]")])
    assert (await anext(chunks)).text
    await chunks.aclose()
    await eventually(lambda: not upstream.open)
    assert (await ask(model, "count to 2")).text == "1 2 "
    await model.aclose()


async def test_an_answer_without_end_is_bounded_by_its_length(upstream: ScriptedUpstream) -> None:
    model = OpenAIChatModel(upstream.url, max_answer_characters=1000)
    answer = await ask(model, "x [[fault endless]]")
    assert isinstance(answer.error, ModelGarbage)
    assert len(answer.text) == 1000


async def test_an_answer_without_end_is_bounded_by_its_bytes(upstream: ScriptedUpstream) -> None:
    answer = await ask(OpenAIChatModel(upstream.url, bounds=Bounds(body=100_000)), "x [[fault endless]]")
    assert isinstance(answer.error, ModelGarbage)
    assert len(answer.text) < 100_000


async def test_a_trickle_without_end_is_bounded_by_time(upstream: ScriptedUpstream) -> None:
    model = OpenAIChatModel(upstream.url, bounds=Bounds(total=1.5))
    answer = await ask(model, "[[tokens 1000]] [[delay 10ms]]")
    assert answer.error is not None
    assert answer.error.code == "model_timeout"
    assert answer.text


async def test_a_prompt_that_is_no_unicode_is_refused(model: OpenAIChatModel) -> None:
    assert isinstance((await ask(model, "half a pair: \ud83d")).error, ModelRefused)


def _decode(*frames: bytes) -> tuple[str, AnswerDecoder]:
    decoder = AnswerDecoder(max_characters=1000)
    chunk = decoder.feed(b"".join(frames))
    return (chunk.text if chunk else ""), decoder


@pytest.mark.parametrize(
    "data",
    [
        b'{"choices": null}',
        b'{"choices": []}',
        b"{}",
        b'{"choices": [{"index": 0, "delta": null}]}',
        b'{"choices": [{"delta": {}}]}',
        b'{"choices": [{"index": 1, "delta": {"content": "another"}}]}',
        b'{"choices": [{"delta": {"content": null, "refusal": null, "function_call": {"name": "f"}}}]}',
        b'{"choices": [], "usage": {"prompt_tokens": "many"}}',
        b'{"choices": [], "prompt_filter_results": [{}], "usage": []}',
    ],
)
def test_frames_without_text_do_no_harm(data: bytes) -> None:
    text, decoder = _decode(b"data: " + data + b"\n\n", frame({"content": "on"}))
    assert (text, decoder.error) == ("on", None)


@pytest.mark.parametrize(
    "data",
    [b"42", b"[]", b'"x"', b"null", b'{"choices": 1}', b'{"choices": [{"delta": "x"}]}', b"[" * 100_000, b"{", b"\xff"],
)
def test_frames_that_are_none_end_the_answer(data: bytes) -> None:
    text, decoder = _decode(frame({"content": "so far"}), b"data: " + data + b"\n\n")
    assert text == "so far"
    assert isinstance(decoder.error, ModelGarbage)


def test_content_in_parts_is_read() -> None:
    parts = [{"type": "thinking", "text": "hm"}, {"type": "text", "text": "a"}, {"type": "text", "text": "b"}]
    assert _decode(frame({"content": parts}))[0] == "ab"


def test_nothing_after_done_counts() -> None:
    text, decoder = _decode(b"data: [DONE]\n\n", frame({"content": "late"}))
    assert (text, decoder.done) == ("", True)

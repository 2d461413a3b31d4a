import asyncio

import pytest

from chatkeep.llm.model import Chunk, ModelInfo, PromptMessage, Usage
from chatkeep.llm.openai import OpenAIChatModel
from chatkeep.llm.script import script_for
from chatkeep.llm.scripted import ScriptedChatModel
from chatkeep.llm.testing import ask


def _say(text: str, model: str = "scripted") -> str:
    return "".join(script_for(model, [PromptMessage("user", text)]).tokens)


def test_the_answer_follows_from_the_prompt_alone() -> None:
    assert _say("two words") == "Scripted answer 1, to a message of 2 words. You wrote: two words"
    assert _say("two words") == _say("two words")


def test_the_answer_tells_which_turn_it_is() -> None:
    turns = [PromptMessage("user", "a"), PromptMessage("assistant", "b"), PromptMessage("user", "c")]
    assert "".join(script_for("scripted", turns).tokens).startswith("Scripted answer 2,")


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("Please count to 3!", "1 2 3 "),
        ("[[say Good morning]]", "Good morning"),
        ("[[tokens 3]]", "Kept words come "),
        ("[[delay 5ms]] hi", "Scripted answer 1, to a message of 1 words. You wrote: hi"),
        ("", "Scripted answer 1, to a message of 0 words. You wrote: "),
    ],
)
def test_directives(text: str, answer: str) -> None:
    assert _say(text) == answer


def test_a_directive_can_ask_for_no_more_than_there_is() -> None:
    assert len(script_for("scripted", [PromptMessage("user", "count to 9999999")]).tokens) == 1_000_000


@pytest.mark.parametrize(
    ("text", "name", "delay", "fault", "after"),
    [
        ("x", "scripted", None, None, 0),
        ("x", "scripted-slow", 0.1, None, 0),
        ("x", "scripted-break", None, "break", 3),
        ("[[delay 20ms]] [[fault stall after 7]]", "scripted", 0.02, "stall", 7),
        ("[[fault nonsense]]", "scripted", None, None, 0),
    ],
)
def test_delay_and_fault(text: str, name: str, delay: float | None, fault: str | None, after: int) -> None:
    script = script_for(name, [PromptMessage("user", text)])
    assert (script.delay, script.fault, script.fault_after) == (delay, fault, after)


async def test_it_streams_token_by_token() -> None:
    answer = await ask(ScriptedChatModel(), "count to 2")
    assert answer.chunks == [Chunk("1 "), Chunk("2 "), Chunk("", "stop", Usage(3, 2))]


async def test_it_offers_what_it_is_told_to() -> None:
    assert await ScriptedChatModel().list_models() == [ModelInfo("scripted")]
    assert await ScriptedChatModel(["a", "b"]).list_models() == [ModelInfo("a"), ModelInfo("b")]


async def test_it_can_be_stopped_in_the_middle() -> None:
    task = asyncio.create_task(ask(ScriptedChatModel(token_delay=3600.0), "count to 2"))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


@pytest.mark.parametrize("text", ["hello", "count to 9", "[[say ü 世界]]"])
async def test_it_says_the_same_as_the_scripted_endpoint(text: str, model: OpenAIChatModel) -> None:
    in_process, over_the_wire = await ask(ScriptedChatModel(), text), await ask(model, text)
    assert (in_process.text, in_process.usage) == (over_the_wire.text, over_the_wire.usage)

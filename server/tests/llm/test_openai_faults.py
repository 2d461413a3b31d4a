"""Every way an endpoint can fail ends in the right error, with a message that helps and gives nothing away."""

import pytest

from chatkeep.llm.model import (
    ModelError,
    ModelGarbage,
    ModelPromptTooLong,
    ModelRateLimited,
    ModelRefused,
    ModelStreamBroken,
    ModelTimeout,
    ModelUnavailable,
)
from chatkeep.llm.openai import OpenAIChatModel
from chatkeep.llm.script import FAULTS
from chatkeep.llm.scripted import ScriptedChatModel
from chatkeep.llm.scripted_upstream import ScriptedUpstream
from chatkeep.llm.testing import ask, eventually

BEFORE = {
    "400": (ModelRefused, "did not accept"),
    "401": (ModelRefused, "CHATKEEP_LLM_API_KEY"),
    "402": (ModelRefused, "credit"),
    "403": (ModelRefused, "may not use"),
    "404": (ModelRefused, "does not know this model"),
    "413": (ModelRefused, "too large"),
    "422": (ModelRefused, "422"),
    "no-credit": (ModelRefused, "credit"),
    "context": (ModelPromptTooLong, "too long"),
    "429": (ModelRateLimited, "rate limit"),
    "500": (ModelUnavailable, "500"),
    "502": (ModelUnavailable, "502"),
    "503": (ModelUnavailable, "503"),
    "redirect": (ModelRefused, "redirects"),
    "close": (ModelUnavailable, "without an answer"),
    "silent": (ModelTimeout, "silent"),
    "not-http": (ModelGarbage, "does not speak HTTP"),
    "huge-header": (ModelGarbage, "more than"),
    "html": (ModelGarbage, "web page"),
    "encoded": (ModelGarbage, "compressed"),
}
DURING = {
    "break": (ModelStreamBroken, "broke off"),
    "unfinished": (ModelStreamBroken, "without saying"),
    "second-response": (ModelStreamBroken, "without saying"),
    "stall": (ModelTimeout, "silent"),
    "garbage": (ModelGarbage, "not JSON"),
    "error": (ModelUnavailable, "in the middle"),
    "endless": (ModelGarbage, "more than"),
    "endless-line": (ModelGarbage, "larger than"),
    "huge-frame": (ModelGarbage, "larger than"),
}
SURVIVED = FAULTS - BEFORE.keys() - DURING.keys()


@pytest.mark.parametrize("fault", BEFORE)
async def test_a_fault_before_the_answer_is_named(fault: str, model: OpenAIChatModel) -> None:
    kind, says = BEFORE[fault]
    answer = await ask(model, f"hello [[fault {fault}]]")
    assert type(answer.error) is kind
    assert says in str(answer.error)
    assert not answer.chunks


@pytest.mark.parametrize("fault", DURING)
async def test_a_fault_in_the_answer_keeps_what_came_before(fault: str, model: OpenAIChatModel) -> None:
    kind, says = DURING[fault]
    answer = await ask(model, f"one two three four [[fault {fault} after 2]]")
    assert type(answer.error) is kind
    assert says in str(answer.error)
    assert answer.text.startswith("Scripted " if fault == "unfinished" else "Scripted answer ")


@pytest.mark.parametrize("fault", sorted(SURVIVED))
async def test_an_oddity_costs_no_text(fault: str, model: OpenAIChatModel) -> None:
    answer = await ask(model, f"[[say all of it]] [[fault {fault}]]")
    assert answer.error is None
    assert answer.finish_reason == "stop"
    assert answer.text.endswith("All at once." if fault == "json" else "all of it")


async def test_an_endpoint_that_knows_no_stream_options_is_asked_without(
    upstream: ScriptedUpstream, model: OpenAIChatModel
) -> None:
    for _ in range(2):
        assert (await ask(model, "[[say x]] [[fault no-stream-options]]")).text == "x"
    assert len(upstream.requests) == 3


async def test_a_connection_that_goes_on_after_the_end_is_closed(model: OpenAIChatModel) -> None:
    assert (await ask(model, "[[say x]] [[fault after-done]]")).text == "x"
    await eventually(lambda: not model.open_connections)


@pytest.mark.parametrize("fault", ["bad-utf8", "bad-surrogate", "nul"])
async def test_no_text_comes_through_that_could_not_be_stored(fault: str, model: OpenAIChatModel) -> None:
    answer = await ask(model, f"[[say x]] [[fault {fault}]]")
    assert answer.text == "<\ufffd>x"


@pytest.mark.parametrize("fault", ["negative-usage", "absurd-usage"])
async def test_usage_that_cannot_be_is_ignored(fault: str, model: OpenAIChatModel) -> None:
    assert (await ask(model, f"hello [[fault {fault}]]")).usage is None


@pytest.mark.parametrize("fault", sorted(BEFORE.keys() | DURING.keys()))
async def test_a_providers_own_words_never_reach_the_user(
    fault: str, model: OpenAIChatModel, caplog: pytest.LogCaptureFixture
) -> None:
    answer = await ask(model, f"my secret prompt [[fault {fault}]]")
    shown = f"{answer.error} {answer.error!r} {caplog.text}"
    assert not [leak for leak in ("sk-secret", "sk-test", "10.9.8.7", "127.0.0.1", "secret prompt") if leak in shown]


async def test_a_rate_limit_says_when_to_come_back(model: OpenAIChatModel) -> None:
    answer = await ask(model, "[[fault 429]]")
    assert isinstance(answer.error, ModelRateLimited)
    assert answer.error.retry_after == 7.0
    assert answer.error.retryable


async def test_nothing_listening_asks_whether_it_is_running(upstream: ScriptedUpstream) -> None:
    await upstream.aclose()
    answer = await ask(OpenAIChatModel(upstream.url), "hello")
    assert type(answer.error) is ModelUnavailable
    assert "running?" in answer.error.message


@pytest.mark.parametrize(("key", "error"), [("sk-right", None), ("sk-wrong", ModelRefused), (None, ModelRefused)])
async def test_the_key_is_sent(key: str | None, error: type[ModelError] | None, upstream: ScriptedUpstream) -> None:
    upstream.key = "sk-right"
    model = OpenAIChatModel(upstream.url, key)
    assert type((await ask(model, "hello")).error) is (error or type(None))
    await model.aclose()


async def test_a_wrong_path_names_the_base_url(upstream: ScriptedUpstream) -> None:
    model = OpenAIChatModel(upstream.url + "/wrong")
    assert "CHATKEEP_LLM_BASE_URL" in str((await ask(model, "hello")).error)
    with pytest.raises(ModelRefused, match="CHATKEEP_LLM_BASE_URL"):
        await model.list_models()
    await model.aclose()


@pytest.mark.parametrize("fault", sorted(FAULTS - {"endless"}))
async def test_the_scripted_model_fails_as_the_endpoint_does(fault: str, model: OpenAIChatModel) -> None:
    text = f"[[say a b c d e]] [[fault {fault} after 2]]"
    over_the_wire = await ask(model, text)
    in_process = await ask(ScriptedChatModel(), text)
    assert type(in_process.error) is type(over_the_wire.error)


@pytest.mark.parametrize("key", ["sk with space", "sk\r\nX-Evil: 1", "schlüssel", "\x00"])
def test_a_key_cannot_smuggle_in_a_header_field(key: str) -> None:
    with pytest.raises(ValueError, match="CHATKEEP_LLM_API_KEY contains") as refusal:
        OpenAIChatModel("http://127.0.0.1:1/v1", key)
    assert key not in str(refusal.value)


@pytest.mark.parametrize(
    ("url", "warned"),
    [
        ("http://llm.example/v1", True),
        ("https://llm.example/v1", False),
        ("http://127.0.0.1:1/v1", False),
        ("http://ollama:11434/v1", False),
        ("http://192.168.1.9/v1", False),
    ],
)
def test_a_key_that_would_travel_unencrypted_is_warned_of(
    url: str, warned: bool, caplog: pytest.LogCaptureFixture
) -> None:
    OpenAIChatModel(url, "sk-test")
    assert ("unencrypted" in caplog.text) is warned
    assert "sk-test" not in caplog.text

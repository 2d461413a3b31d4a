"""Several endpoints as one model: who is asked, who stands in, and what is never asked twice."""

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack

import msgspec
import pytest

from chatkeep.llm.model import ModelRefused, ModelStreamBroken, ModelTimeout, ModelUnavailable
from chatkeep.llm.openai import OpenAIChatModel
from chatkeep.llm.providers import Endpoint, ProvidersChatModel
from chatkeep.llm.raw_request import RawRequest
from chatkeep.llm.routes_to_models import Described
from chatkeep.llm.scripted_upstream import ScriptedUpstream
from chatkeep.llm.testing import ask, eventually
from server.tests.llm.conftest import QUICK

Build = Callable[[Mapping[str, tuple[str, Mapping[str, Described]]]], ProvidersChatModel]


@pytest.fixture
async def second() -> AsyncIterator[ScriptedUpstream]:
    second = ScriptedUpstream()
    await second.start()
    yield second
    await second.aclose()


@pytest.fixture
async def build() -> AsyncIterator[Build]:
    """Providers by id, each with its address and its models."""
    async with AsyncExitStack() as stack:

        def make(providers: Mapping[str, tuple[str, Mapping[str, Described]]]) -> ProvidersChatModel:
            model = ProvidersChatModel(
                [
                    Endpoint(name, OpenAIChatModel(url, bounds=QUICK), models)
                    for name, (url, models) in providers.items()
                ],
                first_pause=0.01,
            )
            stack.push_async_callback(model.aclose)
            return model

        yield make


def asked(upstream: ScriptedUpstream) -> list[str]:
    return [msgspec.json.decode(body)["model"] for body in upstream.requests if body]


async def test_a_name_leads_to_its_provider_and_the_qualified_one_always_does(
    build: Build, upstream: ScriptedUpstream, second: ScriptedUpstream
) -> None:
    known = {"scripted": Described(), "scripted-slow": Described()}
    model = build({"one": (upstream.url, known), "two": (second.url, {"scripted": Described(context_tokens=4096)})})
    offered = await model.list_models()
    assert [(info.id, info.provider) for info in offered] == [
        ("scripted", "one"), ("scripted-slow", "one"), ("two/scripted", "two"),
    ]  # fmt: skip
    assert offered[2].context_tokens == 4096
    for name in ("scripted", "one/scripted"):
        assert (await ask(model, "hello", name=name)).error is None
    assert asked(second) == []
    assert (await ask(model, "hello", name="two/scripted")).error is None
    assert asked(second) == ["scripted"]


async def test_a_provider_named_like_anothers_model_does_not_capture_it(
    build: Build, upstream: ScriptedUpstream, second: ScriptedUpstream
) -> None:
    model = build(
        {
            "router": (upstream.url, {"two/scripted": Described()}),
            "two": (second.url, {"scripted": Described()}),
        }
    )
    assert [info.id for info in await model.list_models()] == ["router/two/scripted", "scripted"]
    assert (await ask(model, "hello", name="two/scripted")).error is None
    assert asked(second) == ["scripted"]


async def test_models_of_one_alias_stand_in_for_each_other_before_the_first_token(
    build: Build, upstream: ScriptedUpstream, second: ScriptedUpstream
) -> None:
    best = Described(alias="best")
    model = build({"one": (upstream.url, {"scripted-503": best}), "two": (second.url, {"scripted": best})})
    (info,) = await model.list_models()
    assert info.id == "best"
    assert set(info.other_names) == {"scripted-503", "one/scripted-503", "scripted", "two/scripted"}
    answer = await ask(model, "[[say hello]]", name="best")
    assert (answer.text, answer.error) == ("hello", None)
    # What has just failed is asked last from now on.
    assert (await ask(model, "[[say again]]", name="best")).text == "again"
    assert asked(upstream) == ["scripted-503"]
    assert asked(second) == ["scripted", "scripted"]


async def test_a_broken_answer_is_not_begun_anew_elsewhere(
    build: Build, upstream: ScriptedUpstream, second: ScriptedUpstream
) -> None:
    best = Described(alias="best")
    model = build({"one": (upstream.url, {"scripted-break": best}), "two": (second.url, {"scripted": best})})
    answer = await ask(model, "count to 20", name="best")
    assert answer.text == "1 2 3 "
    assert isinstance(answer.error, ModelStreamBroken)
    assert asked(second) == []


@pytest.mark.parametrize("fault", ["401", "402", "403", "404", "500", "close", "silent", "html", "429", "not-http"])
async def test_whatever_is_wrong_there_another_answers(
    fault: str, build: Build, upstream: ScriptedUpstream, second: ScriptedUpstream
) -> None:
    best = Described(alias="best")
    model = build({"one": (upstream.url, {f"scripted-{fault}": best}), "two": (second.url, {"scripted": best})})
    assert (await ask(model, "[[say hello]]", name="best")).text == "hello"
    assert len(upstream.requests) <= 1


@pytest.mark.parametrize("fault", ["400", "422", "413", "context"])
async def test_what_is_wrong_with_the_request_is_not_tried_elsewhere(
    fault: str, build: Build, upstream: ScriptedUpstream, second: ScriptedUpstream
) -> None:
    best = Described(alias="best")
    model = build({"one": (upstream.url, {f"scripted-{fault}": best}), "two": (second.url, {"scripted": best})})
    assert isinstance((await ask(model, "hello", name="best")).error, ModelRefused)
    assert asked(second) == []


async def test_a_short_failure_is_outlived(build: Build, upstream: ScriptedUpstream) -> None:
    model = build({"one": (upstream.url, {})})
    upstream.failures = 2
    assert (await ask(model, "[[say hello]]")).text == "hello"
    assert (await model.list_models())[0].healthy


async def test_retries_end(build: Build, upstream: ScriptedUpstream) -> None:
    model = build({"one": (upstream.url, {})})
    upstream.failures = 1000
    assert isinstance((await ask(model, "hello")).error, ModelUnavailable)
    assert 1000 - upstream.failures == 3


async def test_a_timeout_is_not_repeated(build: Build, upstream: ScriptedUpstream) -> None:
    model = build({"one": (upstream.url, {"scripted-silent": Described()})})
    assert isinstance((await ask(model, "hello", name="scripted-silent")).error, ModelTimeout)
    assert asked(upstream) == ["scripted-silent"]


async def test_a_provider_that_is_away_hides_no_other(build: Build, upstream: ScriptedUpstream) -> None:
    model = build({"away": ("http://127.0.0.1:9/v1", {}), "one": (upstream.url, {})})
    assert [info.id for info in await model.list_models()] == ["scripted", "scripted-slow"]


async def test_where_all_are_away_there_is_an_error(build: Build) -> None:
    with pytest.raises(ModelUnavailable):
        await build({"away": ("http://127.0.0.1:9/v1", {})}).list_models()


async def test_a_name_that_leads_nowhere_is_refused(build: Build, upstream: ScriptedUpstream) -> None:
    answer = await ask(build({"one": (upstream.url, {})}), "hello", name="one/nothing")
    assert isinstance(answer.error, ModelRefused)


async def test_a_forwarded_request_keeps_every_byte_it_need_not_change(
    build: Build, upstream: ScriptedUpstream
) -> None:
    said = b'[{"role":"user","content":"[[say hi]]"}]'
    body = b'{"model":"one/scripted","messages":%b,"x":{"n":1.0e5,"deep":[ 1 ]},"stream":true}' % said
    members = msgspec.json.decode(body, type=dict[str, msgspec.Raw])
    model = build({"one": (upstream.url, {"scripted": Described()})})
    answer = await model.forward("one/scripted", RawRequest(members, stream=True))
    assert b"[DONE]" in await answer.read_all(1 << 20)
    answer.close()
    sent = upstream.requests[-1]
    assert b'"x":{"n":1.0e5,"deep":[ 1 ]}' in sent
    assert msgspec.json.decode(sent)["model"] == "scripted"
    assert msgspec.json.decode(sent)["stream_options"] == {"include_usage": True}


async def test_closing_a_forwarded_answer_stops_the_model(build: Build, upstream: ScriptedUpstream) -> None:
    model = build({"one": (upstream.url, {"scripted-endless": Described()})})
    members = {"messages": msgspec.Raw(b'[{"role":"user","content":"hello"}]'), "stream": msgspec.Raw(b"true")}
    answer = await model.forward("scripted-endless", RawRequest(members, stream=True))
    answer.close()
    await eventually(lambda: not upstream.open)

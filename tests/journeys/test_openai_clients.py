"""Programs made for OpenAI, unmodified, against a server as it is started: the model is none that speaks HTTP."""

import json
from pathlib import Path

import openai
import pytest
from openai.types.chat import ChatCompletionChunk

from testbed.chatkeep_server import ServerProcess
from testbed.node import Node
from testbed.people import Person

SCRIPT = Path(__file__).parent / "openai_clients.mjs"
COUNTED = "1 2 3 4 5 "


def key_of(person: Person) -> str:
    created = person.http.post("/auth/api-keys", json={"name": "program", "scopes": ["completions"]})
    return str(created.json()["key"])


@pytest.mark.slow
def test_the_clients_for_javascript_and_the_ai_sdk(server: ServerProcess, alice: Person, node: Node) -> None:
    read = json.loads(node.run(SCRIPT, f"{server.url}/v1", key_of(alice)))
    assert "scripted" in read["models"]
    assert read["whole"] == read["text"] == read["sdkText"] == read["sdkWhole"] == COUNTED
    assert read["usage"] == read["sdkUsage"] == 5
    assert read["refusal"] == ["NotFoundError", 404, "model_not_found"]


def test_the_client_for_python(server: ServerProcess, alice: Person) -> None:
    with openai.OpenAI(base_url=f"{server.url}/v1", api_key=key_of(alice), max_retries=0) as client:
        whole = client.chat.completions.create(model="scripted", messages=[{"role": "user", "content": "count to 5"}])
        stream = client.chat.completions.create(
            model="scripted",
            messages=[
                {"role": "developer", "content": "Be brief."},
                {"role": "user", "content": [{"type": "text", "text": "count to 5 [[fault reasoning]]"}]},
            ],
            stream=True,
            stream_options={"include_usage": True},
        )
        chunks = list(stream)
        assert whole.choices[0].message.content == COUNTED
        assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices) == COUNTED
        assert chunks[1].choices[0].delta.model_extra == {"reasoning_content": "Hm."}
        assert chunks[-2].choices[0].finish_reason == "stop"
        assert chunks[-1].usage is not None
        for chunk in chunks:
            ChatCompletionChunk.model_validate(chunk.model_dump(exclude_unset=True), strict=True)


@pytest.mark.parametrize(
    ("wish", "param"),
    [
        ({"n": 2}, "n"),
        ({"tools": [{"type": "function", "function": {"name": "look"}}]}, "tools"),
        ({"response_format": {"type": "json_object"}}, "response_format"),
        ({"logprobs": True}, "logprobs"),
    ],
)
def test_what_this_model_cannot_do_is_said(
    server: ServerProcess, alice: Person, wish: dict[str, object], param: str
) -> None:
    client = openai.OpenAI(base_url=f"{server.url}/v1", api_key=key_of(alice), max_retries=0)
    with client, pytest.raises(openai.BadRequestError) as refusal:
        client.chat.completions.create(
            model="scripted", messages=[{"role": "user", "content": "hello"}], extra_body=wish
        )
    assert refusal.value.param == param


@pytest.mark.parametrize(("fault", "kind"), [
    ("429", openai.RateLimitError), ("503", openai.InternalServerError), ("context", openai.BadRequestError),
    ("silent", openai.InternalServerError), ("401", openai.InternalServerError),
])  # fmt: skip
def test_a_model_that_fails_raises_what_openai_would(
    server: ServerProcess, alice: Person, fault: str, kind: type[openai.APIStatusError]
) -> None:
    with openai.OpenAI(base_url=f"{server.url}/v1", api_key=key_of(alice), max_retries=0) as client:
        for stream in (False, True):
            with pytest.raises(kind):
                client.chat.completions.create(
                    model="scripted",
                    messages=[{"role": "user", "content": f"[[fault {fault}]]"}],
                    stream=stream,
                )


def test_what_was_asked_here_is_in_the_usage_of_its_owner(server: ServerProcess, alice: Person) -> None:
    with openai.OpenAI(base_url=f"{server.url}/v1", api_key=key_of(alice), max_retries=0) as client:
        client.chat.completions.create(model="scripted", messages=[{"role": "user", "content": "count to 5"}])
    (day,) = alice.http.get("/usage/days").json()["items"]
    assert (day["model"], day["requests"], day["completion_tokens"]) == ("scripted", 1, 5)

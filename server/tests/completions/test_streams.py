"""How a stream through the door ends: whole, or by whatever befell the endpoint, the client, the key or the server."""

import json
from typing import Any

import httpx
import openai
import pytest

from chatkeep.llm.testing import eventually
from server.tests.completions.conftest import KEY, Door

pytestmark = pytest.mark.asyncio(loop_scope="module")


def body(said: str, model: str = "two/scripted", **more: Any) -> dict[str, Any]:
    return {"model": model, "messages": [{"role": "user", "content": said}], "stream": True, **more}


async def frames_of(door: Door, sent: dict[str, Any], key: str | None = None) -> list[Any]:
    headers = {"Authorization": f"Bearer {key or door.key}"}
    async with httpx.AsyncClient(base_url=door.url, headers=headers) as http:
        response = await http.post("/v1/chat/completions", json=sent)
    assert response.status_code == 200, response.text
    assert response.headers["content-type"].startswith("text/event-stream")
    assert KEY not in response.text
    data = [line.removeprefix("data: ") for line in response.text.splitlines() if line.startswith("data: ")]
    return [line if line == "[DONE]" else json.loads(line) for line in data]


def text_of(frames: list[Any]) -> str:
    choices = [frame["choices"][0] for frame in frames if isinstance(frame, dict) and frame.get("choices")]
    return "".join(choice["delta"].get("content") or "" for choice in choices)


@pytest.mark.parametrize(
    "fault", ["", "crlf", "drip", "no-done", "no-end", "after-done", "bad-utf8", "nul", "bad-surrogate"]
)
async def test_what_a_client_survives_is_passed_on_whole(door: Door, fault: str) -> None:
    frames = await frames_of(door, body(f"[[say well done]][[fault {fault}]]", model="one/scripted"))
    assert text_of(frames).endswith("well done")
    assert frames[-1] == "[DONE]"


@pytest.mark.parametrize(("fault", "code"), [
    ("break", "model_stream_broken"), ("unfinished", "model_stream_broken"), ("second-response", "model_stream_broken"),
    ("error", "model_unavailable"), ("garbage", "model_garbage"), ("huge-frame", "model_garbage"),
])  # fmt: skip
async def test_what_breaks_in_the_middle_ends_in_an_error_the_client_raises(door: Door, fault: str, code: str) -> None:
    frames = await frames_of(door, body(f"count to 9 [[delay 1ms]][[fault {fault}]]"))
    assert text_of(frames).startswith("1 2 3 ")
    assert frames[-1]["error"]["code"] == code
    assert "10.9.8.7" not in str(frames)
    async with door.client() as client:
        stream = await client.chat.completions.create(**body(f"count to 9 [[delay 1ms]][[fault {fault}]]"))
        with pytest.raises(openai.APIError):
            [chunk async for chunk in stream]


async def test_an_endpoint_that_stalls_is_not_waited_for(door: Door) -> None:
    frames = await frames_of(door, body("count to 9 [[fault stall]]", model="one/scripted"))
    assert frames[-1]["error"]["code"] == "model_timeout"


async def test_tool_calls_and_thoughts_pass_untouched(door: Door) -> None:
    frames = await frames_of(door, body("[[fault tools]]hello"))
    call = {"index": 0, "id": "call_1", "type": "function", "function": {"name": "look", "arguments": "{}"}}
    assert frames[1]["choices"][0]["delta"] == {"tool_calls": [call]}
    assert frames[1]["id"] == "chatcmpl-scripted"
    thinking = await frames_of(door, body("[[fault reasoning]]hello"))
    assert thinking[1]["choices"][0]["delta"] == {"reasoning_content": "Hm.", "reasoning": "Hm."}
    async with door.client() as client:
        whole = await client.chat.completions.create(**body("[[fault tools]]hello", stream=False))
    assert whole.choices[0].message.tool_calls[0].function.name == "look"
    assert whole.model_extra == {"x_provider": {"unknown": [1.0, None]}}


async def test_members_that_nobody_here_knows_reach_the_endpoint_as_they_were_written(door: Door) -> None:
    wishes: dict[str, Any] = {
        "response_format": {"type": "json_object"},
        "logprobs": True,
        "x_seed": 1.5,
        "tools": [{"a": []}],
    }
    sent = json.dumps(body("hello", **wishes)).replace("1.5,", "1.50e0,")
    async with httpx.AsyncClient(base_url=door.url, headers={"Authorization": f"Bearer {door.key}"}) as http:
        assert (await http.post("/v1/chat/completions", content=sent)).status_code == 200
    got = door.two.requests[-1]
    assert b'"x_seed":1.50e0' in got
    before, after = json.loads(sent), json.loads(got)
    assert after == {**before, "model": "scripted", "stream_options": {"include_usage": True}}


async def test_members_of_stream_options_are_kept_beside_our_wish(door: Door) -> None:
    await frames_of(door, body("hello", stream_options={"include_usage": False, "include_obfuscation": True}))
    assert json.loads(door.two.requests[-1])["stream_options"] == {"include_usage": True, "include_obfuscation": True}


async def test_a_client_that_goes_stops_the_model(door: Door) -> None:
    headers = {"Authorization": f"Bearer {door.key}"}
    async with (
        httpx.AsyncClient(base_url=door.url, headers=headers) as http,
        http.stream("POST", "/v1/chat/completions", json=body("hello [[fault endless]]")) as response,
    ):
        await anext(response.aiter_bytes())
        assert door.two.open
    await eventually(lambda: not door.two.open)


async def test_a_client_that_goes_before_a_whole_answer_stops_the_model(door: Door) -> None:
    headers = {"Authorization": f"Bearer {door.key}"}
    async with httpx.AsyncClient(base_url=door.url, headers=headers) as http:
        sent = body("hello", model="two/scripted-silent", stream=False)
        with pytest.raises(httpx.ReadTimeout):
            await http.post("/v1/chat/completions", json=sent, timeout=0.2)
    await eventually(lambda: not door.two.open)


async def test_a_revoked_key_ends_its_streams(door: Door) -> None:
    async with httpx.AsyncClient(base_url=door.url, headers={"Authorization": f"Bearer {door.token}"}) as owner:
        made = (await owner.post("/auth/api-keys", json={"name": "short", "scopes": ["completions"]})).json()
        async with door.client(made["key"]) as client:
            stream = await client.chat.completions.create(**body("count to 100000 [[delay 5ms]]"))
            chunks = aiter(stream)
            await anext(chunks)
            assert (await owner.delete(f"/auth/api-keys/{made['id']}")).status_code == 204
            with pytest.raises(openai.APIError) as ending:
                [chunk async for chunk in chunks]
    assert ending.value.code == "invalid_api_key"
    await eventually(lambda: not door.two.open)

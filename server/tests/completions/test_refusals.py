"""Every refusal has OpenAI's shape and status, and the official client raises what it raises for OpenAI itself."""

import asyncio
from typing import Any

import httpx
import openai
import pytest
from openai.types.shared import ErrorObject

from authkeep import Role
from authkeep.testing import signed_in
from server.tests.completions.conftest import KEY, Door

pytestmark = pytest.mark.asyncio(loop_scope="module")

HELLO = [{"role": "user", "content": "hello"}]


async def call(door: Door, method: str, path: str, key: str | None = None, **sent: Any) -> httpx.Response:
    headers = {"Authorization": f"Bearer {key or door.key}", **sent.pop("headers", {})}
    async with httpx.AsyncClient(base_url=door.url) as http:
        return await http.request(method, path, headers=headers, **sent)


def error_in(response: httpx.Response) -> ErrorObject:
    """The one in the body, which has nothing else."""
    assert response.headers["content-type"] == "application/json"
    body = response.json()
    assert list(body) == ["error"]
    assert list(body["error"]) == ["message", "type", "param", "code"]
    assert KEY not in response.text
    assert "127.0.0.1" not in response.text
    return ErrorObject.model_validate(body["error"], strict=True)


async def ask(door: Door, body: Any, key: str | None = None) -> httpx.Response:
    return await call(door, "POST", "/v1/chat/completions", key, json=body)


async def test_without_a_key_it_is_401(door: Door) -> None:
    async with httpx.AsyncClient(base_url=door.url) as http:
        for response in (await http.get("/v1/models"), await http.post("/v1/chat/completions", content=b"rubbish")):
            assert response.status_code == 401
            assert response.headers["www-authenticate"].startswith("Bearer")
            assert error_in(response).code == "invalid_api_key"
    async with door.client("ck_nobodys") as client:
        with pytest.raises(openai.AuthenticationError):
            await client.models.list()


async def test_a_key_for_chats_opens_nothing_here_and_the_reverse(door: Door) -> None:
    made = await call(door, "POST", "/auth/api-keys", door.token, json={"name": "chats", "scopes": ["chat"]})
    for_chats = made.json()["key"]
    refused = await ask(door, {"model": "scripted", "messages": HELLO}, for_chats)
    assert (refused.status_code, error_in(refused).code) == (403, "insufficient_scope")
    assert (await call(door, "GET", "/chat/sessions")).json()["code"] == "insufficient_scope"
    async with door.client(for_chats) as client:
        with pytest.raises(openai.PermissionDeniedError):
            await client.models.list()


async def test_whoever_is_signed_in_may_call_without_a_key(door: Door) -> None:
    assert (await ask(door, {"model": "scripted", "messages": HELLO}, door.token)).status_code == 200


@pytest.mark.parametrize(
    ("body", "param"),
    [
        (b"", None),
        (b"{", None),
        (b"[]", None),
        (b'"x"', None),
        (b"\xff\xfe", None),
        (b'{"model": NaN}', None),
        (b"[" * 50_000, None),
        (b'{"model":' + b"[" * 50_000, None),
        (b"{}", "model"),
        (b'{"model": 7, "messages": [{"role": "user"}]}', "model"),
        (b'{"model": "", "messages": [{"role": "user"}]}', "model"),
        (b'{"model": "a\\u0000b", "messages": [{"role": "user"}]}', "model"),
        (b'{"model": "scripted"}', "messages"),
        (b'{"model": "scripted", "messages": []}', "messages"),
        (b'{"model": "scripted", "messages": "hello"}', "messages"),
        (b'{"model": "scripted", "messages": [7]}', "messages"),
        (b'{"model": "scripted", "messages": [{"role": 7}]}', "messages"),
        (b'{"model": "scripted", "messages": [{"role": "user"}], "stream": "yes"}', "stream"),
        (b'{"model": "scripted", "messages": [{"role": "user"}], "stream_options": {}}', "stream_options"),
        (
            b'{"model": "scripted", "messages": [{"role": "user"}], "stream": true, "stream_options": 7}',
            "stream_options",
        ),
        (b'{"model": "scripted", "messages": [{"role": "user"}], "n": 0}', "n"),
        (b'{"model": "scripted", "messages": [{"role": "user"}], "n": 1e99}', "n"),
        (b'{"model": "scripted", "messages": [{"role": "user"}], "max_tokens": -1}', "max_tokens"),
        (b"{%s}" % b",".join(b'"x%d": 1' % number for number in range(1000)), None),
    ],
)
async def test_what_is_no_request_is_400_and_names_what_is_wrong(door: Door, body: bytes, param: str | None) -> None:
    response = await call(door, "POST", "/v1/chat/completions", content=body)
    error = error_in(response)
    assert (response.status_code, error.type, error.param) == (400, "invalid_request_error", param)


async def test_too_large_is_413_and_pictures_are_not_too_large(door: Door) -> None:
    picture = {"type": "image_url", "image_url": {"url": "data:image/png;base64," + "A" * 3_000_000}}
    body = {"model": "two/scripted", "messages": [{"role": "user", "content": [picture]}]}
    assert (await ask(door, body)).status_code == 200
    assert b"A" * 3_000_000 in door.two.requests[-1]
    reader, writer = await asyncio.open_connection(*door.url.removeprefix("http://").split(":"))
    head = "POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Length: 30000000\r\n\r\n"
    writer.write(head.encode())
    # As many a client does: all of it first, and only then a look at what there is to read.
    for _ in range(30):
        writer.write(b"x" * 1_000_000)
        await writer.drain()
    answer = await reader.read()
    writer.close()
    assert answer.startswith(b"HTTP/1.1 413 ")
    assert b'{"error":{"message":"A request may hold 20480 KiB at most.' in answer


async def test_a_model_that_is_not_on_offer_is_404(door: Door) -> None:
    async with door.client() as client:
        with pytest.raises(openai.NotFoundError) as refusal:
            await client.chat.completions.create(model="gpt-none", messages=[{"role": "user", "content": "hello"}])
    assert (refusal.value.code, refusal.value.param) == ("model_not_found", "model")


@pytest.mark.parametrize(("method", "path", "status"), [
    ("GET", "/v1", 404), ("GET", "/v1/", 404), ("GET", "/v1/nothing", 404), ("POST", "/v1/embeddings", 404),
    ("GET", "/v1/chat/completions", 405), ("DELETE", "/v1/models", 405), ("GET", "/v1/models/no/such", 404),
])  # fmt: skip
async def test_what_is_not_there_is_told_in_the_same_shape(door: Door, method: str, path: str, status: int) -> None:
    response = await call(door, method, path)
    assert response.status_code == status
    error_in(response)


@pytest.mark.parametrize(("fault", "status", "code"), [
    ("400", 400, "model_refused"), ("422", 400, "model_refused"), ("413", 413, "model_refused"),
    ("context", 400, "context_length_exceeded"), ("404", 404, "model_not_found"),
    ("401", 502, "model_refused"), ("402", 502, "model_refused"), ("403", 502, "model_refused"),
    ("no-credit", 502, "model_refused"), ("redirect", 502, "model_refused"),
    ("not-http", 502, "model_garbage"), ("html", 502, "model_garbage"), ("encoded", 502, "model_garbage"),
])  # fmt: skip
@pytest.mark.parametrize("stream", [False, True])
async def test_what_the_endpoint_refuses_is_told_in_our_words(
    door: Door, fault: str, status: int, code: str, stream: bool
) -> None:
    response = await ask(door, {"model": f"two/scripted-{fault}", "messages": HELLO, "stream": stream})
    error = error_in(response)
    assert (response.status_code, error.code) == (status, code)
    assert "scripted" not in error.message


async def test_limits_are_the_same_as_for_chats(door: Door) -> None:
    response = await ask(door, {"model": "scripted", "messages": HELLO})
    assert '"send"' in response.headers["ratelimit-policy"]


async def test_a_disabled_users_key_is_refused(door: Door) -> None:
    carol = await signed_in(door.auth, "carol@example.com")
    made = await call(door, "POST", "/auth/api-keys", carol.access_token, json={"name": "x", "scopes": ["completions"]})
    key = made.json()["key"]
    assert (await call(door, "GET", "/v1/models", key)).status_code == 200
    admin = await signed_in(door.auth, "admin@example.com", role=Role.ADMIN)
    disabled = await call(door, "PATCH", f"/admin/users/{carol.user.id}", admin.access_token, json={"disabled": True})
    assert disabled.status_code == 200, disabled.text
    refused = await call(door, "GET", "/v1/models", key)
    assert (refused.status_code, error_in(refused).code) == (401, "invalid_api_key")

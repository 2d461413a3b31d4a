"""Bad input: a clear problem, nothing lost, and a server that lives."""

import base64
import json
from collections.abc import Iterator
from typing import Any

import pytest

from testbed.chatkeep_server import running_server
from testbed.people import Person

SEND = "/chat/send"
UNKNOWN = "0198c0de-0000-7000-8000-000000000000"


def problem(response: Any, status: int, code: str) -> dict[str, Any]:
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    body: dict[str, Any] = response.json()
    assert {"type", "title", "status", "detail", "code", "request_id"} <= body.keys()
    assert (body["status"], body["code"]) == (status, code)
    assert body["request_id"] == response.headers["x-request-id"]
    return body


@pytest.mark.parametrize(
    ("body", "chat", "auth"),
    [
        (b"", (422, "validation_failed"), (422, "invalid_request")),
        (b"{", (400, "malformed_json"), (422, "invalid_request")),
        (b"\xff\xfe", (400, "malformed_json"), (422, "invalid_request")),
        (b"[" * 60_000, (400, "bad_request"), (413, "request_too_large")),
        (b'{"message": }', (400, "malformed_json"), (422, "invalid_request")),
        (b'{"n": ' + b"9" * 10_000 + b"}", (400, "bad_request"), (400, "bad_request")),
    ],
)
def test_malformed_json_is_refused_on_every_route(
    alice: Person, body: bytes, chat: tuple[int, str], auth: tuple[int, str]
) -> None:
    for path in (SEND, "/chat/sessions"):
        problem(alice.http.post(path, content=body, headers={"Content-Type": "application/json"}), *chat)
    for path in ("/auth/login", "/auth/register", "/auth/refresh"):
        problem(alice.http.post(path, content=body, headers={"Content-Type": "application/json"}), *auth)


@pytest.mark.parametrize(
    "body",
    [
        {},
        [],
        "text",
        None,
        {"session_id": 7, "message": "x"},
        {"session_id": "0198c0de-0000-7000-8000-000000000000", "message": ["x"]},
        {"session_id": "0198c0de-0000-7000-8000-000000000000", "message": ""},
        {"session_id": "0198c0de-0000-7000-8000-000000000000", "message": " \n "},
        {"session_id": "0198c0de-0000-7000-8000-000000000000", "message": "a\0b"},
        {"session_id": "0198c0de-0000-7000-8000-000000000000", "message": "x", "user_id": "someone"},
        {"session_id": "0198c0de-0000-7000-8000-000000000000", "message": "x", "model": ""},
    ],
)
def test_wrong_types_are_named(alice: Person, body: Any) -> None:
    response = alice.http.post(SEND, json=body)
    assert problem(response, 422, "validation_failed")["errors"]


def test_a_lone_surrogate_is_refused_and_not_choked_on(alice: Person) -> None:
    chat = alice.new_chat().encode()
    for body in (
        b'{"message": "\\ud800", ',
        b'{"message": "x", "\\ud800": 1, ',
        b'{"message": "x", "model": "\\udfff", ',
    ):
        content = body + b'"session_id": "' + chat + b'"}'
        response = alice.http.post(SEND, content=content, headers={"Content-Type": "application/json"})
        problem(response, 422, "validation_failed")


def test_a_10_mb_message_is_refused(alice: Person) -> None:
    chat = alice.new_chat()
    response = alice.http.post(SEND, json={"session_id": chat, "message": "x" * 10_000_000})
    assert "Shorten it" in problem(response, 413, "body_too_large")["detail"]
    assert alice.messages(chat) == []


def test_an_endless_chunked_body_is_cut_off(alice: Person) -> None:
    chunks = (b" " * 65536 for _ in range(100))
    response = alice.http.post(SEND, content=chunks, headers={"Content-Type": "application/json"})
    problem(response, 413, "body_too_large")


def test_only_messages_may_be_long(alice: Person) -> None:
    for path in ("/chat/sessions", "/auth/login", "/auth/register", "/auth/refresh"):
        response = alice.http.post(path, json={"title": "x" * 64 * 1024})
        assert "64 KiB" in problem(response, 413, "body_too_large")["detail"]


@pytest.mark.parametrize(
    "names",
    [[f"field {n}" for n in range(4000)], [f"{n}{'x' * 2000}" for n in range(25)], ["x" * 60_000], ["\u2603" * 9_000]],
)
def test_a_refusal_is_no_larger_than_the_request(alice: Person, names: list[str]) -> None:
    body = dict.fromkeys(names, 0)
    response = alice.http.post("/chat/sessions", json=body)
    refused = problem(response, 422, "validation_failed")
    assert len(refused["errors"]) == min(20, refused["error_count"])
    assert len(response.content) < 8_000


def test_a_message_just_over_the_limit_is_refused_in_words(alice: Person) -> None:
    response = alice.http.post(SEND, json={"session_id": alice.new_chat(), "message": "x" * 200_001})
    assert "200000" in problem(response, 422, "validation_failed")["detail"]


def test_the_longest_message_is_taken_whole(alice: Person) -> None:
    chat = alice.new_chat()
    text = "\N{SNOWMAN}" * 200_000
    alice.send(chat, text)
    assert alice.messages(chat)[0]["content"] == text


@pytest.mark.parametrize("id_", ["nope", "0", "%00", "..%2f..", "0198c0de-0000-7000-8000-000000000000"])
def test_an_id_that_cannot_exist_does_not_exist(alice: Person, id_: str) -> None:
    problem(alice.http.get(f"/chat/sessions/{id_}"), 404, "not_found")


@pytest.fixture(scope="module", params=["API alone", "API and page"])
def routed(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Person]:
    """Signed in to a server where the page is what paths fall through to, and to one without it."""
    environ = {"CHATKEEP_LLM_BASE_URL": "scripted:", "CHATKEEP_PAGE": str(request.param == "API and page").lower()}
    with running_server(tmp_path_factory.mktemp("routed") / "data", environ) as server:
        yield Person(server.url, "alice").register()


@pytest.mark.parametrize(
    "path",
    [
        *("/nothing", "/chat", "/chat/", "/chat/nothing", "/chat/generations", "/chat/sessions/", "/chat//sessions"),
        *("/auth/nothing", "/auth/login/", "/livez/", "/openapi.json/", "/.well-known/nothing", "//chat/sessions"),
    ],
)
def test_an_unknown_path_is_a_problem_too(routed: Person, path: str) -> None:
    response = routed.http.get(str(routed.http.base_url).rstrip("/") + path)
    assert problem(response, 404, "not_found")["title"] == "Not Found"


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("PUT", "/chat/sessions", {"GET", "POST"}),
        ("DELETE", "/chat/send", {"POST"}),
        ("GET", "/auth/login", {"POST"}),
        ("POST", "/livez", {"GET"}),
        ("PUT", f"/chat/sessions/{UNKNOWN}", {"GET", "PATCH", "DELETE"}),
    ],
)
def test_a_wrong_method_is_told_which_are_right(routed: Person, method: str, path: str, allowed: set[str]) -> None:
    response = routed.http.request(method, path)
    problem(response, 405, "method_not_allowed")
    assert set(response.headers["allow"].split(", ")) <= allowed


@pytest.mark.parametrize("params", [{"limit": 0}, {"limit": 201}, {"limit": "x"}, {"q": "x" * 201}, {"q": "a\0"}])
def test_wrong_parameters_are_named(alice: Person, params: dict[str, Any]) -> None:
    problem(alice.http.get("/chat/sessions", params=params), 422, "validation_failed")
    problem(alice.http.get("/chat/search", params={"q": "x"} | params), 422, "validation_failed")


@pytest.mark.parametrize(
    "written", ["xyz", "", "2026-01-01T00:00:00", "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00"]
)
def test_a_foreign_cursor_is_refused(alice: Person, written: str) -> None:
    cursor = base64.urlsafe_b64encode(f"{written}|{UNKNOWN}".encode()).decode()
    problem(alice.http.get("/chat/sessions", params={"cursor": cursor}), 422, "cursor_invalid")
    problem(alice.http.get("/chat/sessions", params={"cursor": "xyz"}), 422, "cursor_invalid")


def test_an_unknown_model_is_refused_before_anything_is_written(alice: Person) -> None:
    chat = alice.new_chat()
    response = alice.http.post(SEND, json={"session_id": chat, "message": "x", "model": "gpt-17"})
    assert "scripted" in problem(response, 422, "unknown_model")["detail"]
    assert alice.messages(chat) == []
    problem(alice.http.post("/chat/sessions", json={"model": "gpt-17"}), 422, "unknown_model")


@pytest.mark.parametrize("value", ["a" * 129, "x y", "é", ""])
def test_a_strange_request_id_is_replaced(alice: Person, value: str) -> None:
    response = alice.http.get("/livez", headers={b"X-Request-ID": value.encode()})
    assert response.headers["x-request-id"] != value
    assert len(response.headers["x-request-id"]) == 36


def test_a_given_request_id_comes_back(alice: Person) -> None:
    assert alice.http.get("/livez", headers={"X-Request-ID": "abc-1"}).headers["x-request-id"] == "abc-1"


@pytest.mark.parametrize("fault", ["401", "404", "429", "500", "close", "silent", "break", "garbage", "endless"])
def test_a_failing_model_ends_in_generation_failed(alice: Person, fault: str) -> None:
    chat = alice.new_chat()
    events = alice.send(chat, f"[[fault {fault}]] count to 10")
    assert events[-1]["type"] == "generation.failed"
    assert {"code", "message", "retryable"} <= events[-1].keys()
    question, answer = alice.messages(chat)
    assert question["content"].endswith("count to 10")
    assert answer["status"] == "failed"
    assert answer["error"]["code"] == events[-1]["code"]
    assert answer["content"] == "".join(event.get("text", "") for event in events)
    assert alice.send(chat, "and now?")[-1]["type"] == "generation.completed"


@pytest.mark.parametrize("text", ["\n\ndata: [DONE]\n\n", "\r\r", "</script>", "event: generation.completed\ndata: {}"])
def test_content_forges_no_frame(alice: Person, text: str) -> None:
    chat = alice.new_chat()
    events = alice.send(chat, f"[[say {text}x]]")
    assert [event["seq"] for event in events] == list(range(1, len(events) + 1))
    assert json.dumps(alice.messages(chat)[1]["content"]) == json.dumps("".join(e.get("text", "") for e in events))

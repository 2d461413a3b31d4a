"""A real server process against a scripted OpenAI-compatible endpoint over a socket: well, slow, broken, down."""

import socket
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from testbed.chatkeep_server import ServerProcess, running_server
from testbed.people import Person
from testbed.upstream import running_upstream

KEY = "sk-the-upstreams-own-key"


def environ(base_url: str) -> dict[str, str]:
    return {
        "CHATKEEP_LLM_BASE_URL": base_url,
        "CHATKEEP_LLM_API_KEY": KEY,
        "CHATKEEP_PAGE": "false",
        "CHATKEEP_LIMIT_REGISTER": "1000/minute",
        "CHATKEEP_LIMIT_LOGIN": "1000/minute",
    }


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    data = tmp_path_factory.mktemp("server") / "data"
    with running_upstream("--key", KEY) as base_url, running_server(data, environ(base_url)) as process:
        yield process


@pytest.fixture
def alice(server: ServerProcess) -> Person:
    return Person(server.url, "alice").register()


def test_the_endpoint_is_asked_for_its_models(alice: Person) -> None:
    models = alice.http.get("/chat/models").json()
    assert [model["id"] for model in models["items"]] == ["scripted", "scripted-slow", "quotes"]
    assert [model["default"] for model in models["items"]] == [True, False, False]
    assert models["error"] is None
    assert alice.http.get("/readyz").json()["status"] == "ok"


def test_an_answer_comes_through_whole(alice: Person) -> None:
    chat = alice.new_chat()
    events = alice.send(chat, "count to 500")
    text = "".join(event.get("text", "") for event in events)
    assert text.split() == [str(n) for n in range(1, 501)]
    assert alice.messages(chat)[1]["content"] == text
    assert alice.messages(chat)[1]["model"] == "scripted"


def test_nobody_need_stay_for_an_answer_without_end() -> None:
    """The scripted endpoint goes on serving: a write to somebody who left neither waits nor fails."""
    question = b'{"model":"scripted","stream":true,"messages":[{"role":"user","content":"[[fault endless-line]]"}]}'
    head = b"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n" % len(question)
    with running_upstream() as base_url:
        for leaves_after in range(0, 1_000_000, 25_000):
            with socket.create_connection(("127.0.0.1", urlsplit(base_url).port or 0), timeout=30) as reader:
                reader.sendall(head + question)
                read = 0
                while read <= leaves_after:
                    read += len(reader.recv(65536))


def test_the_chosen_model_answers(alice: Person) -> None:
    chat = alice.new_chat(model="scripted-slow")
    assert alice.send(chat, "[[say hi]]")[0]["model"] == "scripted-slow"
    assert alice.messages(chat)[1]["model"] == "scripted-slow"


@pytest.mark.parametrize(
    ("fault", "code"),
    [
        ("400", "model_refused"),
        ("429", "model_rate_limited"),
        ("500", "model_unavailable"),
        ("html", "model_garbage"),
        ("close", "model_unavailable"),
        ("not-http", "model_garbage"),
        ("break", "model_stream_broken"),
        ("unfinished", "model_stream_broken"),
        ("garbage", "model_garbage"),
        ("huge-frame", "model_garbage"),
        ("endless-line", "model_garbage"),
        ("error", "model_unavailable"),
    ],
)
def test_a_broken_endpoint_ends_in_generation_failed(alice: Person, fault: str, code: str) -> None:
    chat = alice.new_chat()
    events = alice.send(chat, f"[[fault {fault}]] count to 10")
    assert (events[-1]["type"], events[-1]["code"]) == ("generation.failed", code)
    assert KEY not in str(events)
    assert "127.0.0.1" not in str(events)
    question, answer = alice.messages(chat)
    assert question["content"].endswith("count to 10")
    assert (answer["status"], answer["error"]["code"]) == ("failed", code)
    assert alice.send(chat, "hello")[-1]["type"] == "generation.completed"


@pytest.mark.parametrize("fault", ["drip", "crlf", "bad-utf8", "nul", "bad-surrogate", "tools", "negative-usage"])
def test_an_odd_endpoint_is_survived(alice: Person, fault: str) -> None:
    chat = alice.new_chat()
    events = alice.send(chat, f"[[fault {fault}]] count to 3")
    assert events[-1]["type"] == "generation.completed"
    assert alice.messages(chat)[1]["content"] == "".join(event.get("text", "") for event in events)


def test_an_endpoint_that_is_down_loses_no_message(tmp_path: Path) -> None:
    with running_server(tmp_path / "data", environ("http://127.0.0.1:1/v1")) as server:
        alice = Person(server.url, "alice").register()
        chat = alice.new_chat()
        events = alice.send(chat, "is anybody there?")
        assert (events[-1]["type"], events[-1]["code"]) == ("generation.failed", "model_unavailable")
        assert [message["status"] for message in alice.messages(chat)] == ["completed", "failed"]
        models = alice.http.get("/chat/models").json()
        assert [model["id"] for model in models["items"]] == ["quotes"]
        assert models["error"]["code"] == "model_unavailable"
        assert alice.http.get("/readyz").json()["checks"]["model"] == "model_unavailable"
        assert alice.http.get("/livez").status_code == 200


def test_a_wrong_key_is_told_without_the_key(tmp_path: Path) -> None:
    with (
        running_upstream("--key", "another") as base_url,
        running_server(tmp_path / "data", environ(base_url) | {"CHATKEEP_LLM_MODELS": "scripted"}) as server,
    ):
        alice = Person(server.url, "alice").register()
        failed = alice.send(alice.new_chat(), "hello")[-1]
        assert failed["code"] == "model_refused"
        assert "key" in failed["message"]
        assert KEY not in str(failed) + server.read_all()

"""The main journey over HTTP, against a real server process: write, watch, leave, come back, stop, search, delete."""

import threading
import time

import httpx
import pytest

from testbed.people import Person


def text_of(events: list[dict]) -> str:
    return "".join(event.get("text", "") for event in events)


def test_a_message_is_answered_in_a_stream(alice: Person) -> None:
    chat = alice.new_chat()
    events = alice.send(chat, "count to 20")
    assert [event["seq"] for event in events] == list(range(1, len(events) + 1))
    types = [event["type"] for event in events]
    assert types[0] == "generation.created"
    assert set(types[1:-2]) == {"message.delta"}
    assert types[-2:] == ["usage", "generation.completed"]
    assert len({event["generation_id"] for event in events}) == 1
    question, answer = alice.messages(chat)
    assert (question["role"], question["content"], question["status"]) == ("user", "count to 20", "completed")
    assert (answer["role"], answer["status"], answer["parent_id"]) == ("assistant", "completed", question["id"])
    assert answer["content"] == text_of(events)
    assert answer["usage"]["completion_tokens"] > 0
    assert answer["generation_id"] is None


def test_the_stream_says_which_model_answers(alice: Person) -> None:
    assert alice.send(alice.new_chat(), "hello")[0]["model"] == "scripted"


@pytest.mark.parametrize(
    "prefer",
    [
        [("Prefer", "respond-async")],
        [("Prefer", "wait=5, Respond-Async;x=1")],
        [("Prefer", "a"), ("Prefer", "respond-async")],
    ],
)
def test_a_client_that_prefers_no_stream_gets_none(alice: Person, prefer: list[tuple[str, str]]) -> None:
    body = {"session_id": alice.new_chat(), "message": "hello"}
    response = alice.http.post("/chat/send", json=body, headers=httpx.Headers(prefer))
    assert response.status_code == 202
    assert response.headers["preference-applied"] == "respond-async"
    assert alice.follow(response.json()["generation_id"], after=0)[-1]["type"] == "generation.completed"


@pytest.mark.parametrize("given", ["9" * 5000, "-1", "1.5", "٣", "x", ""])
def test_a_strange_last_event_id_reads_from_the_start(alice: Person, given: str) -> None:
    events = alice.send(alice.new_chat(), "hello")
    url = f"/chat/generations/{events[0]['generation_id']}/events"
    response = alice.http.get(url, headers={b"Last-Event-ID": given.encode()})
    assert response.text.startswith("id: 1\n")


def test_a_choice_can_be_taken_back(alice: Person) -> None:
    chat = alice.new_chat(title="Mine", model="scripted")
    assert alice.http.patch(f"/chat/sessions/{chat}", json={}).json()["title"] == "Mine"
    reset = alice.http.patch(f"/chat/sessions/{chat}", json={"title": None, "model": None}).json()
    assert (reset["title"], reset["model"]) == ("New chat", None)


def test_the_stream_has_the_headers_a_proxy_must_see(alice: Person) -> None:
    body = {"session_id": alice.new_chat(), "message": "hello"}
    response = alice.http.post("/chat/send", json=body, headers={"Accept-Encoding": "gzip"})
    assert response.headers["content-type"] == "text/event-stream; charset=utf-8"
    assert response.headers["cache-control"] == "no-cache, no-transform"
    assert response.headers["x-accel-buffering"] == "no"
    assert "content-encoding" not in response.headers
    assert "content-length" not in response.headers
    assert response.headers["x-request-id"]


def test_the_first_message_names_the_chat(alice: Person) -> None:
    chat = alice.new_chat()
    alice.send(chat, "How do tides work?")
    assert alice.http.get(f"/chat/sessions/{chat}").json()["title"] == "How do tides work?"


def test_an_answer_goes_on_when_nobody_watches(alice: Person) -> None:
    chat = alice.new_chat()
    with alice.sending(chat, "count to 30 [[delay 20ms]]") as events:
        generation = next(events).json()["generation_id"]
        seen = next(events).json()["seq"]
    rest = alice.follow(generation, after=seen)
    assert [event["seq"] for event in rest] == list(range(seen + 1, seen + 1 + len(rest)))
    assert rest[-1]["type"] == "generation.completed"
    assert alice.messages(chat)[1]["status"] == "completed"


def test_any_number_of_tabs_see_the_same(alice: Person) -> None:
    accepted = alice.start(alice.new_chat(), "count to 40 [[delay 10ms]]")
    results: list[list[dict]] = []
    tabs = [
        threading.Thread(target=lambda: results.append(alice.follow(accepted["generation_id"], after=0)))
        for _ in range(5)
    ]
    for tab in tabs:
        tab.start()
    for tab in tabs:
        tab.join()
    assert len(results) == 5
    assert all(result == results[0] for result in results)
    assert results[0][-1]["type"] == "generation.completed"


def test_what_was_read_to_the_end_is_204(alice: Person) -> None:
    events = alice.send(alice.new_chat(), "hello")
    url = f"/chat/generations/{events[0]['generation_id']}/events"
    assert alice.http.get(url, headers={"Last-Event-ID": str(events[-1]["seq"])}).status_code == 204
    assert alice.http.get(url, params={"after": events[-1]["seq"]}).status_code == 204
    assert alice.follow(events[0]["generation_id"], after=0) == events


def test_stop_keeps_what_was_seen(alice: Person) -> None:
    chat = alice.new_chat()
    with alice.sending(chat, "count to 1000 [[delay 10ms]]") as stream:
        events = [next(stream).json() for _ in range(5)]
        response = alice.http.post(f"/chat/generations/{events[0]['generation_id']}/stop")
        assert response.status_code == 202
        events += [event.json() for event in stream]
    assert events[-1]["type"] == "generation.stopped"
    answer = alice.messages(chat)[1]
    assert answer["status"] == "stopped"
    assert answer["content"] == text_of(events)


def test_the_running_answer_can_be_found_again(alice: Person) -> None:
    chat = alice.new_chat()
    accepted = alice.start(chat, "count to 1000 [[delay 10ms]]")
    answer = alice.messages(chat)[1]
    assert answer["status"] == "running"
    assert answer["generation_id"] == accepted["generation_id"]
    alice.http.post(f"/chat/generations/{accepted['generation_id']}/stop")


def test_one_answer_at_a_time_in_a_chat(alice: Person) -> None:
    chat = alice.new_chat()
    accepted = alice.start(chat, "count to 1000 [[delay 10ms]]")
    refused = alice.http.post("/chat/send", json={"session_id": chat, "message": "and?"})
    assert (refused.status_code, refused.json()["code"]) == (409, "generation_running")
    assert len(alice.messages(chat)) == 2
    alice.http.post(f"/chat/generations/{accepted['generation_id']}/stop")


def test_a_retry_with_the_same_key_sends_once(alice: Person) -> None:
    chat = alice.new_chat()
    key = {"Idempotency-Key": "one-and-the-same"}
    first = alice.send(chat, "hello", **key)
    assert alice.send(chat, "hello", **key) == first
    assert len(alice.messages(chat)) == 2
    other = alice.http.post("/chat/send", json={"session_id": chat, "message": "changed"}, headers=key)
    assert (other.status_code, other.json()["code"]) == (409, "idempotency_key_reused")


def test_a_retry_in_parallel_sends_once(alice: Person) -> None:
    chat = alice.new_chat()
    outcomes: list[str] = []

    def send() -> None:
        body = {"session_id": chat, "message": "count to 100 [[delay 5ms]]"}
        headers = {"Idempotency-Key": "parallel", "Prefer": "respond-async"}
        outcomes.append(alice.http.post("/chat/send", json=body, headers=headers).json()["generation_id"])

    threads = [threading.Thread(target=send) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(outcomes) == 8
    assert len(set(outcomes)) == 1
    assert len(alice.messages(chat)) == 2


def test_chats_are_listed_searched_renamed_and_deleted(alice: Person) -> None:
    first, second = alice.new_chat(title="Garden"), alice.new_chat(title="Kitchen")
    alice.send(first, "When do I plant tomatoes?")
    listed = alice.http.get("/chat/sessions").json()["items"]
    assert [chat["id"] for chat in listed] == [first, second]
    found = alice.http.get("/chat/sessions", params={"q": "TOMATO"}).json()["items"]
    assert [chat["id"] for chat in found] == [first]
    renamed = alice.http.patch(f"/chat/sessions/{second}", json={"title": "Cellar"})
    assert (renamed.status_code, renamed.json()["title"]) == (200, "Cellar")
    assert alice.http.delete(f"/chat/sessions/{first}").status_code == 204
    assert alice.http.get(f"/chat/sessions/{first}").status_code == 404
    assert [chat["id"] for chat in alice.http.get("/chat/sessions").json()["items"]] == [second]


def test_deleting_a_chat_ends_its_answer(alice: Person) -> None:
    chat = alice.new_chat()
    with alice.sending(chat, "count to 1000 [[delay 10ms]]") as stream:
        next(stream)
        assert alice.http.delete(f"/chat/sessions/{chat}").status_code == 204
        last = [event.json() for event in stream][-1]
    assert last["type"] == "generation.stopped"


def test_a_follow_up_sees_what_was_said(alice: Person) -> None:
    chat = alice.new_chat()
    first = alice.send(chat, "hello")
    second = alice.send(chat, "and again")
    question = alice.messages(chat)[2]
    assert question["parent_id"] == first[0]["message_id"]
    assert second[-2]["prompt_tokens"] > first[-2]["prompt_tokens"]


@pytest.mark.slow
def test_a_silent_model_is_heard_breathing(alice: Person) -> None:
    started = time.monotonic()
    with alice.sending(alice.new_chat(), "[[say x]] [[delay 40s]]") as stream:
        events = [next(stream).json(), next(stream).json()]
        assert time.monotonic() - started > 10
    assert events[1] == {"type": "heartbeat", "seq": 2, "generation_id": events[0]["generation_id"]}


def test_a_hundred_messages_at_once_are_all_answered(alice: Person) -> None:
    chats = [alice.new_chat() for _ in range(100)]
    results: list[str] = []

    def send(chat: str) -> None:
        results.append(alice.send(chat, "count to 50 [[delay 10ms]]")[-1]["type"])

    threads = [threading.Thread(target=send, args=(chat,)) for chat in chats]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == ["generation.completed"] * 100

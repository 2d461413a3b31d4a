"""A restart and a crash in the middle of an answer: what was written is kept, and nothing runs for ever."""

import signal
from pathlib import Path

from testbed.chatkeep_server import running_server
from testbed.people import Person

ENVIRON = {"CHATKEEP_LLM_BASE_URL": "scripted:", "CHATKEEP_PAGE": "false"}


def again(person: Person, url: str) -> Person:
    person.http.base_url = url
    return person


def test_sigterm_ends_streams_as_interrupted_and_keeps_the_text(tmp_path: Path) -> None:
    with running_server(tmp_path / "data", ENVIRON) as server:
        alice = Person(server.url, "alice").register()
        chat = alice.new_chat()
        with alice.sending(chat, "count to 100000 [[delay 5ms]]") as stream:
            events = [next(stream).json() for _ in range(20)]
            server.process.terminate()
            events += [event.json() for event in stream]
        # Having cleaned up, the server dies of the signal it was sent, as a shell or a service manager expects.
        assert server.process.wait(timeout=20) == -signal.SIGTERM
    assert (events[-1]["type"], events[-1]["reason"]) == ("generation.interrupted", "shutdown")
    with running_server(tmp_path / "data", ENVIRON) as server:
        answer = again(alice, server.url).messages(chat)[1]
        assert answer["status"] == "interrupted"
        assert answer["content"] == "".join(event.get("text", "") for event in events)
        # Whoever missed the end is told of it by the next process, with the number that it had.
        snapshot, end = alice.follow(events[0]["generation_id"], after=events[3]["seq"])
        assert (snapshot["type"], snapshot["text"]) == ("message.snapshot", answer["content"])
        assert end == events[-1]


def test_a_crash_leaves_no_answer_running(tmp_path: Path) -> None:
    with running_server(tmp_path / "data", ENVIRON) as server:
        alice = Person(server.url, "alice").register()
        chat = alice.new_chat()
        accepted = alice.start(chat, "count to 100000 [[delay 5ms]]")
        while not alice.messages(chat)[1]["content"]:
            pass
        server.kill()
    with running_server(tmp_path / "data", ENVIRON) as server:
        question, answer = again(alice, server.url).messages(chat)
        assert question["content"] == "count to 100000 [[delay 5ms]]"
        assert answer["status"] == "interrupted"
        assert answer["content"].startswith("1")
        assert answer["id"] == accepted["message_id"]
        assert alice.send(chat, "go on")[-1]["type"] == "generation.completed"


def test_a_sign_in_outlives_a_restart(tmp_path: Path) -> None:
    with running_server(tmp_path / "data", ENVIRON) as server:
        alice = Person(server.url, "alice").register()
    with running_server(tmp_path / "data", ENVIRON) as server:
        assert again(alice, server.url).http.get("/auth/me").json()["email"] == alice.email
        body = {"refresh_token": alice.refresh_token}
        assert alice.http.post("/auth/refresh", json=body).status_code == 200

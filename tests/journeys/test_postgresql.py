"""The same journey on PostgreSQL, and through a restart of the server."""

from pathlib import Path

from testbed.chatkeep_server import running_server
from testbed.people import Person


def test_a_crash_leaves_no_chat_blocked(tmp_path: Path, postgres_url: str) -> None:
    environ = {
        "CHATKEEP_DATABASE_URL": postgres_url,
        "CHATKEEP_LLM_BASE_URL": "scripted:",
        "CHATKEEP_LIMIT_SEND": "100000/minute",
        "CHATKEEP_PAGE": "false",
    }
    with running_server(tmp_path / "data", environ) as server:
        alice = Person(server.url, "alice").register()
        chat = alice.new_chat()
        alice.start(chat, "count to 100000 [[delay 5ms]]")
        while not alice.messages(chat)[1]["content"]:
            pass
        server.kill()
    with running_server(tmp_path / "data", environ) as server:
        alice.http.base_url = server.url
        # Another instance could be writing it, so this one waits until the signs of life are too old.
        body = {"session_id": chat, "message": "go on"}
        while (refused := alice.http.post("/chat/send", json=body)).status_code == 409:
            assert refused.json()["code"] == "generation_running"
        assert refused.status_code == 200
        answer = alice.messages(chat)[1]
        assert answer["status"] == "interrupted"
        assert answer["content"].startswith("1")


def test_the_journey_on_postgresql(tmp_path: Path, postgres_url: str) -> None:
    environ = {
        "CHATKEEP_DATABASE_URL": postgres_url.replace("+asyncpg", ""),
        "CHATKEEP_LLM_BASE_URL": "scripted:",
        "CHATKEEP_PAGE": "false",
    }
    with running_server(tmp_path / "data", environ) as server:
        alice, bob = (Person(server.url, name).register() for name in ("alice", "bob"))
        chat = alice.new_chat()
        assert alice.send(chat, "count to 20")[-1]["type"] == "generation.completed"
        assert bob.http.get(f"/chat/sessions/{chat}").status_code == 404
        accepted = alice.start(chat, "count to 100000 [[delay 5ms]]")
        server.stop()
    assert not (tmp_path / "data" / "chatkeep.db").exists()
    with running_server(tmp_path / "data", environ) as server:
        alice.http.base_url = server.url
        messages = alice.messages(chat)
        assert [message["status"] for message in messages] == ["completed", "completed", "completed", "interrupted"]
        assert messages[-1]["id"] == accepted["message_id"]
        assert alice.http.get("/chat/sessions", params={"q": "COUNT"}).json()["items"][0]["id"] == chat

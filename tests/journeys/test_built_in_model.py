"""With nothing configured the server still answers for real."""

from pathlib import Path

import pytest

from testbed.chatkeep_server import running_server
from testbed.people import Person


@pytest.mark.slow
def test_a_fresh_install_answers_for_real(tmp_path: Path) -> None:
    with running_server(tmp_path / "data", {"CHATKEEP_PAGE": "false"}) as server:
        alice = Person(server.url, "alice").register()
        model = alice.http.get("/chat/models").json()["items"][0]
        assert model["builtin"]
        assert 0 <= model["progress"] <= 1
        # Sent at once: it waits for the model to load.
        events = alice.send(alice.new_chat(), "What is the capital of France? Answer in one word.")
        assert events[-1]["type"] == "generation.completed"
        assert "Paris" in "".join(event.get("text", "") for event in events)
        assert sum(event["type"] == "message.delta" for event in events) > 1
        assert alice.http.get("/readyz").json()["status"] == "ok"
        assert "small built-in model" in server.read_all()

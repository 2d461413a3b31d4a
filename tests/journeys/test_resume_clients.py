"""Unmodified clients resume without loss while the connection is cut under them."""

import json
from pathlib import Path
from typing import Any

import httpx
import pytest
from httpx_sse import connect_sse

from testbed.chatkeep_server import ServerProcess
from testbed.cutting_proxy import cutting_proxy
from testbed.node import Node
from testbed.people import Person

SCRIPT = Path(__file__).parent / "resume.mjs"


def assert_whole(events: list[dict[str, Any]], message: dict[str, Any]) -> None:
    assert [event["seq"] for event in events] == list(range(1, len(events) + 1))
    assert events[-1]["type"] == "generation.completed"
    assert "".join(event.get("text", "") for event in events) == message["content"]


def test_httpx_sse_resumes_without_loss(server: ServerProcess, alice: Person) -> None:
    chat = alice.new_chat()
    path = f"/chat/generations/{alice.start(chat, 'count to 60 [[delay 5ms]]')['generation_id']}/events"
    events: list[dict[str, Any]] = []
    connections = 0
    with cutting_proxy(server.url, cuts=3, after_bytes=2500) as proxy:
        while not events or not events[-1]["type"].startswith("generation.c") or events[-1]["seq"] == 1:
            connections += 1
            headers = {"Last-Event-ID": str(events[-1]["seq"])} if events else {}
            try:
                with connect_sse(alice.http, "GET", proxy.url + path, headers=headers) as source:
                    events += [json.loads(event.data) for event in source.iter_sse()]
            except httpx.TransportError:
                continue
    assert connections == 4
    assert_whole(events, alice.messages(chat)[1])


@pytest.mark.slow
def test_eventsource_resumes_without_loss(server: ServerProcess, alice: Person, node: Node) -> None:
    chat = alice.new_chat()
    generation = alice.start(chat, "count to 60 [[delay 5ms]]")["generation_id"]
    token = str(alice.http.headers["Authorization"]).removeprefix("Bearer ")
    with cutting_proxy(server.url, cuts=2, after_bytes=4000) as proxy:
        lines = node.run(SCRIPT, f"{proxy.url}/chat/generations/{generation}/events", token).splitlines()
    *events, end = [json.loads(line) for line in lines]
    assert end["code"] == 204
    assert end["connections"] >= 3
    assert_whole(events, alice.messages(chat)[1])

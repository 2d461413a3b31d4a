"""Clients that vanish in the middle of streams, round after round: the server lives, and forgets them.

A few rounds here; CHATKEEP_TEST_CUTS=25 asks for as many as one likes.
"""

import asyncio
import json
import os
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from testbed.chatkeep_server import running_server
from testbed.people import Person
from testbed.upstream import running_upstream

ROUNDS = int(os.environ.get("CHATKEEP_TEST_CUTS", "12"))
STREAMS = 32


async def cut_after_first_bytes(url: str, token: str, session_id: str) -> bytes:
    parts = urlsplit(url)
    reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
    body = json.dumps({"session_id": session_id, "message": "count to 100000"}).encode()
    fields = [
        "POST /chat/send HTTP/1.1",
        f"Host: {parts.netloc}",
        f"Authorization: {token}",
        "Content-Type: application/json",
        f"Content-Length: {len(body)}",
    ]
    writer.write("\r\n".join([*fields, "", ""]).encode() + body)
    seen = await reader.read(2000)
    # abort(): a reset, as from a machine that is switched off, and not a polite end.
    writer.transport.abort()
    return seen


@pytest.mark.slow
@pytest.mark.timeout(120 + 10 * ROUNDS)
def test_the_server_outlives_clients_that_are_cut(tmp_path: Path) -> None:
    async def cut_all(chats: list[str]) -> list[bytes]:
        return await asyncio.gather(*(cut_after_first_bytes(server.url, token, chat) for chat in chats))

    with running_upstream("--rate", "200") as base_url:
        environ = {
            "CHATKEEP_LLM_BASE_URL": base_url,
            "CHATKEEP_PAGE": "false",
            "CHATKEEP_LIMIT_SEND": "100000/minute",
        }
        with running_server(tmp_path / "data", environ) as server:
            alice = Person(server.url, "alice").register()
            token = alice.http.headers["Authorization"]
            for _ in range(ROUNDS):
                chats = [alice.new_chat() for _ in range(STREAMS)]
                assert all(seen.startswith(b"HTTP/1.1 200") for seen in asyncio.run(cut_all(chats)))
                for chat in chats:
                    assert alice.http.delete(f"/chat/sessions/{chat}").status_code == 204
            assert alice.send(alice.new_chat(), "count to 3")[-1]["type"] == "generation.completed"
            assert "Traceback" not in server.read_all()

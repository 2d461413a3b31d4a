"""Clients that mean harm, or have gone mad: each costs the server little, and nobody else anything."""

import asyncio
import json
import os
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest

from testbed.chatkeep_server import GENEROUS, ServerProcess, running_server
from testbed.people import Person

pytestmark = pytest.mark.slow

READERS = 100
MOST_STREAMS = 256
RECONNECTS = int(os.environ.get("CHATKEEP_TEST_RECONNECTS", "300"))
# A quarter of what the readers would hold if each were given a copy of the answer.
MOST_GROWTH_KIB = 64 * 1024


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    with running_server(tmp_path_factory.mktemp("hostile") / "data", {**GENEROUS, "CHATKEEP_PAGE": "false"}) as process:
        Person(process.url, "admin").register()
        yield process


def memory_kib(server: ServerProcess) -> int:
    return int(subprocess.check_output(["ps", "-o", "rss=", "-p", str(server.process.pid)]))


def cpu_seconds(server: ServerProcess) -> float:
    ticks = Path(f"/proc/{server.process.pid}/stat").read_text().rsplit(")", 1)[1].split()[11:13]
    return sum(map(int, ticks)) / os.sysconf("SC_CLK_TCK")


def head_of(server: ServerProcess, person: Person, generation_id: str) -> bytes:
    fields = [
        f"GET /chat/generations/{generation_id}/events HTTP/1.1",
        f"Host: {urlsplit(server.url).netloc}",
        f"Authorization: {person.http.headers['Authorization']}",
    ]
    return "\r\n".join([*fields, "", ""]).encode()


def deaf_reader(server: ServerProcess, head: bytes) -> socket.socket:
    """Asks, and then reads nothing; its own buffer is as small as it may be."""
    reader = socket.socket()
    reader.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    parts = urlsplit(server.url)
    reader.connect((parts.hostname, parts.port))
    reader.sendall(head)
    return reader


def status_of_one_more(person: Person, generation_id: str) -> int:
    with person.http.stream("GET", f"/chat/generations/{generation_id}/events") as response:
        return response.status_code


def test_a_hundred_readers_who_never_read_hold_no_memory_and_nobody_up(server: ServerProcess) -> None:
    mallory, alice = (Person(server.url, name).register() for name in ("mallory", "alice"))
    chat = mallory.new_chat()
    generation = mallory.start(chat, "[[tokens 20000]]")["generation_id"]
    while mallory.messages(chat)[1]["status"] != "completed":
        pass
    before = memory_kib(server)
    readers = [deaf_reader(server, head_of(server, mallory, generation)) for _ in range(READERS)]
    try:
        assert alice.send(alice.new_chat(), "count to 50 [[delay 2ms]]")[-1]["type"] == "generation.completed"
        grown = memory_kib(server) - before
        print(f"\n{READERS} readers who never read: {grown} KiB")  # noqa: T201 - the figure
        assert grown < MOST_GROWTH_KIB
        # One who has as many open as anybody may is told so.
        generation = mallory.start(chat, "count to 100000 [[delay 50ms]]")["generation_id"]
        readers += [deaf_reader(server, head_of(server, mallory, generation)) for _ in range(MOST_STREAMS)]
        while status_of_one_more(mallory, generation) != 429:
            pass
    finally:
        for reader in readers:
            reader.close()
    while status_of_one_more(mallory, generation) != 200:
        pass
    assert "Traceback" not in server.read_all()


def test_a_storm_of_reconnects_is_answered_exactly(server: ServerProcess) -> None:
    alice = Person(server.url, "alice").register()
    chat = alice.new_chat()
    generation = alice.start(chat, "count to 100000 [[delay 2ms]]")["generation_id"]
    path = f"{server.url}/chat/generations/{generation}/events"

    async def reconnect(client: httpx.AsyncClient, number: int) -> None:
        headers = {**alice.http.headers, "Last-Event-ID": str(number % 20)}
        async with client.stream("GET", path, headers=headers) as response:
            assert response.status_code == 200
            async for line in response.aiter_lines():
                if line.startswith("data:"):
                    assert json.loads(line.removeprefix("data:"))["seq"] == number % 20 + 1
                    return

    async def storm() -> None:
        limits = httpx.Limits(max_connections=50, max_keepalive_connections=0)
        async with httpx.AsyncClient(timeout=60, trust_env=False, limits=limits) as client:
            await asyncio.gather(*(reconnect(client, number) for number in range(RECONNECTS)))

    used = cpu_seconds(server)
    asyncio.run(storm())
    spent = cpu_seconds(server) - used
    print(f"\n{RECONNECTS} reconnects: {spent / RECONNECTS * 1000:.2f} ms of a core each")  # noqa: T201 - the figure
    assert alice.http.post(f"/chat/generations/{generation}/stop").status_code == 202
    assert alice.follow(generation, 0)[-1]["type"] == "generation.stopped"
    assert "Traceback" not in server.read_all()


@pytest.mark.parametrize(
    "id_", ["x", "0", "%00", "-1", "..%2F..", "0" * 5000, "0198c0de-0000-7000-8000-000000000000", "%F0%9F%90%8D"]
)
def test_a_forged_generation_is_not_there(server: ServerProcess, id_: str) -> None:
    alice = Person(server.url, "alice").register()
    for method, path in (("GET", "events"), ("POST", "stop")):
        refused = alice.http.request(method, f"/chat/generations/{id_}/{path}")
        assert (refused.status_code, refused.json()["code"]) == (404, "not_found")


def test_a_forged_last_event_id_neither_fails_nor_shows_more(server: ServerProcess) -> None:
    alice = Person(server.url, "alice").register()
    chat = alice.new_chat()
    generation = alice.start(chat, "count to 30 [[delay 2ms]]")["generation_id"]
    whole = alice.follow(generation, 0)
    path = f"/chat/generations/{generation}/events"
    for forged in (b"", b"x", b"-1", b"1e3", b"0x10", b"\xff\xfe", b"9" * 5000, "٣".encode(), b"1,2", b"None"):
        told = alice.http.get(path, headers={b"Last-Event-ID": forged})
        assert told.status_code == 200
        ids = [int(line.removeprefix("id: ")) for line in told.text.splitlines() if line.startswith("id: ")]
        assert ids == [event["seq"] for event in whole]
    for beyond in ("9" * 18, str(whole[-1]["seq"])):
        assert alice.http.get(path, headers={"Last-Event-ID": beyond}).status_code == 204

"""The example, as its reader runs it: a process of its own, on a socket, in an empty folder."""

import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

EXAMPLES = Path(__file__).parent.parent / "examples"
ALICE = {"email": "alice@example.com", "password": "seven purple kettles sing"}
BOB = {"email": "bob@example.com", "password": "nine silver ladders hum"}


@pytest.fixture
def url(tmp_path: Path) -> Iterator[str]:
    """uvicorn inherits a socket that listens already, so that the first request waits instead of failing."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        command = [sys.executable, "-m", "uvicorn", "minimal:app", "--app-dir", str(EXAMPLES)]
        server = subprocess.Popen(
            [*command, "--fd", str(listener.fileno())], cwd=tmp_path, pass_fds=[listener.fileno()]
        )
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            server.terminate()
            server.wait(timeout=20)
    assert server.returncode in (0, -15)


@pytest.fixture
def client(url: str) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=url, timeout=30) as client:
        yield client


def sign_in(client: httpx.Client, person: dict[str, str]) -> dict[str, str]:
    assert client.post("/auth/register", json=person).status_code == 201
    tokens = client.post("/auth/login", json=person).json()
    return {"Authorization": f"Bearer {tokens['access_token']}"}


def test_two_people_keep_notes_of_their_own(client: httpx.Client, tmp_path: Path) -> None:
    alice, bob = sign_in(client, ALICE), sign_in(client, BOB)
    assert client.post("/notes?text=milk", headers=alice).json() == ["milk"]
    assert client.post("/notes?text=nails", headers=bob).json() == ["nails"]
    assert client.post("/notes?text=eggs", headers=alice).json() == ["milk", "eggs"]
    assert client.post("/notes?text=mine").status_code == 401
    assert client.post("/auth/logout", headers=alice).status_code == 204
    assert client.post("/notes?text=late", headers=alice).status_code == 401
    assert (tmp_path / "signing-keys.json").stat().st_mode & 0o777 == 0o600


def test_the_example_is_as_short_as_promised() -> None:
    assert len((EXAMPLES / "minimal.py").read_text("utf-8").splitlines()) < 40

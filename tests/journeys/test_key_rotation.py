"""An operator rotates the signing keys under a server that runs."""

import os
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from testbed import fork_server
from testbed.chatkeep_server import GENEROUS, ServerProcess, running_server
from testbed.people import PASSWORD

SECONDS = 30


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    return tmp_path / "data"


@pytest.fixture
def server(data_dir: Path) -> Iterator[ServerProcess]:
    with running_server(data_dir, {**GENEROUS, "CHATKEEP_PAGE": "false"}) as server:
        yield server


@pytest.fixture
def http(server: ServerProcess) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=server.url, trust_env=False) as client:
        yield client


def keys(data_dir: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return fork_server.run(["keys", *arguments, "--data-dir", str(data_dir)], data_dir.parent, os.environ)


def published(http: httpx.Client) -> list[str]:
    return [key["kid"] for key in http.get("/.well-known/jwks.json").json()["keys"]]


def wait_until_published(http: httpx.Client, expected: list[str]) -> None:
    deadline = time.monotonic() + SECONDS
    while published(http) != expected:
        assert time.monotonic() < deadline
        time.sleep(0.05)


@pytest.mark.slow
def test_a_rotation_reaches_a_running_server_and_a_leaked_key_stops_there(
    http: httpx.Client, server: ServerProcess, data_dir: Path
) -> None:
    credentials = {"email": "alice@example.com", "password": PASSWORD}
    http.post("/auth/register", json=credentials).raise_for_status()
    tokens = http.post("/auth/login", json=credentials).raise_for_status().json()
    bearer = {"Authorization": f"Bearer {tokens['access_token']}"}
    (old,) = published(http)
    assert keys(data_dir, "list").stdout.split() == [old, "Ed25519", "signs"]

    rotated = keys(data_dir, "rotate")
    assert rotated.returncode == 0
    new = rotated.stdout.split()[0]
    wait_until_published(http, [old, new])
    assert http.get("/auth/me", headers=bearer).status_code == 200
    listed = keys(data_dir, "list").stdout.splitlines()
    assert listed[0].startswith(f"{old}  Ed25519  signs; verifies until ")
    assert listed[1].startswith(f"{new}  Ed25519  published; signs from ")
    again = keys(data_dir, "rotate")
    assert (again.returncode, "Nothing was changed" in again.stdout) == (1, True)

    leaked = keys(data_dir, "rotate", "--at-once")
    wait_until_published(http, [leaked.stdout.split()[0]])
    assert http.get("/auth/me", headers=bearer).status_code == 401
    renewed = http.post("/auth/refresh", json={"refresh_token": tokens["refresh_token"]}).raise_for_status().json()
    assert http.get("/auth/me", headers={"Authorization": f"Bearer {renewed['access_token']}"}).status_code == 200

    (data_dir / "signing-keys.json").write_text("{")
    deadline = time.monotonic() + SECONDS
    while "signing keys stay as they were" not in server.read_all():
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert http.get("/auth/me", headers={"Authorization": f"Bearer {renewed['access_token']}"}).status_code == 200


def test_keys_of_a_server_that_never_started(tmp_path: Path) -> None:
    for command in ("list", "rotate"):
        done = keys(tmp_path, command)
        assert done.returncode == 1
        assert "CHATKEEP_SECRET_KEY_FILE" in done.stdout
        assert "Traceback" not in done.stdout

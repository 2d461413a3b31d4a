"""The test servers are what they promise: fresh, apart from each other, and never silently missing."""

import socket
import subprocess
import sys
from pathlib import Path

import pytest

from testbed.node import Node
from testbed.postgres import PostgresServer, running_postgres
from testbed.unavailable import Unavailable, obtain
from testbed.valkey import ValkeyServer, running_valkey
from tests.house.repository import ROOT

ASKS_FOR_A_BROWSER = "def test_page(chromium): pass\n\ndef test_other(chromium): pass\n"


def database_of(url: str) -> str:
    return url.split("@/")[1].split("?", maxsplit=1)[0]


def run_without_chromium(folder: Path, *, ci: str) -> subprocess.CompletedProcess[str]:
    (folder / "test_asking.py").write_text(ASKS_FOR_A_BROWSER)
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-c", "/dev/null", "-p", "testbed.plugin", "-p", "no:cacheprovider", folder],
        cwd=ROOT,
        env={"CI": ci, "CHATKEEP_TEST_CHROMIUM": "/nowhere/chromium", "PATH": "/usr/bin:/bin"},
        stdout=subprocess.PIPE,
        text=True,
        check=False,
    )


def test_what_is_missing_leaves_tests_out_loudly(tmp_path: Path) -> None:
    done = run_without_chromium(tmp_path, ci="")
    assert done.returncode == 0
    assert "TESTS LEFT OUT" in done.stdout
    assert "no Chromium at /nowhere/chromium" in done.stdout
    assert "test_asking.py::test_page" in done.stdout
    assert "test_asking.py::test_other" in done.stdout


def test_what_is_missing_fails_on_ci(tmp_path: Path) -> None:
    done = run_without_chromium(tmp_path, ci="true")
    assert done.returncode == 1
    assert "2 errors" in done.stdout
    assert "CI leaves no test out" in done.stdout


def test_what_is_there_is_handed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CI", "true")
    assert obtain(lambda: 42) == 42


def test_unavailable_says_why_when_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    def find() -> None:
        raise Unavailable("no such thing")

    monkeypatch.delenv("CI", raising=False)
    with pytest.raises(pytest.skip.Exception, match="left out: no such thing"):
        obtain(find)


def test_every_test_has_a_database_of_its_own(postgres: PostgresServer, postgres_url: str) -> None:
    other = postgres.create_database()
    postgres.execute("CREATE TABLE mine (id int)", database=database_of(postgres_url))
    with pytest.raises(RuntimeError, match='relation "mine" does not exist'):
        postgres.execute("SELECT * FROM mine", database=other)
    postgres.drop_database(other)


def test_a_database_can_start_as_a_copy(postgres: PostgresServer) -> None:
    template = postgres.create_database()
    postgres.execute("CREATE TABLE made AS SELECT 1 AS id", database=template)
    copy = postgres.create_database(template=template)
    assert postgres.execute("SELECT id FROM made", database=copy) == "1"


@pytest.mark.slow
def test_postgres_comes_back_with_its_data_after_a_crash() -> None:
    with running_postgres() as server:
        server.execute("CREATE TABLE kept AS SELECT 7 AS id")
        server.stop()
        with pytest.raises(RuntimeError, match="psql failed"):
            server.execute("SELECT 1")
        server.start()
        assert server.execute("SELECT id FROM kept") == "7"


def test_valkey_is_empty_for_every_test(valkey: ValkeyServer, valkey_url: str) -> None:
    assert valkey_url == valkey.url
    assert valkey.command("DBSIZE") == ":0"
    assert valkey.command("SET key 1") == "+OK"


def test_valkey_can_be_stopped_and_started() -> None:
    with running_valkey() as server:
        server.stop()
        with pytest.raises(ConnectionRefusedError):
            server.command("PING")
        server.start()
        assert server.command("PING") == "+PONG"


def test_node_finds_the_javascript_clients(node: Node, tmp_path: Path) -> None:
    script = tmp_path / "versions.mjs"
    script.write_text(
        'import { EventSource } from "eventsource"; console.log(typeof EventSource, process.argv.at(-1));'
    )
    assert node.run(script, "argument") == "function argument\n"


def test_the_network_is_off() -> None:
    with (
        pytest.warns(UserWarning, match="socket"),
        pytest.raises(RuntimeError, match=r"192\.0\.2\.1"),
        socket.create_connection(("192.0.2.1", 80), timeout=1),  # an address of TEST-NET-1 (RFC 5737)
    ):
        pass

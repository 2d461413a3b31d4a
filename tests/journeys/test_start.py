"""Starting the server: the first words, the first administrator, and refusals that name the setting."""

import contextlib
import re
import signal
import socket
import sqlite3
import stat
import subprocess
from pathlib import Path

import httpx
import pytest

from testbed import fork_server
from testbed.chatkeep_server import running_server
from testbed.people import PASSWORD, Person

ENVIRON = {"CHATKEEP_LLM_BASE_URL": "scripted:", "CHATKEEP_PAGE": "false"}


def chatkeep(directory: Path, *arguments: str, **environ: str) -> "subprocess.CompletedProcess[str]":
    return fork_server.run(arguments, directory, environ)


def test_the_first_start_says_where_to_go_and_creates_its_secrets(tmp_path: Path) -> None:
    data = tmp_path / "data"
    with running_server(data, ENVIRON, forked=False) as server:
        assert f"Open {server.url} in your browser" in server.output
        assert httpx.get(f"{server.url}/auth/registration", trust_env=False).json()["first_user"] is True
    assert stat.S_IMODE(data.stat().st_mode) == 0o700
    assert stat.S_IMODE((data / "signing-keys.json").stat().st_mode) == 0o600


def test_on_loopback_the_first_to_register_is_the_administrator(tmp_path: Path) -> None:
    with running_server(tmp_path / "data", ENVIRON) as server:
        assert Person(server.url, "first").register().user["role"] == "admin"
        assert Person(server.url, "second").register().user["role"] == "user"


def register_as(url: str, host: str) -> httpx.Response:
    body = {"email": "thief@example.org", "password": PASSWORD}
    return httpx.post(f"{url}/auth/register", json=body, headers={"Host": host}, trust_env=False)


def test_dns_rebinding_makes_nobody_administrator(tmp_path: Path) -> None:
    with running_server(tmp_path / "data", ENVIRON) as server:
        for host in ("evil.example", "evil.example:8000", "127.0.0.1.evil.example", "localhost.evil.example"):
            refused = register_as(server.url, host)
            assert (refused.status_code, refused.json()["code"]) == (403, "host_not_allowed")
            assert "CHATKEEP_PUBLIC_URL" in refused.json()["detail"]
        assert register_as(server.url, "LOCALHOST:8000").json()["role"] == "admin"


def test_elsewhere_any_name_may_lead_here(tmp_path: Path) -> None:
    with running_server(tmp_path / "data", ENVIRON, "--host", "0.0.0.0") as server:  # noqa: S104 - the point
        assert register_as(server.url, "chat.example.org").json()["code"] == "invalid_setup_code"


def test_elsewhere_the_first_needs_the_setup_code(tmp_path: Path) -> None:
    with running_server(tmp_path / "data", ENVIRON, "--host", "0.0.0.0") as server:  # noqa: S104 - the point
        line = next(line for line in server.read_all().splitlines() if "setup code" in line)
        code = line.rsplit(" ", 1)[1]
        body = {"email": "thief@example.org", "password": PASSWORD}
        for given in ({}, {"setup_code": "wrong"}, {"setup_code": ""}):
            refused = httpx.post(f"{server.url}/auth/register", json={**body, **given}, trust_env=False)
            assert (refused.status_code, refused.json()["code"]) == (403, "invalid_setup_code")
        assert Person(server.url, "owner").register(setup_code=code).user["role"] == "admin"
        assert Person(server.url, "second").register().user["role"] == "user"


def test_the_administrator_can_come_from_a_file(tmp_path: Path) -> None:
    (tmp_path / "password").write_text(f"{PASSWORD}\n")
    environ = {
        **ENVIRON,
        "CHATKEEP_ADMIN_EMAIL": "root@example.org",
        "CHATKEEP_ADMIN_PASSWORD_FILE": str(tmp_path / "password"),
    }
    for _ in range(2):
        with running_server(tmp_path / "data", environ) as server:
            root = Person(server.url, "root")
            root.email = "root@example.org"
            root.sign_in()
            assert root.http.get("/auth/me").json()["role"] == "admin"
            assert Person(server.url, "other").register().user["role"] == "user"


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("CHATKEEP_PORT", "eighty", "CHATKEEP_PORT: "),
        ("CHATKEEP_LIMIT_LOGIN", "often", "CHATKEEP_LIMIT_LOGIN: "),
        ("CHATKEEP_DATABASE_URL", "postgresql://u:hush@127.0.0.1:1/x", "CHATKEEP_DATABASE_URL: "),
        ("CHATKEEP_DATA_DIR", "/dev/null/x", "CHATKEEP_DATA_DIR: "),
        ("CHATKEEP_LLM_BASE_URL", "scripted:?speed=9", "CHATKEEP_LLM_BASE_URL"),
        ("CHATKEEP_SECRET_KEY_FILE", "/dev/null", "CHATKEEP_SECRET_KEY_FILE"),
        ("CHATKEEP_HOST", "192.0.2.1", "CHATKEEP_HOST"),
        ("CHATKEEP_HOST", "x" * 70, "CHATKEEP_HOST"),
        ("CHATKEEP_VALKEY_URL", "redis://:hush@h/0?socket_timeout=soon", "CHATKEEP_VALKEY_URL"),
        ("CHATKEEP_DATABASE_URL", "postgresql://u:hush@127.0.0.1:1/x?sslmode=require", "does not answer"),
        ("CHATKEEP_DATABASE_URL", "postgresql+psycopg://u:hush@h/x", "the driver psycopg"),
        ("CHATKEEP_DATABASE_URL", "db:u:hush@h/x", "CHATKEEP_DATABASE_URL: must start with"),
        ("CHATKEEP_DATABASE_URL", "sqlite:///:memory:", "CHATKEEP_DATABASE_URL: must name a file"),
        ("CHATKEEP_DATABASE_URL", "sqlite:////nowhere/at/all.db", "CHATKEEP_DATABASE_URL"),
    ],
)
def test_a_setting_that_cannot_work_is_named(tmp_path: Path, name: str, value: str, words: str) -> None:
    ended = chatkeep(tmp_path, "serve", **{"CHATKEEP_PORT": "0", name: value})
    assert ended.returncode != 0
    assert words in ended.stdout
    assert "Traceback" not in ended.stdout
    assert "hush" not in ended.stdout


def test_a_second_server_on_the_same_data_is_refused(tmp_path: Path) -> None:
    with running_server(tmp_path / "data", ENVIRON):
        ended = chatkeep(tmp_path, "serve", "--port", "0", **ENVIRON)
    assert ended.returncode == 1
    assert "another chatkeep server is using" in ended.stdout


def test_a_second_server_on_the_same_database_is_refused_whatever_its_data_directory(tmp_path: Path) -> None:
    (tmp_path / "link.db").symlink_to(tmp_path / "shared.db")
    with running_server(tmp_path / "data", {**ENVIRON, "CHATKEEP_DATABASE_URL": f"sqlite:///{tmp_path}/shared.db"}):
        other = {**ENVIRON, "CHATKEEP_DATA_DIR": "other", "CHATKEEP_DATABASE_URL": f"sqlite:///{tmp_path}/link.db"}
        ended = chatkeep(tmp_path, "serve", "--port", "0", **other)
    assert ended.returncode == 1
    assert "another chatkeep server is using" in ended.stdout


def test_a_database_of_a_newer_version_is_refused_in_words(tmp_path: Path) -> None:
    assert chatkeep(tmp_path, "migrate", **ENVIRON).returncode == 0
    with contextlib.closing(sqlite3.connect(tmp_path / "data" / "chatkeep.db")) as database, database:
        database.execute("UPDATE alembic_version SET version_num = '9999_next' WHERE version_num NOT LIKE 'authkeep%'")
    ended = chatkeep(tmp_path, "serve", "--port", "0", **ENVIRON)
    assert ended.returncode == 1
    assert "newer chatkeep" in ended.stdout
    assert "Traceback" not in ended.stdout


def test_a_directory_that_was_there_becomes_private_with_all_that_is_in_it(tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir(mode=0o755)
    data.chmod(0o755)
    with running_server(data, ENVIRON):
        modes = {file.name: stat.S_IMODE(file.stat().st_mode) for file in data.iterdir()}
        assert stat.S_IMODE(data.stat().st_mode) == 0o700
    assert modes.keys() >= {"chatkeep.db", "chatkeep.db-wal", "chatkeep.db-shm", "signing-keys.json"}
    assert {name: oct(mode) for name, mode in modes.items() if mode & 0o077} == {}


def test_ctrl_c_ends_it_quietly(tmp_path: Path) -> None:
    with running_server(tmp_path / "data", ENVIRON) as server:
        server.process.send_signal(signal.SIGINT)
        assert server.process.wait(timeout=20) in (0, 130)
    assert not re.search("Aborted|Traceback|Error", server.read_all())


@pytest.mark.skipif(not socket.has_dualstack_ipv6(), reason="this machine has no IPv6")
def test_every_interface_means_both_kinds_of_address(tmp_path: Path) -> None:
    with running_server(tmp_path / "data", ENVIRON, "--host", "::") as server:
        port = httpx.URL(server.url).port
        for host in ("127.0.0.1", "[::1]"):
            assert httpx.get(f"http://{host}:{port}/livez", trust_env=False).status_code == 200


def test_a_broken_database_puts_no_prompt_into_the_log(tmp_path: Path) -> None:
    with running_server(tmp_path / "data", ENVIRON) as server:
        alice = Person(server.url, "alice").register()
        chat = alice.new_chat()
        with contextlib.closing(sqlite3.connect(tmp_path / "data" / "chatkeep.db")) as database, database:
            database.execute("ALTER TABLE messages RENAME COLUMN content TO gone")
        failed = alice.http.post("/chat/send", json={"session_id": chat, "message": "marker-of-the-prompt"})
        assert (failed.status_code, failed.json()["code"]) == (500, "internal_error")
        assert failed.headers["x-request-id"] == failed.json()["request_id"]
        with contextlib.closing(sqlite3.connect(tmp_path / "data" / "chatkeep.db")) as database, database:
            database.execute("ALTER TABLE authkeep_users RENAME COLUMN password_hash TO gone")
        body = {"email": "bob@example.org", "password": PASSWORD}
        assert httpx.post(f"{server.url}/auth/register", json=body, trust_env=False).status_code == 500
    logged = server.read_all()
    assert "OperationalError" in logged
    assert not re.search("marker-of-the-prompt|argon2id", logged)


def test_config_show_tells_value_and_source_and_no_secret(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("CHATKEEP_PORT=9999\n")
    shown = chatkeep(tmp_path, "config", "show", CHATKEEP_LLM_API_KEY="sk-hush", CHATKEEP_LLM_MODELS="a,b")
    rows = {line.split()[0]: line.split()[1:] for line in shown.stdout.splitlines()}
    assert rows["CHATKEEP_PORT"] == ["9999", ".env"]
    assert rows["CHATKEEP_LLM_MODELS"] == ["a,b", "environment"]
    assert rows["CHATKEEP_LLM_API_KEY"] == ["********", "environment"]
    assert rows["CHATKEEP_HOST"] == ["127.0.0.1", "default"]
    assert "sk-hush" not in shown.stdout


@pytest.mark.parametrize("arguments", [["--help"], ["serve", "--help"], ["config", "show", "--help"], ["--version"]])
def test_help_is_there(tmp_path: Path, arguments: list[str]) -> None:
    answered = chatkeep(tmp_path, *arguments)
    assert answered.returncode == 0
    assert answered.stdout.strip()

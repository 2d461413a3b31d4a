"""Limits over HTTP: counted per client address before sign-in and per user after it, and told in headers."""

import itertools
import re
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from testbed.chatkeep_server import ServerProcess, running_server
from testbed.people import PASSWORD, Person

ENVIRON = {
    "CHATKEEP_LLM_BASE_URL": "scripted:",
    "CHATKEEP_PAGE": "false",
    "CHATKEEP_LIMIT_LOGIN": "6/hour",
    "CHATKEEP_LIMIT_REGISTER": "4/hour",
    "CHATKEEP_LIMIT_SEND": "3/hour",
}
WRONG = {"email": "nobody@example.org", "password": "not the right one at all"}


@pytest.fixture
def server(tmp_path: Path) -> Iterator[ServerProcess]:
    with running_server(tmp_path / "data", ENVIRON) as process:
        yield process


def assert_refused(response: httpx.Response, name: str, limit: int) -> None:
    assert (response.status_code, response.json()["code"]) == (429, "rate_limited")
    assert int(response.headers["retry-after"]) > 0
    assert response.headers["ratelimit-policy"] == f'"{name}";q={limit};w=3600'
    assert re.fullmatch(rf'"{name}";r=0;t=\d+', response.headers["ratelimit"])


def test_sending_is_limited_per_user(server: ServerProcess) -> None:
    alice, bob = (Person(server.url, name).register() for name in ("alice", "bob"))
    chat = alice.new_chat()
    for left in (2, 1, 0):
        response = alice.http.post("/chat/send", json={"session_id": chat, "message": "x"})
        assert response.status_code == 200
        assert response.headers["ratelimit"].startswith(f'"send";r={left};')
    body = {"session_id": chat, "message": "x"}
    assert_refused(alice.http.post("/chat/send", json=body), "send", 3)
    assert len(alice.messages(chat)) == 6
    assert bob.send(bob.new_chat(), "x")[-1]["type"] == "generation.completed"


def test_failed_sign_ins_count(server: ServerProcess) -> None:
    with httpx.Client(base_url=server.url, trust_env=False) as http:
        answers = [http.post("/auth/login", json=WRONG) for _ in range(7)]
    assert [answer.status_code for answer in answers] == [401] * 6 + [429]
    assert_refused(answers[-1], "login", 6)


@pytest.mark.parametrize(("path", "limit"), [("/auth/register", 4), ("/auth/login", 6)])
def test_limits_count_before_the_body_is_checked(server: ServerProcess, path: str, limit: int) -> None:
    with httpx.Client(base_url=server.url, trust_env=False) as http:
        answers = [http.post(path, json={}) for _ in range(limit + 1)]
    assert [answer.status_code for answer in answers] == [422] * limit + [429]
    assert_refused(answers[-1], path.rsplit("/", 1)[1], limit)


def test_sending_counts_before_the_body_is_checked_and_for_nobody_else(server: ServerProcess) -> None:
    alice = Person(server.url, "alice").register()
    with httpx.Client(base_url=server.url, trust_env=False) as stranger:
        answers = [stranger.post("/chat/send", json={}) for _ in range(7)]
    assert {answer.status_code for answer in answers} <= {401, 429}
    wrong = [alice.http.post("/chat/send", json={}) for _ in range(4)]
    assert [answer.status_code for answer in wrong] == [422] * 3 + [429]
    assert_refused(wrong[-1], "send", 3)


def test_a_forged_x_forwarded_for_opens_no_fresh_lane(server: ServerProcess) -> None:
    with httpx.Client(base_url=server.url, trust_env=False) as http:
        answers = [
            http.post("/auth/login", json=WRONG, headers={"X-Forwarded-For": f"203.0.113.{n}"}) for n in range(7)
        ]
    assert answers[-1].status_code == 429


def test_a_trusted_proxy_speaks_for_its_clients(tmp_path: Path) -> None:
    with (
        running_server(tmp_path / "data", {**ENVIRON, "CHATKEEP_TRUSTED_PROXIES": "127.0.0.0/8"}) as server,
        httpx.Client(base_url=server.url, trust_env=False) as http,
    ):
        guesses = itertools.count()

        def sign_in(forwarded: str) -> int:
            # At another account each time: one alone would be at its own limit before any address is.
            wrong = WRONG | {"email": f"nobody{next(guesses)}@example.org"}
            return http.post("/auth/login", json=wrong, headers={"X-Forwarded-For": forwarded}).status_code

        assert [sign_in("203.0.113.1") for _ in range(7)] == [401] * 6 + [429]
        assert sign_in("203.0.113.2") == 401
        assert sign_in("198.51.100.9, 203.0.113.1") == 429
        # One subscriber has a whole /64, and an IPv4 address has another spelling in IPv6.
        assert [sign_in(f"2001:db8::{n:x}") for n in range(1, 8)] == [401] * 6 + [429]
        assert sign_in("::ffff:203.0.113.1") == 429


@pytest.mark.parametrize("place", ["valkey", "postgresql"])
def test_limits_hold_across_instances(
    tmp_path: Path, place: str, postgres_url: str, request: pytest.FixtureRequest
) -> None:
    shared = {**ENVIRON, "CHATKEEP_DATABASE_URL": postgres_url}
    if place == "valkey":
        shared["CHATKEEP_VALKEY_URL"] = request.getfixturevalue("valkey_url")
    shared["CHATKEEP_SECRET_KEY_FILE"] = str(tmp_path / "keys.json")
    with running_server(tmp_path / "a", shared) as one, running_server(tmp_path / "b", shared) as other:
        alice = Person(one.url, "alice").register()
        body = {"session_id": alice.new_chat(), "message": "x"}
        for server in (one, other, one):
            assert alice.http.post(f"{server.url}/chat/send", json=body).status_code == 200
        assert_refused(alice.http.post(f"{other.url}/chat/send", json=body), "send", 3)
        wrong = [httpx.post(f"{s.url}/auth/login", json=WRONG, trust_env=False) for s in (one, other) * 3]
        assert [answer.status_code for answer in wrong] == [401] * 5 + [429]


def test_a_valkey_that_is_away_closes_nothing(tmp_path: Path) -> None:
    environ = {**ENVIRON, "CHATKEEP_VALKEY_URL": "redis://127.0.0.1:1/0"}
    with running_server(tmp_path / "data", environ) as server:
        alice = Person(server.url, "alice").register()
        assert alice.send(alice.new_chat(), "x")[-1]["type"] == "generation.completed"
        ready = alice.http.get("/readyz")
        assert (ready.status_code, ready.json()["checks"]["valkey"]) == (503, "does not answer")
        assert PASSWORD not in server.read_all()

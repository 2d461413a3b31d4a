"""Quotas over HTTP: what is left is told, what is used up is refused until it begins anew, and nobody waits unheard."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from pathlib import Path

import httpx
import pytest

from testbed.chatkeep_server import GENEROUS, ServerProcess, running_server
from testbed.people import Person

ENVIRON = {
    **GENEROUS,
    "CHATKEEP_PAGE": "false",
    "CHATKEEP_QUOTA_USER": "3 requests/day, 100k tokens/month, 2 concurrent",
    "CHATKEEP_QUOTA_ADMIN": "",
    "CHATKEEP_MODEL_PRICES": "scripted 1/2",
    "CHATKEEP_CONCURRENT_ANSWERS": "1",
}


@pytest.fixture(scope="module")
def limited(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    with running_server(tmp_path_factory.mktemp("limited") / "data", ENVIRON) as process:
        Person(process.url, "admin").register()
        yield process


@pytest.fixture
def alice(limited: ServerProcess) -> Person:
    return Person(limited.url, "alice").register()


def send(person: Person, chat: str, message: str, **headers: str) -> httpx.Response:
    return person.http.post("/chat/send", json={"session_id": chat, "message": message}, headers=headers)


def limits_of(person: Person) -> dict[str, dict[str, object]]:
    return {limit["name"]: limit for limit in person.http.get("/usage").json()["limits"]}


def test_a_quota_is_told_used_up_and_said_when_it_begins_anew(alice: Person) -> None:
    chat = alice.new_chat()
    for left in (2, 1, 0):
        answer = send(alice, chat, "count to 5", **{"Idempotency-Key": f"key {left}"})
        assert answer.status_code == 200
        assert f'"requests-day";r={left};t=' in answer.headers["ratelimit"]
        assert '"requests-day";q=3;qu="requests";w=86400' in answer.headers["ratelimit-policy"]
        assert '"concurrent";r=1' in answer.headers["ratelimit"]
    refused = send(alice, chat, "one more")
    problem = refused.json()
    assert (refused.status_code, problem["code"]) == (429, "quota_exceeded")
    midnight = datetime.fromisoformat(problem["limit"]["resets_at"])
    now = parsedate_to_datetime(refused.headers["date"])
    assert midnight == (now + timedelta(days=1)).replace(hour=0, minute=0, second=0)
    assert abs(int(refused.headers["retry-after"]) - (midnight - now).total_seconds()) <= 2
    assert f"{midnight:%Y-%m-%d %H:%M} UTC" in problem["detail"]
    assert '"requests-day";r=0;t=' in refused.headers["ratelimit"]
    # A retry of what was accepted is not a request of its own, and a refused message is not in the chat.
    assert send(alice, chat, "count to 5", **{"Idempotency-Key": "key 0"}).status_code == 200
    assert len(alice.messages(chat)) == 6
    usage = alice.messages(chat)[1]["usage"]
    assert usage["cost"] == pytest.approx((usage["prompt_tokens"] + 2 * usage["completion_tokens"]) / 1e6)
    assert limits_of(alice)["requests"] | {"resets_at": ""} == {
        "name": "requests",
        "window": "day",
        "model": None,
        "limit": 3,
        "used": 3,
        "remaining": 0,
        "resets_at": "",
    }


def test_what_was_used_is_what_the_endpoint_counted(limited: ServerProcess, alice: Person) -> None:
    chat = alice.new_chat()
    ends = [alice.send(chat, "count to 20")[-2] for _ in range(2)]
    used = {name: sum(end[name] for end in ends) for name in ("prompt_tokens", "completion_tokens")}
    (today,) = alice.http.get("/usage/days").json()["items"]
    assert (today["model"], today["requests"], today["day"]) == ("scripted", 2, datetime.now(UTC).date().isoformat())
    assert {name: today[name] for name in used} == used
    assert limits_of(alice)["tokens"]["used"] == sum(used.values())
    assert alice.http.get("/admin/usage").status_code == 403


def test_one_who_waits_is_told_where_and_is_stopped_at_once(limited: ServerProcess, alice: Person) -> None:
    bob = Person(limited.url, "bob").register()
    running = alice.start(alice.new_chat(), "count to 100000 [[delay 5ms]]")
    with bob.sending(bob.new_chat(), "count to 3") as events:
        assert next(events).event == "generation.created"
        queued = next(events)
        assert (queued.event, queued.json()["position"]) == ("generation.queued", 1)
        waiting = alice.start(alice.new_chat(), "count to 3")
        alice.http.post(f"/chat/generations/{waiting['generation_id']}/stop")
        assert [event["type"] for event in alice.follow(waiting["generation_id"], 0)][-1] == "generation.stopped"
        alice.http.post(f"/chat/generations/{running['generation_id']}/stop")
        assert [event.event for event in events][-1] == "generation.completed"


def test_a_crash_neither_loses_what_was_used_nor_keeps_what_was_held(tmp_path: Path) -> None:
    with running_server(tmp_path / "data", ENVIRON) as server:
        Person(server.url, "admin").register()
        carol = Person(server.url, "carol").register()
        with carol.sending(carol.new_chat(), "count to 100000 [[delay 5ms]]") as events:
            while next(events).event != "message.delta":
                pass
            server.kill()
    with running_server(tmp_path / "data", ENVIRON) as server:
        carol.http.base_url = httpx.URL(server.url)
        limits = limits_of(carol)
        assert limits["concurrent"]["used"] == 0
        assert limits["requests"]["used"] == 1
        assert carol.http.get("/usage/days").json()["items"][0]["prompt_tokens"] > 10

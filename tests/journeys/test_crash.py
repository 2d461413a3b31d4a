"""The server, its database or its Valkey die under load: nothing acknowledged is lost, and everything ends once.

A few rounds here; CHATKEEP_TEST_CRASHES=100 asks for as many as one likes.
"""

import os
import random
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from itertools import cycle
from pathlib import Path
from uuid import UUID

import httpx
import pytest
from httpx_sse import SSEError, connect_sse

from testbed.chatkeep_server import GENEROUS, ServerProcess, running_server
from testbed.cutting_proxy import cutting_proxy
from testbed.people import Person
from testbed.postgres import PostgresServer, running_postgres
from testbed.unavailable import obtain
from testbed.upstream import running_upstream
from testbed.valkey import running_valkey
from tests.journeys.answers import TERMINAL, Answer, at, resume

pytestmark = pytest.mark.slow

ROUNDS = int(os.environ.get("CHATKEEP_TEST_CRASHES", "3"))
ENVIRON = {**GENEROUS, "CHATKEEP_PAGE": "false"}
TALKERS = 6


class Talker(threading.Thread):
    """Sends one message after another until the server is gone, and keeps what was acknowledged."""

    def __init__(self, person: Person, number: int) -> None:
        super().__init__()
        self.person = person
        self.number = number
        self.answers: list[Answer] = []

    def run(self) -> None:
        try:
            for count in cycle((1, 30, 400, 100_000)):
                question = f"{self.number}: count to {count} [[delay 2ms]]"
                answer = Answer(self.person.new_chat(), question)
                with self.person.sending(answer.chat, question) as events:
                    # The answer's head is the acknowledgement: what it stands for is committed.
                    self.answers.append(answer)
                    for event in events:
                        answer.hear(event.json())
        except (httpx.HTTPError, SSEError):
            return


def assert_kept(person: Person, answer: Answer) -> str:
    """All of it, as the server has it now; returns how it ended."""
    question, written = person.messages(answer.chat)
    assert question["content"] == answer.question
    assert written["status"] in TERMINAL
    if answer.ids:
        assert answer.ids["message_id"] == written["id"]
        if answer.end is None:
            resume(person, answer)
        assert answer.end == written["status"]
        answer.assert_whole(written["content"], may_lose=True)
        # And that was all: nobody is told of a second end.
        assert person.follow(answer.ids["generation_id"], after=answer.seq) == []
    return str(written["status"])


_UNBILLED = """SELECT count(*) FROM generations g LEFT JOIN usage_records u ON u.id = g.id
    WHERE u.settled_at IS NULL OR (u.completion_tokens = 0 AND EXISTS
        (SELECT 1 FROM messages m WHERE m.id = g.message_id AND m.content <> ''))"""
_BY_RECORD = "SELECT count(*), total(prompt_tokens), total(completion_tokens) FROM usage_records"
_BY_DAY = "SELECT total(requests), total(prompt_tokens), total(completion_tokens) FROM usage_days"


def assert_billed(database: Path, accepted: set[str]) -> None:
    """Whatever was accepted has one record that is settled, not for nothing, and the days add up to the records."""
    with closing(sqlite3.connect(database)) as db:
        assert db.execute(_UNBILLED).fetchone() == (0,)
        assert accepted <= {str(UUID(id_)) for (id_,) in db.execute("SELECT id FROM usage_records")}
        assert db.execute("SELECT count(*) FROM usage_records WHERE settled_at IS NULL").fetchone() == (0,)
        assert db.execute(_BY_DAY).fetchone() == db.execute(_BY_RECORD).fetchone()


@pytest.mark.timeout(120 + 30 * ROUNDS)
def test_kill_9_under_load_loses_nothing_that_was_acknowledged(tmp_path: Path) -> None:
    chance = random.Random(4)  # noqa: S311 - moments to die at
    people: list[Person] = []
    tally: dict[str, int] = {}
    before: list[Talker] = []
    for _ in range(ROUNDS + 1):
        with running_server(tmp_path / "data", ENVIRON) as server:
            people = people or [Person(server.url, f"person{number}").register() for number in range(TALKERS)]
            for person in people:
                person.http.base_url = server.url
                person.sign_in()
            accepted = {answer.ids["generation_id"] for talker in before for answer in talker.answers if answer.ids}
            assert_billed(tmp_path / "data" / "chatkeep.db", accepted)
            for talker in before:
                for answer in talker.answers:
                    status = assert_kept(talker.person, answer)
                    tally[status] = tally.get(status, 0) + 1
            talkers = [Talker(person, number) for number, person in enumerate(people)]
            for talker in talkers:
                talker.start()
            time.sleep(chance.uniform(0.05, 2.0))
            server.kill()
            for talker in talkers:
                talker.join()
            before = talkers
            assert "Traceback" not in server.read_all()
    assert set(tally) <= {"completed", "interrupted"}
    print(f"\n{ROUNDS} crashes, answers: {tally}")  # noqa: T201 - the figures of a long run
    assert tally["interrupted"] >= ROUNDS


def test_kill_9_while_the_endpoint_drips_hangs_and_dies(tmp_path: Path) -> None:
    questions = [
        "[[fault drip]] count to 100000",
        "[[fault stall]] count to 100",
        "count to 100000 [[delay 5ms]]",
    ]
    with ExitStack() as upstream:
        environ = {**ENVIRON, "CHATKEEP_LLM_BASE_URL": upstream.enter_context(running_upstream())}
        with running_server(tmp_path / "data", environ) as server:
            alice = Person(server.url, "alice").register()
            answers = [Answer(alice.new_chat(), question) for question in questions]
            for answer in answers:
                answer.ids = alice.start(answer.chat, answer.question)
            while not all(alice.messages(answer.chat)[1]["content"] for answer in answers):
                pass
            upstream.close()
            server.kill()
    with running_upstream() as base_url:
        environ["CHATKEEP_LLM_BASE_URL"] = base_url
        with running_server(tmp_path / "data", environ) as server:
            alice.http.base_url = httpx.URL(server.url)
            assert_billed(tmp_path / "data" / "chatkeep.db", {answer.ids["generation_id"] for answer in answers})
            assert {assert_kept(alice, answer) for answer in answers} <= {"interrupted", "failed"}
            for answer in answers:
                assert alice.messages(answer.chat)[1]["content"].startswith("1 2 ")
                assert alice.send(answer.chat, "hello")[-1]["type"] == "generation.completed"
            assert "Traceback" not in server.read_all()


@contextmanager
def two_servers(
    directory: Path, database_url: str, valkey_url: str | None
) -> Iterator[tuple[ServerProcess, ServerProcess]]:
    environ = {
        **ENVIRON,
        "CHATKEEP_DATABASE_URL": database_url,
        "CHATKEEP_SECRET_KEY_FILE": str(directory / "keys.json"),
        **({"CHATKEEP_VALKEY_URL": valkey_url} if valkey_url else {}),
    }
    with ExitStack() as stack:
        here = stack.enter_context(running_server(directory / "one", environ))
        yield here, stack.enter_context(running_server(directory / "two", environ))


@pytest.fixture(scope="module", params=["by the database", "by Valkey"])
def two(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, postgres: PostgresServer
) -> Iterator[tuple[ServerProcess, ServerProcess]]:
    valkey_url = request.getfixturevalue("valkey").url if request.param == "by Valkey" else None
    database = postgres.create_database()
    with two_servers(tmp_path_factory.mktemp("two"), postgres.url(database), valkey_url) as servers:
        yield servers
    postgres.drop_database(database)


def follow_in_pieces(person: Person, urls: list[str], answer: Answer, cuts: int) -> None:
    """From one server to the other, cut again and again."""
    path = f"/chat/generations/{answer.ids['generation_id']}/events"
    for url in cycle(urls):
        with cutting_proxy(url, cuts=1 if cuts > 0 else 0, after_bytes=3000) as proxy:
            cuts -= 1
            try:
                with connect_sse(
                    person.http, "GET", proxy.url + path, headers={"Last-Event-ID": str(answer.seq)}
                ) as source:
                    for event in source.iter_sse():
                        answer.hear(event.json())
            except httpx.TransportError:
                continue
        if answer.end:
            return


def test_a_stream_is_resumed_on_another_instance_again_and_again(two: tuple[ServerProcess, ServerProcess]) -> None:
    here, there = two
    alice = Person(here.url, "alice").register()
    answer = Answer(alice.new_chat(), "count to 300 [[delay 10ms]]")
    answer.ids = alice.start(answer.chat, answer.question)
    follow_in_pieces(alice, [here.url, there.url], answer, cuts=5)
    written = alice.messages(answer.chat)[1]
    answer.assert_whole(written["content"])
    assert (answer.end, written["status"]) == ("completed", "completed")


def test_a_stop_reaches_the_other_instance(two: tuple[ServerProcess, ServerProcess]) -> None:
    here, there = two
    alice = Person(here.url, "alice").register()
    chat = alice.new_chat()
    alice_there = at(there.url, alice)
    with alice.sending(chat, "count to 100000 [[delay 5ms]]") as events:
        generation = next(events).json()["generation_id"]
        assert alice_there.http.post(f"/chat/generations/{generation}/stop").status_code == 202
        assert [event.event for event in events][-1] == "generation.stopped"


def test_somebody_elses_answer_is_not_there_at_any_instance(two: tuple[ServerProcess, ServerProcess]) -> None:
    here, there = two
    alice, bob = (Person(here.url, name).register() for name in ("alice", "bob"))
    generation = alice.start(alice.new_chat(), "count to 100000 [[delay 5ms]]")["generation_id"]
    for server in (here, there):
        for method, path in (("GET", "events"), ("POST", "stop")):
            refused = at(server.url, bob).http.request(method, f"/chat/generations/{generation}/{path}")
            assert refused.status_code == 404


def test_answers_survive_a_valkey_and_a_database_that_die_and_hang(tmp_path: Path) -> None:
    with ExitStack() as stack:
        postgres: PostgresServer = obtain(lambda: stack.enter_context(running_postgres()))
        valkey = obtain(lambda: stack.enter_context(running_valkey()))
        database_url = postgres.url(postgres.create_database())
        here, there = stack.enter_context(two_servers(tmp_path, database_url, valkey.url))
        alice = Person(here.url, "alice").register()
        answer = Answer(alice.new_chat(), "count to 600 [[delay 10ms]]")
        answer.ids = alice.start(answer.chat, answer.question)
        following = threading.Thread(target=resume, args=(at(there.url, alice), answer))
        following.start()
        while answer.seq < 10:
            time.sleep(0.01)
        valkey.pause()
        time.sleep(1)
        valkey.resume()
        valkey.stop()
        postgres.stop()
        time.sleep(1)
        valkey.start()
        postgres.start()
        following.join()
        written = alice.messages(answer.chat)[1]
        assert answer.end == written["status"] == "completed"
        answer.assert_whole(written["content"])

"""Four instances behind a proxy that knows nothing of sessions: whichever of them writes it, an answer is at all."""

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from testbed.chatkeep_server import GENEROUS, ServerProcess, running_server
from testbed.cutting_proxy import CuttingProxy, cutting_proxy
from testbed.people import Person
from testbed.postgres import PostgresServer, running_postgres
from testbed.unavailable import obtain
from testbed.valkey import ValkeyServer, running_valkey
from tests.journeys.answers import Answer, at, follow_through

pytestmark = pytest.mark.slow

FOUR = 4
WITHOUT_END = "count to 100000 [[delay 5ms]]"


@dataclass
class Site:
    """`proxy` takes the instances in turn; `tunnel` does, too, and cuts off every answer before long."""

    postgres: PostgresServer
    database: str
    valkey: ValkeyServer
    instances: list[ServerProcess]
    proxy: CuttingProxy
    tunnel: CuttingProxy


@contextmanager
def running_site(directory: Path) -> Iterator[Site]:
    with ExitStack() as stack:
        postgres: PostgresServer = obtain(lambda: stack.enter_context(running_postgres()))
        valkey: ValkeyServer = obtain(lambda: stack.enter_context(running_valkey()))
        database = postgres.create_database()
        environ = {
            **GENEROUS,
            "CHATKEEP_PAGE": "false",
            "CHATKEEP_DATABASE_URL": postgres.url(database),
            "CHATKEEP_VALKEY_URL": valkey.url,
            "CHATKEEP_SECRET_KEY_FILE": str(directory / "keys.json"),
        }

        def start(number: int) -> ServerProcess:
            return stack.enter_context(running_server(directory / f"instance{number}", environ))

        # All at once, as an orchestrator would: one of them brings the schema up to date, and makes the keys.
        with ThreadPoolExecutor(FOUR) as pool:
            instances = list(pool.map(start, range(FOUR)))
        urls = [instance.url for instance in instances]
        proxy = stack.enter_context(cutting_proxy(*urls))
        tunnel = stack.enter_context(cutting_proxy(*urls, cuts=200, after_bytes=6000))
        yield Site(postgres, database, valkey, instances, proxy, tunnel)


@dataclass
class Tabs:
    """One answer in two tabs, each of which comes back through the tunnel whenever it is cut off."""

    both: tuple[Answer, Answer]
    threads: list[threading.Thread]

    @classmethod
    def opened(cls, site: Site, person: Person, beginner: Person, question: str) -> "Tabs":
        chat = beginner.new_chat()
        ids = beginner.start(chat, question)
        both = Answer(chat, question, ids), Answer(chat, question, ids)
        threads = [
            threading.Thread(target=follow_through, args=(at(site.tunnel.url, person), answer)) for answer in both
        ]
        for thread in threads:
            thread.start()
        return cls(both, threads)

    def wait_for(self, seq: int) -> None:
        while min(answer.seq for answer in self.both) < seq:
            time.sleep(0.01)

    def ended(self, person: Person) -> str:
        """Both have been told the same, and it is what was written. Returns how it ended."""
        for thread in self.threads:
            thread.join()
        written = person.messages(self.both[0].chat)[-1]
        for answer in self.both:
            assert answer.end == written["status"]
            answer.assert_whole(written["content"])
        one, other = ({event["seq"]: event for event in answer.events} for answer in self.both)
        shared = [(one[seq], other[seq]) for seq in one.keys() & other]
        assert all(here == there for here, there in shared if here["type"] == there["type"])
        return str(written["status"])


@pytest.mark.timeout(240)
def test_answers_outlive_cuts_pauses_and_a_killed_instance_behind_a_proxy(tmp_path: Path) -> None:
    with running_site(tmp_path) as site:
        alice = Person(site.proxy.url, "alice").register()
        short = [Tabs.opened(site, alice, alice, "count to 300 [[delay 10ms]]") for _ in range(FOUR)]
        *others, victim = site.instances
        stopped = Tabs.opened(site, alice, at(others[0].url, alice), WITHOUT_END)
        lasting = Tabs.opened(site, alice, at(others[1].url, alice), "count to 1000 [[delay 10ms]]")
        doomed = Tabs.opened(site, alice, at(victim.url, alice), WITHOUT_END)
        for tabs in (stopped, lasting, doomed):
            tabs.wait_for(20)

        # At whichever instance the proxy thinks of.
        generation = stopped.both[0].ids["generation_id"]
        assert alice.http.post(f"/chat/generations/{generation}/stop").status_code == 202
        assert stopped.ended(alice) == "stopped"

        site.valkey.pause()
        lasting.wait_for(lasting.both[0].seq + 1)
        site.valkey.resume()

        sent = send_while_the_database_hangs(site, alice)
        victim.kill()

        assert doomed.ended(alice) == "interrupted"
        assert lasting.ended(alice) == "completed"
        # One of these was begun by the victim, which may have come to its end.
        assert sorted(tabs.ended(alice) for tabs in short)[: FOUR - 1] == ["completed"] * (FOUR - 1)
        assert [message["status"] for message in alice.messages(sent)] == ["completed", "completed"]
        assert_each_is_billed_once(site)
        for instance in others:
            assert "Traceback" not in instance.read_all()


def send_while_the_database_hangs(site: Site, person: Person) -> str:
    """Nothing is refused that comes back soon; returns the chat."""
    chat = person.new_chat()
    with ThreadPoolExecutor(1) as pool:
        site.postgres.pause()
        sending = pool.submit(person.send, chat, "count to 5")
        time.sleep(3)
        site.postgres.resume()
        assert sending.result()[-1]["type"] == "generation.completed"
    return chat


def assert_each_is_billed_once(site: Site) -> None:
    unbilled = """SELECT count(*) FROM generations g LEFT JOIN usage_records u ON u.id = g.id
        WHERE u.settled_at IS NULL OR u.completion_tokens = 0"""
    while site.postgres.execute(unbilled, database=site.database) != "0":
        time.sleep(0.1)
    sums = "SELECT sum(requests) = (SELECT count(*) FROM generations) FROM usage_days"
    assert site.postgres.execute(sums, database=site.database) == "t"

"""Two worker processes of somebody's application: what is revoked at one bites at the other, whatever breaks."""

import asyncio
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import httpx
import pytest
from sqlalchemy.ext.asyncio import create_async_engine

from authkeep.sql import migrate
from testbed.postgres import PostgresServer, running_postgres
from testbed.unavailable import obtain
from testbed.valkey import ValkeyServer, running_valkey

pytestmark = pytest.mark.slow

LEASE_SECONDS = 1.5
KILL_LISTENERS = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE query LIKE 'LISTEN%'"


def until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not holds():
        assert time.monotonic() < deadline, "it did not come to pass"


def bearer(login: dict[str, str]) -> dict[str, str]:
    return {"Authorization": f"Bearer {login['access_token']}"}


class Worker:
    """One of the processes."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.http = httpx.Client(base_url=url, timeout=30, trust_env=False)

    def sign_in(self, email: str = "alice@example.org", role: str = "user") -> dict[str, str]:
        person = {"email": email, "role": role}
        login: dict[str, str] = self.http.post("/people", params=person).raise_for_status().json()
        return login

    def asks(self, login: dict[str, str], method: str = "GET", path: str = "/whoami") -> int:
        return self.http.request(method, path, headers=bearer(login)).status_code

    @contextmanager
    def streaming(self, login: dict[str, str]) -> Iterator[Iterator[str]]:
        """A stream under this login that is open and has nothing more to say; gives the names of its later events."""
        with self.http.stream("GET", "/ticks", headers=bearer(login)) as stream:
            events = (line for line in stream.iter_lines() if line.startswith("event"))
            assert next(events) == "event: tick"
            yield events


@contextmanager
def workers(database_url: str, directory: Path, *more: str) -> Iterator[tuple[Worker, Worker]]:
    async def make_tables() -> None:
        engine = create_async_engine(database_url)
        await migrate(engine)
        await engine.dispose()

    asyncio.run(make_tables())
    command = [sys.executable, "-m", "testbed.authkeep_app", database_url, str(directory / "keys.json")]
    with ExitStack() as stack:
        started = []
        for _ in range(2):
            process = stack.enter_context(
                subprocess.Popen([*command, str(LEASE_SECONDS), *more], stdout=subprocess.PIPE, text=True)
            )
            stack.callback(process.terminate)
            assert process.stdout is not None
            started.append(Worker(process.stdout.readline().strip()))
            stack.callback(started[-1].http.close)
        # The first is the administrator, whom nobody could disable.
        started[0].sign_in("admin@example.org", "admin")
        yield started[0], started[1]


@pytest.fixture(scope="module", params=["sqlite", "postgres", "valkey"])
def two(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Worker, Worker]]:
    directory = tmp_path_factory.mktemp("workers")
    more = [request.getfixturevalue("valkey").url] if request.param == "valkey" else []
    if request.param == "sqlite":
        url = f"sqlite+aiosqlite:///{directory}/app.db"
    else:
        postgres = request.getfixturevalue("postgres")
        url = postgres.url(postgres.create_database())
    with workers(url, directory, *more) as started:
        yield started


def logout(here: Worker, login: dict[str, str]) -> None:
    assert here.asks(login, "POST", "/auth/logout") == 204


def logout_all(here: Worker, login: dict[str, str]) -> None:
    assert here.asks(here.sign_in(), "POST", "/auth/logout-all") == 204


def disable(here: Worker, login: dict[str, str]) -> None:
    here.http.post(f"/people/{login['user_id']}/disable").raise_for_status()


def change_role(here: Worker, login: dict[str, str]) -> None:
    here.http.post(f"/people/{login['user_id']}/promote").raise_for_status()


# Disabling comes last: nobody signs in as alice after that.
@pytest.mark.parametrize("end", [logout, logout_all, change_role, disable])
def test_an_ended_login_is_refused_and_its_stream_ended_in_the_other_process(
    two: tuple[Worker, Worker], end: Callable[[Worker, dict[str, str]], None]
) -> None:
    here, there = two
    login, bob = here.sign_in(), here.sign_in("bob@example.org")
    assert there.asks(login) == 200
    with there.streaming(login) as events, there.streaming(bob):
        end(here, login)
        assert list(events) == ["event: login_ended"]
        assert there.asks(login) == 401
    assert there.asks(bob) == 200


def test_a_token_is_not_good_for_longer_because_the_listening_connections_were_killed(
    tmp_path: Path, postgres: PostgresServer
) -> None:
    database = postgres.create_database()
    with workers(postgres.url(database), tmp_path) as (here, there):
        for _ in range(5):
            login = here.sign_in()
            assert there.asks(login) == 200
            with there.streaming(login) as events:
                until(lambda: int(postgres.execute(KILL_LISTENERS, database=database)) >= 1)
                assert here.asks(login, "POST", "/auth/logout") == 204
                assert list(events) == ["event: login_ended"]
            assert there.asks(login) == 401
    postgres.drop_database(database)


def test_without_a_database_nobody_is_accepted_beyond_the_lease_and_with_it_everybody_again(tmp_path: Path) -> None:
    with ExitStack() as stack:
        postgres = obtain(lambda: stack.enter_context(running_postgres()))
        here, there = stack.enter_context(workers(postgres.url(postgres.create_database()), tmp_path))
        ended, kept = here.sign_in(), here.sign_in("bob@example.org")
        assert here.asks(ended, "POST", "/auth/logout") == 204
        until(lambda: there.asks(ended) == 401)
        postgres.stop()
        until(lambda: there.asks(kept) == 503)
        # What is known to be dead is dead, whether or not the database can say so.
        assert there.asks(ended) == 401
        postgres.start()
        until(lambda: there.asks(kept) == 200)
        assert here.asks(kept, "POST", "/auth/logout") == 204
        until(lambda: there.asks(kept) == 401)


@contextmanager
def paused(process: "subprocess.Popen[bytes]") -> Iterator[None]:
    process.send_signal(signal.SIGSTOP)
    try:
        yield
    finally:
        process.send_signal(signal.SIGCONT)


def test_with_valkey_paused_or_restarted_a_logout_still_bites(tmp_path: Path, postgres: PostgresServer) -> None:
    with ExitStack() as stack:
        valkey: ValkeyServer = obtain(lambda: stack.enter_context(running_valkey()))
        database = postgres.create_database()
        here, there = stack.enter_context(workers(postgres.url(database), tmp_path, valkey.url))
        logins = [here.sign_in() for _ in range(3)]
        assert [there.asks(login) for login in logins] == [200] * 3
        assert valkey.process is not None
        with paused(valkey.process):
            assert here.asks(logins[0], "POST", "/auth/logout") == 204
            until(lambda: there.asks(logins[0]) == 401)
        valkey.stop()
        assert here.asks(logins[1], "POST", "/auth/logout") == 204
        until(lambda: there.asks(logins[1]) == 401)
        valkey.start()
        assert here.asks(logins[2], "POST", "/auth/logout") == 204
        until(lambda: there.asks(logins[2]) == 401)

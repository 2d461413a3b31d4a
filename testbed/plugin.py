"""The pytest plugin: a test asks for what it needs by name.

For a server that the test stops in the middle there are `testbed.postgres.running_postgres` and
`testbed.valkey.running_valkey`.
"""

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from testbed.chromium import find_chromium
from testbed.node import Node, find_node, find_programs
from testbed.postgres import PostgresServer, running_postgres
from testbed.unavailable import obtain, report
from testbed.valkey import ValkeyServer, running_valkey


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """The PostgreSQL server of this run: `create_database()`, `execute()`."""
    with ExitStack() as stack:
        yield obtain(lambda: stack.enter_context(running_postgres()))


@pytest.fixture
def postgres_url(postgres: PostgresServer) -> Iterator[str]:
    """A database that no other test has, as `postgresql+asyncpg://...`."""
    database = postgres.create_database()
    yield postgres.url(database)
    postgres.drop_database(database)


@pytest.fixture(scope="session")
def valkey() -> Iterator[ValkeyServer]:
    """The Valkey server of this run."""
    with ExitStack() as stack:
        yield obtain(lambda: stack.enter_context(running_valkey()))


@pytest.fixture
def valkey_url(valkey: ValkeyServer) -> str:
    """An empty Valkey, as `redis://...`."""
    valkey.command("FLUSHALL")
    return valkey.url


@pytest.fixture(scope="session")
def node() -> Node:
    """Node.js with the JavaScript clients of node/package.json: `run(script, *arguments)`."""
    return obtain(find_node)


@pytest.fixture(scope="session")
def chromium() -> Iterator[Path]:
    """The path of a Chromium, for Playwright's `executable_path`; see `testbed.chromium.launch_flags`."""
    binary, _ = obtain(find_programs)
    with pytest.MonkeyPatch.context() as patch:
        # Playwright's own node wants a libatomic.so.1 that a bare machine lacks; ours does not.
        patch.setenv("PLAYWRIGHT_NODEJS_PATH", str(binary))
        yield obtain(find_chromium)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Pytest's hook for the order of the tests: those in a browser come last."""
    # Playwright's synchronous driver keeps an event loop running for as long as it lives, and in that time no test of
    # asyncio's can start one of its own.
    items.sort(key=lambda item: "chromium" in getattr(item, "fixturenames", ()))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Pytest's hook for the end of a run."""
    report(terminalreporter)

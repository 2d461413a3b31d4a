"""A server for the journeys: one process for all tests that only use it, each with people of their own."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from testbed.chatkeep_server import GENEROUS, ServerProcess, running_server
from testbed.people import Person


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """A server with the scripted model and without the page. The administrator is registered already."""
    data_dir: Path = tmp_path_factory.mktemp("server") / "data"
    with running_server(data_dir, {**GENEROUS, "CHATKEEP_PAGE": "false"}) as process:
        Person(process.url, "admin").register()
        yield process


@pytest.fixture
def person(server: ServerProcess) -> Callable[[str], Person]:
    """Make a registered, signed-in user of that server."""
    return lambda name: Person(server.url, name).register()


@pytest.fixture
def alice(person: Callable[[str], Person]) -> Person:
    return person("alice")


@pytest.fixture
def bob(person: Callable[[str], Person]) -> Person:
    return person("bob")

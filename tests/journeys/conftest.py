"""A server for the journeys: one process for all tests that only use it, each with people of their own."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from testbed.chatkeep_server import GENEROUS, ServerProcess, running_server
from testbed.people import Person


@pytest.fixture(scope="session")
def administered(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[ServerProcess, Person]]:
    """A server with the scripted model and without the page, and its administrator."""
    data_dir: Path = tmp_path_factory.mktemp("server") / "data"
    with running_server(data_dir, {**GENEROUS, "CHATKEEP_PAGE": "false"}) as process:
        yield process, Person(process.url, "admin").register()


@pytest.fixture(scope="session")
def server(administered: tuple[ServerProcess, Person]) -> ServerProcess:
    """That server. The administrator is registered already."""
    return administered[0]


@pytest.fixture
def admin(administered: tuple[ServerProcess, Person]) -> Person:
    """The administrator, signed in just now."""
    return administered[1].sign_in()


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

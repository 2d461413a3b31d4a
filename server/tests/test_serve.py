"""What the server does to its own process before it serves."""

import resource
from collections.abc import Iterator

import pytest

from chatkeep.serve import allow_many_streams


@pytest.fixture
def few_files() -> Iterator[int]:
    """A process that was started with a small limit, which it may raise; the most it may is returned."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (256, before[1]))
    yield before[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, before)


def test_the_server_may_open_as_many_files_as_the_machine_lets_it(few_files: int) -> None:
    allow_many_streams()
    assert resource.getrlimit(resource.RLIMIT_NOFILE) == (few_files, few_files)

"""One running site for the tests of a module; each test starts with an API that knows nobody."""

from collections.abc import Iterator

import pytest

from ui.tests.api_stand_in import ApiStandIn
from ui.tests.site import Browser, Site, running_site


@pytest.fixture(scope="module")
def running() -> Iterator[Site]:
    with running_site(ApiStandIn()) as site:
        yield site


@pytest.fixture
def site(running: Site) -> Iterator[Site]:
    vars(running.api).update(vars(ApiStandIn()))
    yield running
    running.close_browsers()


@pytest.fixture
def browser(site: Site) -> Browser:
    return site.browser()


@pytest.fixture
def ada(site: Site) -> Browser:
    """A signed-in browser."""
    return site.signed_in()

"""A page that follows another, or has no API behind it. Each test opens its own: a process has one at a time."""

import pytest

from chatkeep_ui.page import create_page
from ui.tests.api_stand_in import ApiStandIn
from ui.tests.site import KEY, running_site


def test_a_restart_of_the_server_keeps_people_signed_in() -> None:
    api = ApiStandIn()
    with running_site(api) as site:
        before = site.signed_in()
        jar = dict(before.http.cookies)
    with running_site(api) as site:
        after = site.browser(**jar)
        assert after.get("/").status_code == 200
        assert after.http.cookies["authkeep_refresh"] != jar["authkeep_refresh"]
        assert after.http.cookies["chatkeep_page"] != jar["chatkeep_page"]


def test_an_unreachable_api_is_said_in_words() -> None:
    with running_site(ApiStandIn(), api_url="http://127.0.0.1:1") as site:
        browser = site.browser()
        for path in ("/sign-in", "/register"):
            answer = browser.get(path)
            assert answer.status_code == 503
            assert "does not answer" in answer.text


async def test_a_second_page_in_the_same_process_is_refused_in_words() -> None:
    first, second = create_page("http://127.0.0.1:1", KEY, None), create_page("http://127.0.0.1:1", KEY, None)

    async with first.lifespan():
        with pytest.raises(RuntimeError, match="one at a time"):
            async with second.lifespan():
                pass
    async with second.lifespan():
        pass

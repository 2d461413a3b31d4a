"""Behind a proxy that ends TLS and rewrites Host: what a neighbour may try, and what must work."""

from collections.abc import Iterator

import httpx
import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect
from websockets.typing import Origin

from ui.tests.api_stand_in import ApiStandIn
from ui.tests.site import PASSWORD, Site, running_site

OURS = "https://chat.example.org"


@pytest.fixture(scope="module")
def running() -> Iterator[Site]:
    with running_site(ApiStandIn(), public_url=OURS) as site:
        yield site


def signed_in(site: Site, email: str) -> dict[str, str]:
    """The cookies of somebody who has just registered: a browser here would not send Secure ones by plain http."""
    answer = site.browser().submit("/register", email=email, password=PASSWORD)
    return dict(cookie.split(";")[0].split("=", 1) for cookie in answer.headers.get_list("set-cookie"))


def visit(site: Site, cookie: str) -> httpx.Response:
    return site.browser().get("/", Cookie=cookie)


def header(cookies: dict[str, str]) -> str:
    return "; ".join(f"{name}={value}" for name, value in cookies.items())


def test_who_is_signed_in_comes_in(site: Site) -> None:
    cookies = signed_in(site, "ada@example.org")

    assert set(cookies) == {"__Host-authkeep_refresh", "__Host-chatkeep_page"}
    assert visit(site, header(cookies)).status_code == 200


@pytest.mark.parametrize(
    "plant",
    [
        "authkeep_refresh={token}",
        "authkeep_refresh={token}; chatkeep_page={key}",
        r'authkeep_refresh="x\073 __Host-authkeep_refresh={token}"',
        r'__Host-authkeep_refresh="x\073 __Host-authkeep_refresh={token}"',
        r'__Host-authkeep_refresh="{token}"',
        "\xa0__Host-authkeep_refresh={token}",
        "authkeep_refresh=__Host-authkeep_refresh={token}",
    ],
)
def test_session_fixation_by_a_planted_refresh_cookie(site: Site, plant: str) -> None:
    attackers = signed_in(site, "eve@example.org")
    planted = plant.format(token=attackers["__Host-authkeep_refresh"], key=attackers["__Host-chatkeep_page"])
    answer = site.browser().http.get("/", headers={b"Cookie": planted.encode("latin-1")})

    assert answer.headers["location"].startswith("/sign-in")
    assert site.api.refreshes == 0
    assert not any(cookie.split("=")[1].startswith("akr_") for cookie in answer.headers.get_list("set-cookie"))


def test_a_planted_cookie_does_not_get_before_ones_own(site: Site) -> None:
    attackers, own = signed_in(site, "eve@example.org"), signed_in(site, "ada@example.org")
    planted = (
        f"authkeep_refresh={attackers['__Host-authkeep_refresh']}; chatkeep_page={attackers['__Host-chatkeep_page']}"
    )

    assert visit(site, f"{planted}; {header(own)}").status_code == 200
    assert stream(site, f"{planted}; {header(own)}", OURS) == 101
    assert stream(site, planted, OURS) == 403


def test_a_rubbish_cookie_is_cleared(site: Site) -> None:
    answer = visit(site, "__Host-authkeep_refresh=rubbish")

    cleared = [cookie for cookie in answer.headers.get_list("set-cookie") if "Max-Age=0" in cookie]
    assert any(cookie.startswith("__Host-authkeep_refresh=") for cookie in cleared)


def stream(site: Site, cookie: str, origin: str) -> int:
    """Open Streamlit's websocket as through a proxy: Host is the page's inner address."""
    url = site.url.replace("http", "ws") + "/_stcore/stream"
    try:
        with connect(url, origin=Origin(origin), additional_headers={"Cookie": cookie}, proxy=None):
            return 101
    except InvalidStatus as refused:
        return refused.response.status_code


def test_a_proxy_that_rewrites_host_does_not_break_the_websocket(site: Site) -> None:
    cookie = header(signed_in(site, "ada@example.org"))

    assert stream(site, cookie, OURS) == 101
    assert stream(site, cookie, OURS + ":443") == 101


@pytest.mark.parametrize("origin", ["http://chat.example.org", "null", "http://[", "https://chat.example.org:8443"])
def test_an_origin_that_is_ours_but_for_the_scheme_or_port(site: Site, origin: str) -> None:
    cookie = header(signed_in(site, "ada@example.org"))
    browser = site.browser()
    del browser.http.headers["Sec-Fetch-Site"]

    assert stream(site, cookie, origin) == 403
    assert browser.http.post("/session/renew", headers={"Cookie": cookie, "Origin": origin}).status_code == 403
    assert browser.http.post("/session/renew", headers={"Cookie": cookie, "Origin": OURS}).status_code == 204


def test_browsers_are_told_to_stay_with_https(site: Site) -> None:
    assert site.browser().get("/sign-in").headers["strict-transport-security"] == "max-age=31536000"

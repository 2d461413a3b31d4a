"""Staying signed in: F5, a restart of the server, two tabs, and the end of a login."""

from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from chatkeep_ui.api_requests import ApiRequests, Caller
from chatkeep_ui.auth_client import AuthClient
from ui.tests.api_stand_in import ApiStandIn, new_refresh_token
from ui.tests.site import KEY, Browser, Site


def test_f5_stays_signed_in_without_asking_the_api_again(ada: Browser, site: Site) -> None:
    assert [ada.get("/").status_code for _ in range(3)] == [200, 200, 200]
    assert site.api.refreshes == 0


def signed_in_with_an_expired_token(site: Site) -> Browser:
    site.api.token_life = 0
    browser = site.signed_in("late@example.org")
    site.api.token_life = 300
    return browser


def test_the_open_page_renews_in_place(site: Site) -> None:
    browser = signed_in_with_an_expired_token(site)
    key, refresh = browser.page_key, browser.http.cookies["authkeep_refresh"]

    answer = browser.http.post("/session/renew")

    assert (answer.status_code, answer.content) == (204, b"")
    assert browser.page_key == key
    assert browser.http.cookies["authkeep_refresh"] != refresh


def test_two_tabs_that_renew_at_once_rotate_once(site: Site) -> None:
    browser = signed_in_with_an_expired_token(site)
    cookie = "; ".join(f"{name}={value}" for name, value in browser.http.cookies.items())
    with ThreadPoolExecutor(6) as tabs:
        answers = list(tabs.map(lambda _: renew(site, cookie), range(6)))

    assert answers == [204] * 6
    assert site.api.refreshes == 1


def renew(site: Site, cookie: str) -> int:
    return site.browser().http.post("/session/renew", headers={"Cookie": cookie}).status_code


def test_a_login_that_has_ended_leads_to_the_sign_in_page(ada: Browser, site: Site) -> None:
    browser = site.browser(authkeep_refresh="gone", chatkeep_page="gone")

    assert browser.http.post("/session/renew").status_code == 401
    away = browser.get("/")
    assert away.headers["location"] == "/sign-in?because=ended"
    assert not list(browser.http.cookies.jar)
    assert "Your sign-in has ended" in browser.get("/sign-in?because=ended").text


def test_the_api_learns_the_browsers_address_and_that_we_may_say_it(ada: Browser, site: Site) -> None:
    _, _, headers = next(seen for seen in site.api.seen if seen[1] == "/auth/login")

    assert headers["x-forwarded-for"] == "127.0.0.1"
    assert headers["x-forwarded-proto"] == "http"
    assert headers["x-chatkeep-forwarding-key"] == KEY


def test_a_browser_cannot_present_the_forwarding_key_through_us(site: Site) -> None:
    browser = site.browser()
    browser.http.headers.update({"X-Chatkeep-Forwarding-Key": "guess", "X-Forwarded-For": "6.6.6.6"})
    browser.get("/sign-in")

    _, _, headers = site.api.seen[-1]
    assert headers["x-chatkeep-forwarding-key"] == KEY
    assert headers["x-forwarded-for"] == "6.6.6.6, 127.0.0.1"


def test_the_api_learns_that_somebody_has_signed_in_with_this_browser_before(site: Site) -> None:
    for token, passed_on in (("akd_" + "x" * 59, True), ("akd_x", False), ('"akd_' + "x" * 59 + '"', False)):
        site.browser(authkeep_device=token).get("/sign-in")
        assert (site.api.seen[-1][2].get("authkeep-device") == token) is passed_on


def test_a_stranger_does_not_pass_for_the_browser_that_was_here_before(ada: Browser, site: Site) -> None:
    site.api.seen.clear()
    site.browser().get("/sign-in")
    assert site.api.seen
    assert not [headers["cookie"] for _, _, headers in site.api.seen if "cookie" in headers]


def test_a_forged_forwarding_line_does_not_hide_the_one_a_proxy_appends(site: Site) -> None:
    site.browser().http.get("/sign-in", headers=[("X-Forwarded-For", "6.6.6.6"), ("X-Forwarded-For", "9.9.9.9")])

    _, _, headers = site.api.seen[-1]
    assert headers["x-forwarded-for"] == "6.6.6.6, 9.9.9.9, 127.0.0.1"


@pytest.mark.parametrize("name", ["User-Agent", "X-Forwarded-For"])
def test_a_header_that_is_not_ascii_does_no_harm(site: Site, name: str) -> None:
    answer = site.browser().http.get("/sign-in", headers={name.encode(): "caf\xe9 \u202e".encode()})

    assert answer.status_code in (200, 303)
    assert site.api.seen[-1][2][name.lower()].startswith("caf")


@pytest.mark.parametrize(
    "cookie", [b"authkeep_refresh=\xe9", b"authkeep_refresh=\xff\x80; chatkeep_page=\xe9", b"\xe9"]
)
def test_a_cookie_that_is_not_ascii_means_not_signed_in(site: Site, cookie: bytes) -> None:
    answer = site.browser().http.get("/", headers={b"Cookie": cookie})

    assert answer.headers["location"].startswith("/sign-in")
    assert site.api.refreshes == 0


def cookie_header(browser: Browser, *names: str) -> str:
    return "; ".join(f"{name}={browser.http.cookies[name]}" for name in names or ("authkeep_refresh", "chatkeep_page"))


def renewed_with(site: Site, cookie: str) -> list[str]:
    """The cookies that a renewal sets."""
    answer = site.browser().http.post("/session/renew", headers={"Cookie": cookie})
    assert answer.status_code == 204
    return answer.headers.get_list("set-cookie")


def test_a_rotated_cookie_that_got_lost_on_the_way_is_sent_again(site: Site) -> None:
    before = cookie_header(signed_in_with_an_expired_token(site))
    lost = renewed_with(site, before)

    assert renewed_with(site, before) == lost != []
    assert site.api.refreshes == 1
    arrived = before.replace(before.split(";")[0], lost[0].split(";")[0])
    assert [renewed_with(site, cookie) for cookie in (arrived, before)] == [[], []]


def test_a_cookie_that_got_lost_is_rotated_on_when_the_old_one_would_count_as_stolen(site: Site) -> None:
    before = cookie_header(signed_in_with_an_expired_token(site))
    site.api.token_life = 0
    renewed_with(site, before)
    site.api.grace = False

    assert renewed_with(site, before)[0].startswith("authkeep_refresh=akr_")
    assert site.api.refreshes == 2
    assert len(site.api.refresh) == 1


def test_a_flood_of_visits_without_a_page_cookie_opens_one_sign_in(ada: Browser, site: Site) -> None:
    cookie = cookie_header(ada, "authkeep_refresh")
    answers = [site.browser().get("/", Cookie=cookie) for _ in range(5)]
    keys = {cookies for answer in answers for cookies in answer.headers.get_list("set-cookie") if "_page=" in cookies}

    assert len(keys) == 1
    assert site.api.refreshes == 1


def test_replaying_the_old_cookie_after_signing_out(site: Site) -> None:
    browser = signed_in_with_an_expired_token(site)
    old = cookie_header(browser, "authkeep_refresh")
    browser.http.post("/session/renew")
    browser.submit("/sign-out")
    answer = site.browser().get("/", Cookie=old)

    assert answer.headers["location"].startswith("/sign-in")
    assert not site.api.access


class LosesTheFirstAnswer(httpx.AsyncBaseTransport):
    """The request arrives; its answer does not."""

    def __init__(self, api: ApiStandIn) -> None:
        self._inner = httpx.ASGITransport(api.app())
        self._lost = False

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        answer = await self._inner.handle_async_request(request)
        if not self._lost:
            self._lost = True
            raise httpx.ReadTimeout("lost")
        return answer


async def test_a_rotation_whose_answer_is_lost_is_asked_for_again_at_once() -> None:
    api, token = ApiStandIn(), new_refresh_token()
    api.users["ada"] = {"id": "1", "email": "ada", "name": "", "role": "user"}
    api.refresh[token], api.login_of[token] = "ada", "login"
    async with httpx.AsyncClient(transport=LosesTheFirstAnswer(api), base_url="http://api") as http:
        granted = await AuthClient(ApiRequests(http)).refresh(Caller("", "http", ""), f"authkeep_refresh={token}")

    assert api.refreshes == 2
    assert api.successors[token] in granted.set_cookies[0]

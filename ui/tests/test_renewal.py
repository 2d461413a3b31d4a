"""Staying signed in: F5, a restart of the server, two tabs, and the end of a login."""

from concurrent.futures import ThreadPoolExecutor

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

"""What passes the front door and what does not."""

import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from ui.tests.site import PASSWORD, Browser, Site

STREAMLITS_OWN = [
    "/_stcore/upload_file/a/b",
    "/_stcore/metrics",
    "/_stcore/script-health-check",
    "/_stcore/agent/openapi.json",
    "/_stcore/agent/interact",
    "/_stcore/agent/mcp",
    "/_stcore/bidi-components/x",
    "/_stcore/stream",
    "/component/x/index.html",
    "/media/x.png",
    "/app/static/x",
    "/oauth2callback",
    "/auth/login/streamlit",
]


@pytest.mark.parametrize("path", ["/chat/sesions", "/nothing", "/index.html", "/pages/a", "//evil", *STREAMLITS_OWN])
def test_what_is_not_served_is_a_404_problem(ada: Browser, path: str) -> None:
    for method in ("GET", "POST", "PUT", "DELETE"):
        answer = ada.http.request(method, ada.site.url + path)
        assert answer.status_code == 404, (method, answer.text[:200])
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.json()["code"] == "not_found"


def test_a_wrong_method_is_a_405_problem(browser: Browser) -> None:
    answer = browser.http.put("/sign-in")

    assert answer.status_code == 405
    assert answer.json()["code"] == "method_not_allowed"


def test_the_page_carries_no_trace_of_a_token(ada: Browser, site: Site) -> None:
    answer = ada.get("/")

    assert answer.headers["cache-control"] == "no-store"
    for token in [*site.api.access, *site.api.refresh]:
        assert token not in answer.text


def test_every_cookie_is_out_of_reach_of_scripts(site: Site) -> None:
    answer = site.browser().submit("/register", email="ada@example.org", password=PASSWORD)
    cookies = answer.headers.get_list("set-cookie")

    assert {cookie.split("=")[0] for cookie in cookies} == {"authkeep_refresh", "chatkeep_page"}
    assert all("httponly" in cookie.lower() and "samesite=lax" in cookie.lower() for cookie in cookies)


def test_nothing_is_loaded_from_elsewhere_and_no_inline_script_runs(ada: Browser) -> None:
    for path in ("/", "/sign-out"):
        policy = ada.get(path).headers["content-security-policy"]
        script = next(part for part in policy.split("; ") if part.startswith("script-src"))
        assert script == "script-src 'self'"
        assert "http" not in policy
        assert "frame-ancestors 'none'" in policy
    assert "<script>" not in ada.get("/").text


@pytest.mark.parametrize("path", ["/", "/sign-in", "/nothing", "/assets/page.js", "/_stcore/health"])
def test_every_answer_carries_the_security_headers(ada: Browser, path: str) -> None:
    headers = ada.get(path).headers

    assert headers["x-content-type-options"] == "nosniff"
    assert headers["x-frame-options"] == "DENY"
    assert headers["referrer-policy"] == "same-origin"
    assert "strict-transport-security" not in headers


@pytest.mark.parametrize(
    "headers",
    [
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Sec-Fetch-Site": "", "Origin": "https://evil.example"},
        {"Sec-Fetch-Site": "", "Origin": "null"},
    ],
)
def test_login_csrf(ada: Browser, site: Site, headers: dict[str, str]) -> None:
    sent = {name: value for name, value in headers.items() if value}
    for path in ("/sign-in", "/register", "/sign-out", "/session/renew"):
        form = {"email": "ada@example.org", "password": PASSWORD}
        browser = site.browser()
        del browser.http.headers["Sec-Fetch-Site"]
        answer = browser.http.post(path, data=form, headers=sent)
        assert answer.status_code == 403, path
        assert "set-cookie" not in answer.headers


def websocket(browser: Browser, origin: str | None, cookie: str) -> int:
    """Try to open Streamlit's stream; the HTTP status of the answer."""
    url = browser.site.url.replace("http", "ws") + "/_stcore/stream"
    headers = {"Cookie": cookie} if cookie else {}
    try:
        with connect(url, origin=origin, additional_headers=headers, proxy=None) as stream:  # type: ignore[arg-type]
            return 101 if stream.response is not None else 0
    except InvalidStatus as refused:
        return refused.response.status_code


def cookie_header(browser: Browser, *names: str) -> str:
    return "; ".join(f"{name}={browser.http.cookies[name]}" for name in names)


def test_cross_site_websocket_hijacking(ada: Browser) -> None:
    cookie = cookie_header(ada, "chatkeep_page", "authkeep_refresh")

    assert websocket(ada, ada.site.url, cookie) == 101
    assert websocket(ada, "https://evil.example", cookie) == 403
    assert websocket(ada, None, cookie) == 403


def test_a_websocket_needs_a_sign_in(ada: Browser) -> None:
    assert websocket(ada, ada.site.url, "") == 403
    assert websocket(ada, ada.site.url, "chatkeep_page=guess; authkeep_refresh=guess") == 403


def test_session_fixation_by_a_planted_page_cookie(ada: Browser, site: Site) -> None:
    """The attacker's own page key, planted in the victim's browser, opens nothing there and is never filled."""
    victim = site.signed_in("victim@example.org")
    victims_cookie = f"chatkeep_page={ada.page_key}; " + cookie_header(victim, "authkeep_refresh")

    assert websocket(victim, site.url, victims_cookie) == 403
    victim.http.cookies.set("chatkeep_page", ada.page_key, domain="127.0.0.1", path="/")
    answer = victim.http.get("/")
    assert f"chatkeep_page={ada.page_key}" not in str(answer.headers.get_list("set-cookie"))
    assert any(cookie.startswith("chatkeep_page=") for cookie in answer.headers.get_list("set-cookie"))

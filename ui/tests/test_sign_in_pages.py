"""The forms, as a browser without JavaScript sees them."""

import re

import pytest

from ui.tests.api_stand_in import problem
from ui.tests.site import PASSWORD, Browser, Site


def test_a_fresh_install_greets_its_first_user_as_administrator(browser: Browser) -> None:
    answer = browser.http.get("/", follow_redirects=True)

    assert answer.url.path == "/register"
    assert "becomes the <strong>administrator</strong>" in answer.text
    assert 'name="setup_code"' not in answer.text


def test_registering_signs_in_at_once(site: Site, browser: Browser) -> None:
    answer = browser.submit("/register", email="ada@example.org", password=PASSWORD, name="Ada")

    assert (answer.status_code, answer.headers["location"]) == (303, "/")
    assert browser.get("/").status_code == 200
    assert site.api.users["ada@example.org"]["name"] == "Ada"


def test_the_password_rule_is_said_before_it_is_broken(browser: Browser) -> None:
    text = browser.get("/register").text

    assert "At least 15 characters" in text
    assert re.search(r'<input id="password"[^>]*minlength="15"[^>]*aria-describedby="password-says"', text)


def test_a_refused_registration_keeps_what_was_typed_except_the_password(browser: Browser) -> None:
    answer = browser.submit("/register", email="ada@example.org", password="my password is long", name="Ada")

    assert answer.status_code == 422
    assert "This one is on every list." in answer.text
    assert 'value="ada@example.org"' in answer.text
    assert "my password is long" not in answer.text


def test_a_taken_address_is_said_beside_the_address(ada: Browser, site: Site) -> None:
    answer = site.browser().submit("/register", email="ada@example.org", password=PASSWORD)

    assert answer.status_code == 409
    assert re.search(r'id="email-says">[^<]*exists already', answer.text)


def test_the_setup_code_is_asked_for_only_where_it_is_needed(site: Site, browser: Browser) -> None:
    site.api.setup_code = "K7-QX"
    assert 'name="setup_code"' in browser.get("/register").text

    wrong = browser.submit("/register", email="ada@example.org", password=PASSWORD, setup_code="K8")
    assert re.search(r'id="setup_code-says">That is not the setup code', wrong.text)

    right = browser.submit("/register", email="ada@example.org", password=PASSWORD, setup_code=" K7-QX ")
    assert right.status_code == 303


def test_a_closed_install_says_whom_to_ask(ada: Browser, site: Site) -> None:
    site.api.registration_open = False

    assert "Ask its administrator" in site.browser().get("/register").text
    assert "Create an account" not in site.browser().get("/sign-in").text


def test_a_wrong_password_and_an_unknown_address_look_the_same(ada: Browser, site: Site) -> None:
    wrong = site.browser().submit("/sign-in", email="ada@example.org", password="not this one at all")
    unknown = site.browser().submit("/sign-in", email="eve@example.org", password="not this one at all")

    assert wrong.status_code == unknown.status_code == 401
    assert wrong.text.replace("ada@", "eve@") == unknown.text


def test_signing_in_leads_back_to_the_chat_one_came_for(ada: Browser, site: Site) -> None:
    chat = "01a204c9-5576-74dd-a0e5-3ae86741e479"
    away = site.browser().get(f"/?chat={chat}")
    answer = site.browser().submit("/sign-in", email="ada@example.org", password=PASSWORD, chat=chat)

    assert away.headers["location"] == f"/sign-in?chat={chat}"
    assert answer.headers["location"] == f"/?chat={chat}"


@pytest.mark.parametrize("chat", ["//evil.example", "https://evil.example", "../sign-out", "1\r\nSet-Cookie: a=b"])
def test_open_redirect_through_the_chat_field(ada: Browser, site: Site, chat: str) -> None:
    answer = site.browser().submit("/sign-in", email="ada@example.org", password=PASSWORD, chat=chat)

    assert answer.headers["location"] == "/"


def test_too_many_attempts_say_how_long_to_wait(browser: Browser, site: Site) -> None:
    refused = problem(429, "rate_limited", "Too many requests", {"Retry-After": "40"})
    site.api.refuse_login = refused

    answer = browser.submit("/sign-in", email="ada@example.org", password=PASSWORD)

    assert answer.status_code == 429
    assert answer.headers["retry-after"] == "40"
    assert "Try again in 40 seconds." in answer.text


def test_typed_markup_is_shown_not_run(browser: Browser, ada: Browser) -> None:
    answer = browser.submit("/sign-in", email='"><script>alert(1)</script>', password="x" * 20)

    assert "<script>alert" not in answer.text
    assert "&#34;&gt;&lt;script&gt;" in answer.text


def test_a_form_longer_than_any_honest_one_is_refused(browser: Browser) -> None:
    answer = browser.submit("/sign-in", email="a" * 100_000, password="b")

    assert answer.status_code == 413
    assert answer.headers["content-type"] == "application/problem+json"


def test_sign_out_ends_the_login_and_forgets_everything(ada: Browser, site: Site) -> None:
    answer = ada.submit("/sign-out")

    assert answer.headers["location"] == "/sign-in?because=signed-out"
    assert not site.api.refresh
    assert not list(ada.http.cookies.jar)
    assert ada.get("/").headers["location"] == "/sign-in"


def test_a_link_cannot_sign_anybody_out(ada: Browser) -> None:
    assert "Sign out?" in ada.get("/sign-out").text
    assert ada.get("/").status_code == 200


@pytest.mark.parametrize("status", [429, 503])
def test_a_sign_out_that_the_server_did_not_hear_of_is_not_called_done(ada: Browser, site: Site, status: int) -> None:
    site.api.refuse_logout = problem(status, "refused", "Not now", {"Retry-After": "5"})
    answer = ada.submit("/sign-out")

    assert answer.status_code == status
    assert "Signed out in this browser only" in answer.text
    assert "You are signed out" not in answer.text
    assert not list(ada.http.cookies.jar)
    assert site.api.refresh


def test_a_sign_out_after_the_login_has_ended_is_done(ada: Browser, site: Site) -> None:
    site.api.access.clear()
    site.api.refresh.clear()

    assert ada.submit("/sign-out").headers["location"] == "/sign-in?because=signed-out"


def test_a_sign_out_renews_to_end_a_login_whose_access_token_was_refused(ada: Browser, site: Site) -> None:
    site.api.access.clear()
    ada.submit("/sign-out")

    assert not site.api.refresh


@pytest.mark.parametrize("path", ["/sign-in", "/register"])
def test_signing_in_over_somebody_ends_their_login(ada: Browser, site: Site, path: str) -> None:
    if path == "/sign-in":
        site.signed_in("bob@example.org").submit("/sign-out")
    answer = ada.submit(path, email="bob@example.org", password=PASSWORD)

    assert answer.status_code == 303
    assert set(site.api.refresh.values()) == {"bob@example.org"}
    assert {email for email, _ in site.api.access.values()} == {"bob@example.org"}


def test_signing_in_over_somebody_works_when_their_login_cannot_be_ended(ada: Browser, site: Site) -> None:
    site.api.refuse_logout = problem(503, "unavailable", "Not now")

    assert ada.submit("/sign-in", email="ada@example.org", password=PASSWORD).status_code == 303
    assert ada.get("/").status_code == 200

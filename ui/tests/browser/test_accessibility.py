"""axe finds nothing, in both themes and at both widths, which need not be tried in every combination."""

from collections.abc import Callable

import pytest
from playwright.sync_api import BrowserContext, expect

from testbed.chatkeep_server import ServerProcess
from ui.tests.browser.people import PATIENCE, THEMES, Theme, tab, violations

pytestmark = [pytest.mark.browser, pytest.mark.slow]
LONG = """[[say # Tides
### Why
1. The Moon
2. The *Sun*

> Both

| Phase | Tide |
| --- | --- |
| New | spring |

```python
def height(t): return "three"  # metres
```

[NOAA](https://tides.example) ![chart](http://evil.example/x.png) `x`]]"""


@pytest.mark.parametrize(("theme", "width"), THEMES)
def test_axe_finds_no_violation(
    chat_server: ServerProcess, profile: Callable[..., BrowserContext], theme: Theme, width: int
) -> None:
    context = profile(viewport={"width": width, "height": 844}, color_scheme=theme, has_touch=width < 500)
    person = tab(context, chat_server.url)
    page = person.page
    found: dict[str, list[str]] = {}

    def look(name: str) -> None:
        found[name] = violations(page)

    for path in ("/sign-in", "/sign-out"):
        page.goto(chat_server.url + path)
        look(path)
    page.goto(f"{chat_server.url}/register")
    page.locator("form").evaluate("form => { form.noValidate = true; }")
    page.get_by_role("button", name="Create account").click()
    expect(page.get_by_text("Type your e-mail address.")).to_be_visible()
    look("a refused registration")
    person.register("Ada")
    look("an empty chat")
    person.say("[[delay 50ms]] count to 60")
    person.wait_for_number(5)
    look("a growing answer")
    expect(person.growing).to_have_count(0, timeout=PATIENCE)
    person.ask(LONG)
    look("a chat")
    if width < 500:
        page.get_by_test_id("stExpandSidebarButton").click()
        expect(page.get_by_role("button", name="New chat")).to_be_in_viewport()
        look("the side")
    for option in ("Rename", "Export"):
        person.choose("count to 60", option)
        expect(page.get_by_role("dialog")).to_be_visible()
        look(option)
        page.keyboard.press("Escape")
        expect(page.get_by_role("dialog")).to_have_count(0)
    assert {name: wrong for name, wrong in found.items() if wrong} == {}

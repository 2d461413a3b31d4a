"""The journey of the page, by hand of a browser."""

import re

import pytest
from playwright.sync_api import expect

from ui.tests.browser.people import PATIENCE, Tab, tab, violations

pytestmark = pytest.mark.browser
SLOWLY = "[[delay 40ms]] count to 150"


def test_text_grows_while_it_streams(ada: Tab) -> None:
    ada.say(SLOWLY)
    ada.wait_for_number(5)
    seen = [len(ada.numbers())]
    for number in (20, 40, 60):
        ada.wait_for_number(number)
        seen.append(len(ada.numbers()))

    assert seen == sorted(set(seen))
    assert seen[-1] < 150
    expect(ada.growing).to_have_count(0, timeout=PATIENCE)
    assert ada.answers.last.locator(".ck-words").inner_text().split() == [str(n) for n in range(1, 151)]


def test_stop_keeps_what_was_written_and_offers_to_try_again(ada: Tab) -> None:
    ada.say(SLOWLY)
    ada.wait_for_number(10)
    ada.stop.click()

    expect(ada.answers.last).to_contain_text("You stopped this answer", timeout=PATIENCE)
    written = ada.answers.last.locator(".ck-words").inner_text().split()
    assert 10 <= len(written) < 150
    expect(ada.stop).to_have_count(0)
    expect(ada.page.get_by_role("button", name="Try again")).to_be_visible()


def test_reload_in_mid_answer_goes_on(ada: Tab) -> None:
    ada.say(SLOWLY)
    ada.wait_for_number(20)
    ada.page.reload()
    ada.wait()
    ada.wait_for_number(100)

    expect(ada.growing).to_have_count(0, timeout=PATIENCE)
    assert ada.answers.last.locator(".ck-words").inner_text().split() == [str(n) for n in range(1, 151)]


def test_looking_elsewhere_in_mid_answer_loses_nothing(ada: Tab) -> None:
    ada.say(SLOWLY)
    ada.wait_for_number(10)
    ada.page.get_by_role("button", name="New chat").click()
    expect(ada.page.get_by_role("heading", name="Hello, Ada")).to_be_visible()
    ada.page.get_by_role("button", name="count to 150").first.click()

    ada.wait_for_number(60)


def test_two_people_see_only_their_own(ada: Tab, bob: Tab) -> None:
    ada.ask("The heron nests at dawn")
    bob.ask("Buy bread")
    bob.page.reload()
    bob.wait()

    expect(bob.page.get_by_role("button", name="Buy bread").first).to_be_visible()
    expect(bob.page.get_by_text("heron")).to_have_count(0)
    bob.page.goto(ada.page.url)
    expect(bob.page.get_by_role("heading", name="No such chat")).to_be_visible(timeout=PATIENCE)
    expect(bob.page.get_by_text("heron")).to_have_count(0)


def test_a_question_is_edited_an_answer_regenerated_and_nothing_is_lost(ada: Tab) -> None:
    ada.ask("The heron nests at dawn")
    ada.page.get_by_role("button", name="Regenerate").click()
    expect(ada.answers.last).to_contain_text("2/2", timeout=PATIENCE)
    ada.page.get_by_role("button", name="Edit").click()
    editor = ada.page.get_by_role("textbox", name="Your question")
    expect(editor).to_be_focused(timeout=PATIENCE)
    editor.fill("The otter sleeps at noon")
    ada.page.get_by_role("button", name="Send", exact=True).click()
    expect(ada.answers.last).to_contain_text("otter", timeout=PATIENCE)
    expect(ada.questions).to_have_count(1)
    assert violations(ada.page) == []

    ada.page.get_by_role("button", name="Previous question").press("Enter")
    expect(ada.questions.last).to_contain_text("heron", timeout=PATIENCE)
    expect(ada.answers.last).to_contain_text("2/2")
    expect(ada.page.get_by_role("button", name="Next question")).to_be_visible()
    ada.page.reload()
    expect(ada.questions.last).to_contain_text("heron", timeout=PATIENCE)
    ada.ask("And the kingfisher?")
    expect(ada.questions).to_have_count(2)


def test_two_tabs_of_a_chat_keep_in_step(ada: Tab) -> None:
    ada.ask("The heron nests at dawn")
    other = tab(ada.page.context, ada.url)
    other.page.goto(ada.page.url)
    expect(other.questions).to_have_count(1, timeout=PATIENCE)

    ada.say(SLOWLY)
    other.wait_for_number(20)
    other.stop.click()
    expect(ada.answers.last).to_contain_text("You stopped this answer", timeout=PATIENCE)
    expect(other.answers.last).to_contain_text("You stopped this answer", timeout=PATIENCE)


def test_the_address_names_the_chat(ada: Tab) -> None:
    ada.ask("The heron nests at dawn")

    assert re.search(r"\?chat=[0-9a-f-]{36}$", ada.page.url)
    ada.page.reload()
    expect(ada.questions).to_contain_text("The heron nests at dawn", timeout=PATIENCE)


def test_a_suggestion_begins_a_chat(ada: Tab) -> None:
    ada.page.get_by_role("button", name="Explain something").click()

    expect(ada.answers.first).to_contain_text("Explain in three sentences", timeout=PATIENCE)


def test_a_message_sent_too_early_comes_back_into_the_box(ada: Tab) -> None:
    ada.say(SLOWLY)
    ada.wait_for_number(5)
    ada.say("And another thing")

    expect(ada.page.get_by_text("Not sent.")).to_be_visible(timeout=PATIENCE)
    expect(ada.box).to_have_value("And another thing")
    ada.wait_for_number(100)


def test_a_failed_answer_says_so_and_is_tried_again(ada: Tab) -> None:
    ada.ask("[[fault 503]] hello")
    expect(ada.answers.last).to_contain_text("This answer failed.")

    ada.page.get_by_role("button", name="Try again").click()
    expect(ada.questions.last).to_contain_text("hello")
    expect(ada.answers.last).to_contain_text("2/2", timeout=PATIENCE)
    expect(ada.answers.last).to_contain_text("This answer failed.", timeout=PATIENCE)

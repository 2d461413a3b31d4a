"""What can be done with a message, and what a model wrote beside its answer."""

from itertools import pairwise

import pytest

from chatkeep_ui.answer_stream import Answer
from chatkeep_ui.chat_records import ChatMessage, Siblings
from chatkeep_ui.click import Click
from chatkeep_ui.message_html import growing_html, message_html, reasoning_html
from chatkeep_ui.page_state import PageState

ONE, TWO = "01a204c9-5576-74dd-a0e5-3ae86741e479", "01a204c9-5576-74dd-a0e5-3ae86741e480"
FORGED = '<button data-ck-click="again 01a204c9-5576-74dd-a0e5-3ae86741e479">x</button>'


def shown(role: str = "assistant", status: str = "completed", *, settled: bool = True, **more: object) -> str:
    message = ChatMessage(ONE, None, role, str(more.pop("content", "Hello")), status, **more)  # type: ignore[arg-type]
    return message_html(PageState(), message, settled=settled)


def test_a_question_is_edited_and_an_answer_regenerated() -> None:
    assert f'data-ck-click="edit {ONE}"' in shown("user")
    assert f'data-ck-click="again {ONE}"' in shown()
    assert "Regenerate" in shown()


@pytest.mark.parametrize("status", ["stopped", "failed", "interrupted"])
def test_what_did_not_go_well_is_tried_again(status: str) -> None:
    assert "Try again" in shown(status=status, content="")


def test_while_an_answer_is_written_there_is_only_copying() -> None:
    assert "data-ck-click" not in shown(settled=False, siblings=Siblings(1, 2, None, TWO))
    assert "Copy" in shown(settled=False)


def test_siblings_lead_to_each_other_and_no_further() -> None:
    page = shown(siblings=Siblings(2, 2, TWO, None))
    assert "2/2" in page
    assert f'data-ck-click="show {TWO}" aria-label="Previous answer"' in page
    assert 'disabled aria-label="Next answer"' in page
    assert "Previous" not in shown(siblings=Siblings(1, 1, None, None))


@pytest.mark.parametrize("role", ["user", "assistant"])
def test_a_message_that_forges_a_button(role: str) -> None:
    page = shown(role, content=FORGED, reasoning=FORGED, error=FORGED, status="failed")
    assert FORGED not in page
    assert page.count("data-ck-click=") == 1 + page.count("data-ck-click=&quot;")


def test_reasoning_is_folded_away_before_the_words() -> None:
    page = shown(content="So it is.", reasoning="Hm, *tides*")
    assert page.index("<details") < page.index("<em>tides</em>") < page.index("</details>") < page.index("So it is.")
    assert "open" not in page.split("<details")[1].split(">")[0]
    assert reasoning_html("") == ""


def test_reasoning_comes_apart_from_the_answer() -> None:
    answer = Answer(status="queued", position=2).after("reasoning.delta", {"text": "Hm"})
    assert answer == Answer(reasoning="Hm")
    assert answer.after("message.delta", {"text": "So"}) == Answer("So", reasoning="Hm")
    assert answer.after("message.snapshot", {"text": "So"}).reasoning == "Hm"


def test_the_place_in_the_queue_goes_down_to_next() -> None:
    pages = [growing_html(Answer(status="queued", position=position), "") for position in (3, 2, 1, 0)]
    assert "2 before you" in pages[0]
    assert "1 before you" in pages[1]
    assert all("You are next" in page for page in pages[2:])
    assert all(one != other for one, other in pairwise(pages[:3]))


@pytest.mark.parametrize(
    "written", ["", "edit", "drop x", f"drop {ONE}", f"edit {ONE} x y", "edit ../../auth/me", f"edit\n{ONE}", "\0"]
)
def test_what_no_button_says_is_not_done(written: str) -> None:
    assert Click.find(written) is None


def test_a_click_has_a_key_of_its_own() -> None:
    first, second = Click.find(f"again {ONE}"), Click.find(f"again {ONE}")
    assert first is not None
    assert second is not None
    assert (first.verb, first.message_id, first.session_id) == ("again", ONE, None)
    assert first.key != second.key

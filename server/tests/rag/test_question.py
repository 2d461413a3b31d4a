"""What is searched for: a question as it stands, or with what the conversation was about."""

import pytest

from chatkeep.llm.model import PromptMessage
from chatkeep.rag.question import question_to_search


def asked(*turns: str) -> str:
    """Of turns by turns, the person's first."""
    roles = ("user", "assistant")
    said = [PromptMessage(roles[n % 2], text) for n, text in enumerate(turns)]  # type: ignore[arg-type] # one of two
    return question_to_search([PromptMessage("system", "Be kind."), *said])


@pytest.mark.parametrize(
    ("turns", "wanted"),
    [
        (["How long is the parental leave at Contoso?", "26 weeks [1].", "And who pays it?"], "parental leave Contoso"),
        (["Who founded Acme?", "Jane Smith did, in 1987 [1].", "Where was she born?"], "Acme Jane Smith 1987"),
        (["Wie hoch ist die Kaution?", "Drei Monatsmieten [1].", "Wann bekomme ich sie zurück?"], "Kaution"),
        (["What is the torque of the M8 bolts?", "25 Nm [1].", "And M10?"], "torque bolts"),
        (["Qui a signé le contrat Lumière ?", "Anne Petit [1].", "Et quand ?"], "contrat Lumière Anne Petit"),
    ],
)
def test_a_question_that_leans_on_the_conversation_takes_its_words_along(turns: list[str], wanted: str) -> None:
    searched = asked(*turns)
    assert searched.startswith(turns[-1])
    assert set(wanted.split()) <= set(searched.split())


def test_a_question_that_stands_alone_is_searched_for_as_it_stands() -> None:
    question = "Which suppliers deliver hydraulic pumps to Rotterdam?"
    assert asked("How long is the parental leave?", "26 weeks.", question) == question
    assert asked("Thanks?") == "Thanks?"


def test_a_long_conversation_adds_few_words() -> None:
    searched = asked(*["Some Very Long Talk About Everything " * 200] * 8, "And it?")
    assert len(searched.split()) <= 2 + 8


def test_a_pasted_text_is_searched_for_by_its_ends() -> None:
    searched = asked("begin " + "x" * 100_000 + " end?")
    assert searched.startswith("begin")
    assert searched.endswith("end?")
    assert len(searched) < 3_000

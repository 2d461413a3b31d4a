"""Citations: what the passages do not bear out is taken out of an answer, however its text arrives."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatkeep.rag.citations import LONGEST_GROUP, CitationFilter

# What decides anything, and little else, so that it meets often.
SYMBOLS = ["[", "]", "1", "2", "9", "12", "0", ",", "-", " ", "\n", "`", "```", "~~~", "(", ":", "=", "x", "word", "\\"]
TEXTS = st.lists(st.sampled_from(SYMBOLS), max_size=40).map("".join)


def checked(text: str, passages: int = 4) -> tuple[str, set[int]]:
    citations = CitationFilter(passages)
    return citations.feed(text) + citations.end(), citations.cited


@pytest.mark.parametrize(
    ("written", "told", "cited"),
    [
        ("Blue [1].", "Blue [1].", {1}),
        ("Blue [9].", "Blue.", set()),
        ("Blue[9]. Red[2].", "Blue. Red[2].", {2}),
        ("Blue [1][2] and [3, 4].", "Blue [1][2] and [3, 4].", {1, 2, 3, 4}),
        ("Blue [1, 9], red [9, 8] [2].", "Blue [1], red [2].", {1, 2}),
        ("Blue [1][9][2].", "Blue [1][2].", {1, 2}),
        ("Blue [1-3], red [3-9].", "Blue [1-3], red [3, 4].", {1, 2, 3, 4}),
        ("- [12] is not there\n- [2] is", "- is not there\n- [2] is", {2}),
        ("A link [9](https://example.org)", "A link [9](https://example.org)", set()),
        ("[9]: https://example.org", "[9]: https://example.org", set()),
        ("In [2024] and [1234]", "In [2024] and [1234]", set()),
        ("See x[9], data_2[9] and a = [10, 20].", "See x[9], data_2[9] and a = [10, 20].", set()),
        ("Nothing is [0].", "Nothing is [0].", set()),
        ("Write \\[9].", "Write \\[9].", set()),
        ("[note] [9]", "[note]", set()),
        ("A space [9]  stays [9] ", "A space  stays ", set()),
        ("Open [", "Open [", set()),
        ("Open [1, ", "Open [1, ", set()),
    ],
)
def test_citations_hold_or_go(written: str, told: str, cited: set[int]) -> None:
    assert checked(written) == (told, cited)


@pytest.mark.parametrize(
    "code",
    [
        "Call `rows[9]` or ``rows[`9`][9]``.",
        "```python\nrow = table[9] [10]\n```",
        "~~~\n[9]\n```\n[9]\n~~~",
        "> ```\n> [9]\n> ```",
        "- ```\n  [9]\n  ```",
        "````\n```\n[9]\n````",
        "```\nnever closed [9]",
        "Said:\n\n    array [9]\n",
        "```one line [9]``` and `[9]`",
    ],
)
def test_an_array_in_code_is_no_citation(code: str) -> None:
    assert checked(code) == (code, set())


def test_after_code_citations_are_checked_again() -> None:
    assert checked("```\n[9]\n```\nSo [9] [1].") == ("```\n[9]\n```\nSo [1].", {1})
    assert checked("A ` alone\n\nand [9] [1].") == ("A ` alone\n\nand [1].", {1})
    assert checked("Not \\`code [9].")[0] == "Not \\`code."


@given(TEXTS, st.lists(st.integers(0, 80), max_size=8))
def test_the_outcome_does_not_depend_on_how_the_answer_is_cut(text: str, cuts: list[int]) -> None:
    citations = CitationFilter(4)
    edges = [0, *sorted(cuts), len(text)]
    told = [citations.feed(text[start:end]) for start, end in itertools.pairwise(edges)]
    assert ("".join(told) + citations.end(), citations.cited) == checked(text)


@given(TEXTS)
def test_what_was_checked_stays_as_it_is(text: str) -> None:
    told, cited = checked(text)
    assert checked(told) == (told, cited)


@given(TEXTS)
def test_with_all_passages_there_nothing_changes(text: str) -> None:
    assert checked(text, 999)[0] == text


@given(st.text())
def test_only_brackets_with_numbers_are_ever_changed(text: str) -> None:
    told, cited = checked(text)
    if told != text:
        assert "[" in text
    assert cited <= {1, 2, 3, 4}


@given(TEXTS)
def test_little_is_held_back(text: str) -> None:
    citations = CitationFilter(4)
    told = sum(len(citations.feed(character)) for character in text)
    kept = len(checked(text)[0])
    assert kept - told <= LONGEST_GROUP


@pytest.mark.parametrize("flood", ["[", "`", "[1", "[1,", " ", "[9] ", "~", "\n", "[" * 39 + "1"])
def test_a_model_that_floods_brackets_costs_little(flood: str) -> None:
    citations = CitationFilter(4)
    for _ in range(300):
        citations.feed(flood * 4)
        assert len(citations._held) <= LONGEST_GROUP
    citations.end()

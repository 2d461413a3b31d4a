"""Excerpts with the words that were looked for."""

from typing import Any

import pytest

from chatkeep_ui.search_hits import SearchHit

HIT = {"session_id": "s", "message_id": "m", "title": "Birds", "role": "user", "created_at": "2026-11-25T13:45:00Z"}


def marked(snippet: str, *highlights: Any) -> str:
    return SearchHit.read(HIT | {"snippet": snippet, "highlights": list(highlights)}).snippet_html()


def test_what_was_looked_for_is_marked() -> None:
    assert marked("The heron nests", [4, 9]) == "The <mark>heron</mark> nests"
    assert marked("a b a", [4, 5], [0, 1]) == "<mark>a</mark> b <mark>a</mark>"


def test_markup_in_a_message_stays_text() -> None:
    assert marked("<b>heron</b>", [3, 8]) == "&lt;b&gt;<mark>heron</mark>&lt;/b&gt;"
    assert marked("<mark>", [0, 1]) == "<mark>&lt;</mark>mark&gt;"


@pytest.mark.parametrize("place", [[-1, 2], [2, 1], [1, 1], [0, 99], [7, 8]])
def test_a_place_that_is_none_marks_nothing(place: list[int]) -> None:
    assert marked("heron", place) == "heron"


def test_places_that_overlap_are_marked_once() -> None:
    assert marked("heron", [0, 3], [1, 4]) == "<mark>her</mark>on"

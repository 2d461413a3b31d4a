"""Names that are made to deceive, or to cost."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from authkeep import InvalidName
from authkeep.display_name import MAX_LENGTH, clean_name

UNFIT = [
    *"\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\u200e\u200f\u061c",
    *"\u200b\u2060\ufeff\u00ad\U000e0041\x7f\x85\u2028\ud800",
]
# Persian with a ZWNJ, Devanagari with a ZWJ, an emoji of two.
NAMES = [
    "Jose\u0301",
    "\u0645\u06cc\u200c\u062e\u0648",
    "\u0915\u094d\u200d\u0937",
    "👩\u200d🚀 Ada",
    "O'Brien-Łukasz",
    "李",
]
BLANK = ["", " \u3000", "\u200d\u200c", "\u3164", "\u2800\u2800", "\u0301", "\u115f \uffa0"]


@pytest.mark.parametrize("char", UNFIT, ids=ascii)
def test_a_character_that_turns_or_hides_what_follows(char: str) -> None:
    with pytest.raises(InvalidName, match="cannot be shown"):
        clean_name(f"Alice{char}nimda")


@pytest.mark.parametrize("name", NAMES, ids=ascii)
def test_names_of_every_script_are_kept(name: str) -> None:
    assert clean_name(f"  {name}\u00a0") == unicodedata.normalize("NFC", name)


@pytest.mark.parametrize("name", BLANK, ids=ascii)
def test_a_name_without_anything_to_see_is_no_name(name: str) -> None:
    assert clean_name(name) == ""


def test_a_name_of_combining_marks_is_refused_before_it_is_normalised(normalised: list[int]) -> None:
    with pytest.raises(InvalidName, match=f"at most {MAX_LENGTH}"):
        clean_name("a" + "\u0301\u0316" * 8000)
    assert normalised == []


@given(st.text(max_size=300))
def test_a_cleaned_name_stays_as_it_is(name: str) -> None:
    try:
        cleaned = clean_name(name)
    except InvalidName:
        return
    assert clean_name(cleaned) == cleaned
    assert len(cleaned) <= MAX_LENGTH

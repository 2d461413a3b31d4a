"""What of a message is shown where it was found: some words around the place, and where in them the match is."""

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

MAX_WORDS = 20
_BEFORE = 60
_LENGTH = 200
_ACCENTS = re.compile("[\u0300-\u036f]")
_WORD = re.compile(r"[^\W_]+")
_SPACE = re.compile(r"\s")


@dataclass(frozen=True, slots=True)
class Snippet:
    """Plain text in one line; `highlights` are pairs of start and end in it, in characters, in order."""

    text: str
    highlights: list[tuple[int, int]]


class _Folded(dict[int, int]):
    """Each character as search sees it: small, and without its accent. One for one, so that places stay the same."""

    def __missing__(self, character: int) -> int:
        plain = _ACCENTS.sub("", unicodedata.normalize("NFKD", chr(character).lower()))
        self[character] = ord(plain[0]) if plain else character
        return self[character]


def words_of(query: str) -> list[str]:
    """The words that are looked for, letters and digits alone: nothing in them is anybody's query syntax."""
    return _WORD.findall(_ACCENTS.sub("", unicodedata.normalize("NFKD", query)))[:MAX_WORDS]


def is_beginning(word: str) -> bool:
    """Whether the last word of a query is looked for as the first part of one, too. Every twentieth word begins with
    this letter or that: SQLite would look at them all, whoever's they are. In other scripts a letter can be a word.
    """
    return len(word) > 1 or not word.isascii()


def snippet_of(text: str, words: Sequence[str]) -> Snippet:
    """The place in `text` where the first of `words` is found, or its beginning; the last word may be the first part of
    one.
    """
    folding = _Folded()
    folded = text.lower() if text.isascii() else text.translate(folding)
    wanted = [re.escape(word.translate(folding)) for word in words]
    whole = wanted[:-1] if is_beginning(words[-1]) else wanted
    patterns = [rf"{word}(?![^\W_])" for word in whole] + wanted[len(whole) :]
    looked_for = re.compile(rf"(?<![^\W_])(?:{'|'.join(patterns)})")
    first = looked_for.search(folded)
    start = _start(text, first.start()) if first else 0
    end = min(start + _LENGTH, len(text))
    found = [match.span() for match in looked_for.finditer(folded, start, end)]
    before, after = "…" if start > 0 else "", "…" if end < len(text) else ""
    shift = len(before) - start
    shown = _SPACE.sub(" ", text[start:end])
    return Snippet(f"{before}{shown}{after}", [(left + shift, right + shift) for left, right in found])


def _start(text: str, place: int) -> int:
    """A little before `place`, between words where that leaves some."""
    start = max(0, place - _BEFORE)
    space = _SPACE.search(text, start, place)
    return space.end() if start > 0 and space else start

"""Cuts a paragraph into pieces that fit: sentences, or words where a sentence is too long, or less where a word is."""

import re
from collections.abc import Iterator

from chatkeep.parsing.tokens import CountTokens

# A sentence ends with a mark that white space follows, with a mark of Chinese or Japanese, or with its line.
_SENTENCE_END = re.compile(r"[.!?…]+[\"')\]”’»]*(?=\s)|[。！？｡]+[」』”’]*|\n")  # noqa: RUF001
_WORD = re.compile(r"\S+")
_NOT_BLANK = re.compile(r"\S")

Span = tuple[int, int, int, bool]
"""Start, end, tokens, and whether it ends within a word."""


def pieces_of(text: str, count: CountTokens, most_tokens: int, most_characters: int) -> Iterator[Span]:
    """In order, without overlap; every character that is not blank is in one of them, and each has at least one."""
    for start, end in _sentences(text):
        # The length first: counting is what costs.
        if end - start <= most_characters and (tokens := count(text[start:end])) <= most_tokens:
            yield start, end, tokens, False
        else:
            yield from _words_together(text, start, end, count, most_tokens, most_characters)


def _sentences(text: str) -> Iterator[tuple[int, int]]:
    begin = 0
    for match in _SENTENCE_END.finditer(text):
        yield from _trimmed(text, begin, match.end())
        begin = match.end()
    yield from _trimmed(text, begin, len(text))


def _trimmed(text: str, begin: int, end: int) -> Iterator[tuple[int, int]]:
    """Without blank ends; nothing where all is blank."""
    first = _NOT_BLANK.search(text, begin, end)
    if first:
        line = text.rfind("\n", begin, first.start()) + 1
        # A whole line keeps its indentation: code is read by it.
        start = line or (begin if begin == 0 or text[begin - 1] == "\n" else first.start())
        yield start, start + len(text[start:end].rstrip())


def _words_together(
    text: str, start: int, end: int, count: CountTokens, most_tokens: int, most_characters: int
) -> Iterator[Span]:
    """As many words as fit, again and again. A word can have no tokens: an accent on its own, say."""
    begun: int | None = None
    until = together = 0
    for word in _WORD.finditer(text, start, end):
        too_long = word.end() - word.start() > most_characters
        tokens = most_tokens + 1 if too_long else count(word[0])
        if begun is not None and (together + tokens > most_tokens or word.end() - begun > most_characters):
            yield begun, until, together, False
            begun = None
        if tokens > most_tokens:
            yield from _cut(text, word.start(), word.end(), count, most_tokens, most_characters)
            continue
        if begun is None:
            begun, together = word.start(), 0
        until, together = word.end(), together + tokens
    if begun is not None:
        yield begun, until, together, False


def _cut(text: str, start: int, end: int, count: CountTokens, most_tokens: int, most_characters: int) -> Iterator[Span]:
    """A word that is too long, in equal parts, and those again, until they fit."""
    waiting = [(begin, min(begin + most_characters, end)) for begin in range(start, end, most_characters)][::-1]
    while waiting:
        begin, until = waiting.pop()
        tokens = count(text[begin:until])
        if tokens <= most_tokens or until - begin == 1:
            yield begin, until, tokens, True
        else:
            middle = (begin + until) // 2
            waiting += [(middle, until), (begin, middle)]

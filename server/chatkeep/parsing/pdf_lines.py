"""A PDF knows where letters stand, not what a paragraph is: lines are put together again here."""

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from statistics import quantiles

# A line this much shorter than the longer ones of its page ends its paragraph; one that ends a sentence too, when it is
# a little shorter.
_SHORT = 0.6
_RATHER_SHORT = 0.9
_SENTENCE_ENDS = (".", "!", "?", ":", "。", "！", "？")  # noqa: RUF001
_BEGINS_AN_ITEM = re.compile(r"[•●▪‣◦*–—-]\s|\(?\d{1,3}(?:\.\d{1,3}){0,4}[.)]?\s|\(?[a-z][.)]\s")  # noqa: RUF001
# Between a title and its page in a table of contents.
_LEADERS = re.compile(r"(?:[ \xa0]?[.·]){4,}")
_DIGITS = re.compile(r"\d+")
_MANY_LINES = 4
_FEWEST_PAGES = 5
_LINES_AT_AN_EDGE = 2


def paragraphs(lines: Sequence[str]) -> Iterator[str]:
    """Lines that belong together, joined by a space."""
    stripped = [_LEADERS.sub(" …", line).strip() for line in lines]
    width = _width(stripped)
    together: list[str] = []
    for line in stripped:
        if together and (not line or _BEGINS_AN_ITEM.match(line) or _ends(together[-1], width)):
            yield " ".join(together)
            together = []
        if line:
            together.append(line)
    if together:
        yield " ".join(together)


def _width(lines: Sequence[str]) -> float:
    """How long a full line is: nine of ten are no longer."""
    lengths = [len(line) for line in lines if line]
    return quantiles(lengths, n=10)[-1] if len(lengths) >= _MANY_LINES else max(lengths, default=0)


def _ends(line: str, width: float) -> bool:
    return len(line) < width * (_RATHER_SHORT if line.endswith(_SENTENCE_ENDS) else _SHORT)


def without_running_heads(pages: Sequence[list[str]]) -> list[list[str]]:
    """Without the lines at the top and the bottom that most pages share, but for the numbers in them."""
    if len(pages) < _FEWEST_PAGES:
        return list(pages)
    seen = Counter(line for page in pages for line in {_numberless(page[at]) for at in _edges(page)})
    running = {line for line, times in seen.items() if times * 2 > len(pages)}
    return [_stripped(page, running) for page in pages]


def _edges(page: Sequence[str]) -> set[int]:
    last = len(page)
    return {*range(min(_LINES_AT_AN_EDGE, last)), *range(max(0, last - _LINES_AT_AN_EDGE), last)}


def _stripped(page: Sequence[str], running: set[str]) -> list[str]:
    edges = _edges(page)
    return [line for at, line in enumerate(page) if at not in edges or _numberless(line) not in running]


def _numberless(line: str) -> str:
    return _DIGITS.sub("#", line.strip())

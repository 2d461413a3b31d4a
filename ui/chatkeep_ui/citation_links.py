"""A rule of the Markdown parser: `[2]` and `[1, 3]`, where there are such passages, are links to them.

It comes before the rules of links, so that no `[1]: http://...` of a model's, or of a document's through it, leads what
looks like a citation elsewhere.
"""

import re
from typing import Final

from markdown_it import MarkdownIt
from markdown_it.rules_inline import StateInline

_GROUP: Final = re.compile(r"\[ ?\d{1,3}(?: ?[,;\u2013-] ?\d{1,3})* ?\]")
_RANGE: Final = re.compile(r"(\d{1,3})(?: ?[\u2013-] ?(\d{1,3}))?")


def link_citations(parser: MarkdownIt) -> None:
    """Let `parser` know them; which passages there are, `env["sources"]` says by number."""
    parser.inline.ruler.before("link", "citation", _citation)


def _citation(state: StateInline, silent: bool) -> bool:
    sources = state.env.get("sources") or {}
    group = _GROUP.match(state.src, state.pos, state.posMax) if sources else None
    # There are no links within links.
    if group is None or state.linkLevel:
        return False
    numbers = _numbers(group[0])
    if not all(number in sources for number in numbers):
        return False
    if not silent:
        state.push("citation", "", 0).meta = {"numbers": numbers}
    state.pos = group.end()
    return True


def _numbers(group: str) -> list[int]:
    numbers: list[int] = []
    for first, last in _RANGE.findall(group):
        numbers += range(int(first), int(last or first) + 1)
    return numbers or [0]

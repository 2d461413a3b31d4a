"""/library/documents/{id}/{n}, or {n}-{m}: a passage where it stands, between what comes before and after it. What
citations lead to.
"""

import asyncio
import itertools
import re
from collections.abc import Mapping, Sequence
from http import HTTPStatus

from chatkeep_ui.account.area import AccountPage
from chatkeep_ui.account.visit import Visit
from chatkeep_ui.library.records import LibraryDocument, Passage
from chatkeep_ui.library.shelves import list_collections, path_of
from chatkeep_ui.problem import NotThere

_PLACE = re.compile(r"([1-9][0-9]{0,8})(?:-([1-9][0-9]{0,8}))?")
# More than the server ever shows a model as one.
_MOST_TOGETHER = 8
_LONGEST_OVERLAP = 1_000
_GONE = "This passage is not there any more: its document has been deleted, or is no longer shared with you."


async def _load(visit: Visit) -> Mapping[str, object]:
    try:
        return await _around(visit)
    except NotThere as error:
        raise NotThere(error.status, error.code, _GONE) from None


async def _around(visit: Visit) -> Mapping[str, object]:
    path = path_of("documents", visit.request.path_params["document_id"])
    first, last = _place(visit.request.path_params["place"])
    document, collections = await asyncio.gather(visit.ask("GET", path), list_collections(visit))
    shown = LibraryDocument.read(document)
    wanted = [n for n in range(first - 1, last + 2) if first <= n <= last or 1 <= n <= shown.chunks]
    found = await asyncio.gather(*(visit.ask("GET", f"{path}/chunks/{n}") for n in wanted))
    passages = [Passage.read(each) for each in found]
    before = [each for each in passages if each.n < first]
    cited = [each for each in passages if first <= each.n <= last]
    after = [each for each in passages if each.n > last]
    return {
        "document": shown,
        "shelf": next((each for each in collections if each.id == shown.collection_id), None),
        "collections": collections,
        "cited": cited,
        "before": before[0] if before else None,
        "after": after[0] if after else None,
        "text_before": before[0].text[: len(before[0].text) - _overlap(before[0], cited[0])] if before else "",
        "text": _together(cited),
        "text_after": after[0].text[_overlap(cited[-1], after[0]) :] if after else "",
    }


def _place(written: str) -> tuple[int, int]:
    place = _PLACE.fullmatch(written)
    first, last = (int(place[1]), int(place[2] or place[1])) if place else (0, 0)
    if not 1 <= first <= last < first + _MOST_TOGETHER:
        raise NotThere(HTTPStatus.NOT_FOUND, "not_found", _GONE)
    return first, last


def _together(passages: Sequence[Passage]) -> str:
    text = passages[0].text
    for one, following in itertools.pairwise(passages):
        overlap = _overlap(one, following)
        text += following.text[overlap:] if overlap else f"\n\n{following.text}"
    return text


def _overlap(one: Passage, following: Passage) -> int:
    """How many characters `following` repeats of the end of `one`: a sentence, which nobody wants to read twice."""
    longest = min(len(one.text), len(following.text), _LONGEST_OVERLAP)
    return next((size for size in range(longest, 0, -1) if one.text.endswith(following.text[:size])), 0)


PASSAGE = AccountPage("/library/documents/{document_id}/{place}", "library/passage.html", _load)

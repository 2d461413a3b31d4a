"""/library/documents/{id}/{n}: a passage where it stands, between those before and after it. What citations lead to."""

import asyncio
from collections.abc import Mapping

from chatkeep_ui.account.area import AccountPage
from chatkeep_ui.account.visit import Visit
from chatkeep_ui.library.records import LibraryDocument, Passage
from chatkeep_ui.library.shelves import list_collections, path_of
from chatkeep_ui.problem import NotThere

_LONGEST_OVERLAP = 1_000
_GONE = "This passage is not there any more: its document has been deleted, or is no longer shared with you."


async def _load(visit: Visit) -> Mapping[str, object]:
    try:
        return await _around(visit)
    except NotThere as error:
        raise NotThere(error.status, error.code, _GONE) from None


async def _around(visit: Visit) -> Mapping[str, object]:
    path, wanted = path_of("documents", visit.request.path_params["document_id"]), visit.request.path_params["n"]
    document, collections = await asyncio.gather(visit.ask("GET", path), list_collections(visit))
    shown = LibraryDocument.read(document)
    around = [n for n in (wanted - 1, wanted, wanted + 1) if n == wanted or 1 <= n <= shown.chunks]
    found = await asyncio.gather(*(visit.ask("GET", f"{path}/chunks/{n}") for n in around))
    passages = {passage.n: passage for passage in map(Passage.read, found)}
    passage, before, after = passages[wanted], passages.get(wanted - 1), passages.get(wanted + 1)
    return {
        "document": shown,
        "shelf": next((each for each in collections if each.id == shown.collection_id), None),
        "collections": collections,
        "passage": passage,
        "before": before,
        "after": after,
        "text_before": before.text[: len(before.text) - _overlap(before, passage)] if before else "",
        "text_after": after.text[_overlap(passage, after) :] if after else "",
    }


def _overlap(one: Passage, following: Passage) -> int:
    """How many characters `following` repeats of the end of `one`: a sentence, which nobody wants to read twice."""
    longest = min(len(one.text), len(following.text), _LONGEST_OVERLAP)
    return next((size for size in range(longest, 0, -1) if one.text.endswith(following.text[:size])), 0)


PASSAGE = AccountPage("/library/documents/{document_id}/{n:int}", "library/passage.html", _load)

"""/library/search: passages with these words, or with what they mean, out of the documents that one may see."""

from collections.abc import Mapping, Sequence
from typing import Any

from chatkeep_ui.account.area import AccountPage
from chatkeep_ui.account.visit import Visit
from chatkeep_ui.chat_ids import find_chat_id
from chatkeep_ui.library.records import Passage
from chatkeep_ui.library.shelves import list_collections

_LONGEST = 1_000
_MOST = 20


async def _load(visit: Visit) -> Mapping[str, object]:
    query = visit.request.query_params
    words, chosen = query.get("q", "").strip()[:_LONGEST], find_chat_id(query.get("in"))
    collections = await list_collections(visit)
    found = await _search(visit, words, chosen) if words else []
    return {"words": words, "chosen": chosen, "collections": collections, "found": found}


async def _search(visit: Visit, words: str, chosen: str | None) -> Sequence[Passage]:
    wanted: dict[str, Any] = {"query": words, "limit": _MOST} | ({"collection_ids": [chosen]} if chosen else {})
    return [Passage.read(hit) for hit in (await visit.ask("POST", "/search", wanted))["items"]]


SEARCH = AccountPage("/library/search", "library/search.html", _load)

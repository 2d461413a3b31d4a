"""/library/answers/{id}: how an answer came by its passages, for whoever it was written for."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from chatkeep_ui.account.area import AccountPage
from chatkeep_ui.account.visit import Visit
from chatkeep_ui.library.records import LibraryDocument
from chatkeep_ui.library.shelves import list_collections, path_of
from chatkeep_ui.problem import NotThere
from chatkeep_ui.wording import visible

_NO_SEARCH = "No documents were searched for this answer, or it is not there any more."
_MOST_DOCUMENTS = 30
_WHY_WORDS_ALONE: Final = {
    "language_unknown": "the model for meanings does not know the language of the question",
    "embedder_failed": "the model for meanings did not answer",
    "embedder_slow": "the model for meanings did not answer in time",
}
_LEFT_OUT: Final = {
    "unrelated": "has nothing to do with it",
    "duplicate": "says the same as another",
    "over_budget": "no room in the prompt",
    "beyond_limit": "others fit better",
}
_WAYS: Final = {"dense": "meaning", "bm25": "words"}


@dataclass(frozen=True, slots=True)
class TracedHit:
    """A row: a passage that was found, and what became of it."""

    document_id: str
    chunk: int
    name: str
    ranks: str
    outcome: str

    @classmethod
    def read(cls, hit: Mapping[str, Any], names: Mapping[str, str]) -> "TracedHit":
        """From a trace; `names` has the documents that are still there."""
        ranks = ", ".join(f"{_WAYS.get(way, visible(way))} {rank}." for way, rank in hit["ranks"].items())
        why = _LEFT_OUT.get(hit["left_out"] or "", visible(hit["left_out"] or ""))
        outcome = f"shown as {hit['shown_as']}" if hit["shown_as"] is not None else f"left out: {why}"
        return cls(hit["document_id"], int(hit["chunk"]), names.get(hit["document_id"], ""), ranks, outcome)


async def _load(visit: Visit) -> Mapping[str, object]:
    message = path_of("chat/messages", visit.request.path_params["message_id"])
    try:
        trace, collections = await asyncio.gather(visit.ask("GET", f"{message}/trace"), list_collections(visit))
    except NotThere as error:
        raise NotThere(error.status, error.code, _NO_SEARCH) from None
    names = await _names(visit, list(dict.fromkeys(hit["document_id"] for hit in trace["hits"])))
    return {
        "collections": collections,
        "searched_for": visible(trace["searched_for"]),
        "why_words_alone": _WHY_WORDS_ALONE.get(trace["meaning"], ""),
        "places": trace["tenants"],
        "steps": trace["milliseconds"],
        "hits": [TracedHit.read(hit, names) for hit in trace["hits"]],
        "unreadable": trace["left_out"].get("not_readable", 0),
    }


async def _names(visit: Visit, document_ids: Sequence[str]) -> Mapping[str, str]:
    """Of those documents that are still there for who looks."""
    asked = document_ids[:_MOST_DOCUMENTS]
    found = await asyncio.gather(*(_find_name(visit, each) for each in asked))
    return {each: name for each, name in zip(asked, found, strict=True) if name}


async def _find_name(visit: Visit, document_id: str) -> str:
    try:
        return LibraryDocument.read(await visit.ask("GET", path_of("documents", document_id))).name
    except NotThere:
        return ""


TRACE = AccountPage("/library/answers/{message_id}", "library/trace.html", _load)

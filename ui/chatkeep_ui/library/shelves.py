"""What every page of the library shows at its side, and the lists it shows of documents."""

from collections.abc import Mapping, Sequence
from http import HTTPStatus

from chatkeep_ui.account.visit import Visit
from chatkeep_ui.chat_ids import find_chat_id
from chatkeep_ui.library.records import LibraryCollection, LibraryDocument
from chatkeep_ui.problem import NotThere

_PAGE = "50"
_MOST_COLLECTIONS = "100"


async def list_collections(visit: Visit) -> Sequence[LibraryCollection]:
    """Those that are open to who looks, the newest first."""
    page = await visit.ask("GET", "/collections", params={"limit": _MOST_COLLECTIONS})
    return [LibraryCollection.read(item) for item in page["items"]]


async def list_documents(visit: Visit, which: Mapping[str, str]) -> Mapping[str, object]:
    """A page of them for a template, the newest first."""
    cursor = visit.request.query_params.get("cursor", "")[:300]
    wanted = {"limit": _PAGE, **which} | ({"cursor": cursor} if cursor else {})
    page = await visit.ask("GET", "/documents", params=wanted)
    documents = [LibraryDocument.read(item) for item in page["items"]]
    return {"documents": documents, "next_cursor": page["next_cursor"]}


def path_of(kind: str, asked: object) -> str:
    """`/documents/<id>` or `/collections/<id>` at the API. An id that is none would lead elsewhere.

    Raises:
        NotThere: it is none.
    """
    found = find_chat_id(asked)
    if found is None:
        raise NotThere(HTTPStatus.NOT_FOUND, "not_found", "There is nothing here that you can see.")
    return f"/{kind}/{found}"

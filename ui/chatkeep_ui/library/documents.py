"""/library: one's own documents. /library/upload: where files are sent to, be it into a collection."""

import asyncio
from collections.abc import Mapping
from http import HTTPStatus

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from chatkeep_ui.account.area import AccountArea, AccountPage
from chatkeep_ui.account.file_through import download, upload
from chatkeep_ui.account.visit import Visit
from chatkeep_ui.chat_ids import find_chat_id
from chatkeep_ui.library.records import LibraryCollection
from chatkeep_ui.library.shelves import list_collections, list_documents, path_of
from chatkeep_ui.problem import NotThere
from chatkeep_ui.wording import spoken_bytes

_NOT_INSTALLED = "This server is not set up for documents. Whoever runs it can install chatkeep[documents]."


async def load_shelf(visit: Visit, collection: LibraryCollection | None) -> Mapping[str, object]:
    """A shelf's documents, and what there is beside it."""
    which = {"collection_id": collection.id} if collection else {"personal": "true"}
    listed, collections, storage = await asyncio.gather(
        list_documents(visit, which), list_collections(visit), visit.ask("GET", "/documents/storage")
    )
    used, most = spoken_bytes(storage["used_bytes"]), spoken_bytes(storage["limit_bytes"])
    return {"collection": collection, "collections": collections, "used": used, "most": most, **listed}


async def _load(visit: Visit) -> Mapping[str, object]:
    try:
        return await load_shelf(visit, None)
    except NotThere as error:
        raise NotThere(error.status, error.code, _NOT_INSTALLED) from None


async def _load_upload(visit: Visit) -> Mapping[str, object]:
    """The shelf again that the files were for, with what was wrong."""
    into = find_chat_id(visit.request.query_params.get("collection"))
    found = LibraryCollection.read(await visit.ask("GET", f"/collections/{into}")) if into else None
    return await load_shelf(visit, found)


async def _upload(visit: Visit) -> Response:
    # The form names the collection as well, and that is what counts: this is only the way back.
    into = find_chat_id(visit.request.query_params.get("collection"))
    await upload(visit, "/documents")
    back = f"/library/collections/{into}" if into else "/library"
    return RedirectResponse(f"{back}?done=uploaded", HTTPStatus.SEE_OTHER)


async def retry(visit: Visit) -> str:
    """Read one anew that has failed."""
    await visit.ask("POST", f"{_document(visit)}/retry")
    return "document-retried"


async def cancel(visit: Visit) -> str:
    """End the reading of one."""
    await visit.ask("POST", f"{_document(visit)}/cancel")
    return "document-cancelled"


async def delete(visit: Visit) -> str:
    """Delete one, for good."""
    await visit.ask("DELETE", _document(visit))
    return "document-deleted"


def _document(visit: Visit) -> str:
    """The one that the form names."""
    return path_of("documents", visit.typed.get("document"))


class OriginalFile:
    """What the link for downloading fetches: the file as it was uploaded, always to be saved and never to be shown."""

    def __init__(self, area: AccountArea) -> None:
        self._area = area

    async def fetch(self, request: Request) -> Response:
        """A file, or a page that says why there is none."""
        return await self._area.respond(request, self._file)

    @staticmethod
    async def _file(visit: Visit) -> Response:
        path = path_of("documents", visit.request.path_params["document_id"])
        return await download(visit, f"{path}/content", "document")


DOCUMENTS = AccountPage(
    "/library",
    "library/documents.html",
    _load,
    {"retry": retry, "cancel": cancel, "delete": delete},
    connects=True,
)
UPLOAD = AccountPage(
    "/library/upload", "library/documents.html", _load_upload, {"upload": _upload}, file_for="upload", connects=True
)

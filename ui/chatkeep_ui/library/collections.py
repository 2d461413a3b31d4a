"""/library/collections: documents that are shared, and with whom."""

import asyncio
from collections.abc import Mapping
from http import HTTPStatus

from starlette.responses import RedirectResponse, Response

from chatkeep_ui.account.area import AccountPage
from chatkeep_ui.account.devices import one_segment
from chatkeep_ui.account.visit import Visit
from chatkeep_ui.library import documents
from chatkeep_ui.library.records import LibraryCollection
from chatkeep_ui.library.shelves import list_collections, path_of

_EVERYONE = "everyone"
_MOST_MEMBERS = "100"


async def _load_all(visit: Visit) -> Mapping[str, object]:
    return {"collections": await list_collections(visit)}


async def _load(visit: Visit) -> Mapping[str, object]:
    path = _path(visit)
    collection = LibraryCollection.read(await visit.ask("GET", path))
    if collection.role != "owner":
        return {"members": None, **await documents.load_shelf(visit, collection)}
    shelf, members = await asyncio.gather(
        documents.load_shelf(visit, collection),
        visit.ask("GET", f"{path}/members", params={"limit": _MOST_MEMBERS}),
    )
    everyone = any(member["user_id"] == _EVERYONE for member in members["items"])
    more = members["next_cursor"] is not None
    return {"members": members["items"], "more_members": more, "shared_with_everyone": everyone, **shelf}


async def _create(visit: Visit) -> Response:
    made = await visit.ask("POST", "/collections", _named(visit))
    return RedirectResponse(f"/library/collections/{made['id']}?done=collection-made", HTTPStatus.SEE_OTHER)


async def _change(visit: Visit) -> str:
    await visit.ask("PATCH", _path(visit), _named(visit))
    return "collection-changed"


async def _delete(visit: Visit) -> Response:
    await visit.ask("DELETE", _path(visit))
    return RedirectResponse("/library/collections?done=collection-deleted", HTTPStatus.SEE_OTHER)


async def _share(visit: Visit) -> str:
    role = "editor" if visit.typed.get("role") == "editor" else "reader"
    wanted = {"email": visit.typed.get("email", "").strip(), "role": role}
    await visit.ask("POST", f"{_path(visit)}/members", wanted)
    return "invited"


async def _share_with_everyone(visit: Visit) -> str:
    await visit.ask("PUT", f"{_path(visit)}/members/{_EVERYONE}", {"role": "reader"})
    return "shared-with-everyone"


async def _unshare(visit: Visit) -> str:
    await visit.ask("DELETE", f"{_path(visit)}/members/{one_segment(visit.typed.get('member', ''))}")
    return "unshared"


async def _leave(visit: Visit) -> Response:
    me = await visit.ask("GET", "/auth/me")
    await visit.ask("DELETE", f"{_path(visit)}/members/{me['id']}")
    return RedirectResponse("/library/collections?done=left", HTTPStatus.SEE_OTHER)


def _named(visit: Visit) -> Mapping[str, str]:
    return {name: visit.typed.get(name, "").strip() for name in ("name", "description")}


def _path(visit: Visit) -> str:
    return path_of("collections", visit.request.path_params["collection_id"])


COLLECTIONS = AccountPage(
    "/library/collections",
    "library/collections.html",
    _load_all,
    {"create": _create},
    fields=("name", "description"),
)
COLLECTION = AccountPage(
    "/library/collections/{collection_id}",
    "library/collection.html",
    _load,
    {
        "change": _change,
        "delete-collection": _delete,
        "share": _share,
        "share-with-everyone": _share_with_everyone,
        "unshare": _unshare,
        "leave": _leave,
        "retry": documents.retry,
        "cancel": documents.cancel,
        "delete": documents.delete,
    },
    fields=("name", "description", "email"),
    connects=True,
)

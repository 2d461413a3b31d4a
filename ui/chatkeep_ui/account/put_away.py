"""/account/archive and /account/bin: chats that are out of sight, and the way back."""

from collections.abc import Mapping

from chatkeep_ui.account.area import AccountPage
from chatkeep_ui.account.visit import Visit
from chatkeep_ui.chat_ids import find_chat_id

_PAGE = "50"
# Of some two hundred chats each; a bin of more wants another click.
_MOST_CALLS = 50


async def _load_archive(visit: Visit) -> Mapping[str, object]:
    return await _load(visit, "archived")


async def _load_bin(visit: Visit) -> Mapping[str, object]:
    return await _load(visit, "deleted")


async def _load(visit: Visit, which: str) -> Mapping[str, object]:
    cursor = visit.request.query_params.get("cursor", "")[:300]
    wanted = {which: "true", "limit": _PAGE} | ({"cursor": cursor} if cursor else {})
    page = await visit.ask("GET", "/chat/sessions", params=wanted)
    return {"chats": page["items"], "next_cursor": page["next_cursor"]}


async def _unarchive(visit: Visit) -> str:
    await visit.ask("PATCH", _path(visit), json={"archived": False})
    return "chat-back"


async def _delete(visit: Visit) -> str:
    await visit.ask("DELETE", _path(visit))
    return "chat-deleted"


async def _restore(visit: Visit) -> str:
    await visit.ask("POST", f"{_path(visit)}/restore")
    return "chat-back"


async def _delete_for_good(visit: Visit) -> str:
    await visit.ask("DELETE", _path(visit), params={"forever": "true"})
    return "chat-gone"


async def _empty(visit: Visit) -> str:
    for _ in range(_MOST_CALLS):
        emptied = await visit.ask("POST", "/chat/bin/empty")
        if not emptied["more"]:
            break
    return "bin-emptied"


def _path(visit: Visit) -> str:
    """The chat that the form names; an id that is none leads to no chat's path."""
    return f"/chat/sessions/{find_chat_id(visit.typed.get('chat')) or '-'}"


ARCHIVE = AccountPage(
    "/account/archive", "account/archive.html", _load_archive, {"unarchive": _unarchive, "delete": _delete}
)
BIN = AccountPage(
    "/account/bin",
    "account/bin.html",
    _load_bin,
    {"restore": _restore, "delete": _delete_for_good, "empty": _empty},
)

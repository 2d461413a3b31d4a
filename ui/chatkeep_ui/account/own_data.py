"""/account/data: all of one's chats as a file, and chats from a file. /chats/{id}/export: one chat."""

from collections.abc import Mapping

from starlette.requests import Request
from starlette.responses import Response

from chatkeep_ui.account.area import AccountArea, AccountPage, Shown
from chatkeep_ui.account.file_through import download, upload
from chatkeep_ui.account.visit import Visit
from chatkeep_ui.chat_ids import find_chat_id

_ENDINGS = {"json": "json", "markdown": "md"}


async def _load(_: Visit) -> Mapping[str, object]:
    return {}


async def _export(visit: Visit) -> Response:
    return await download(visit, "/chat/export", "chats.jsonl")


async def _import(visit: Visit) -> Shown:
    return Shown({"imported": await upload(visit, "/chat/import")})


DATA = AccountPage(
    "/account/data", "account/data.html", _load, {"export": _export, "import": _import}, file_for="import"
)


class ChatExport:
    """What the link in the export dialog of a chat fetches."""

    def __init__(self, area: AccountArea) -> None:
        self._area = area

    async def fetch(self, request: Request) -> Response:
        """A file, or a page that says why there is none."""
        return await self._area.respond(request, self._file)

    async def _file(self, visit: Visit) -> Response:
        wanted = visit.request.query_params.get("format", "")
        kind = wanted if wanted in _ENDINGS else "json"
        chat = find_chat_id(visit.request.path_params["chat_id"]) or "-"
        return await download(visit, f"/chat/sessions/{chat}/export", f"chat.{_ENDINGS[kind]}", {"format": kind})

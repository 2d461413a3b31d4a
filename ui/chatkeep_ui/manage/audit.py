"""/manage/audit: what happened to accounts, for administrators; and the whole of it as a file."""

from collections.abc import Mapping

from starlette.responses import Response

from chatkeep_ui.account.area import AccountPage
from chatkeep_ui.account.file_through import download
from chatkeep_ui.account.visit import Visit

_FILTERS = ("user_id", "action", "since", "until", "cursor")


async def _load(visit: Visit) -> Mapping[str, object]:
    asked = {name: visit.request.query_params.get(name, "")[:300] for name in _FILTERS}
    wanted = {"limit": "50"} | {name: value for name, value in asked.items() if value}
    page = await visit.ask("GET", "/admin/audit", params=wanted)
    return {"events": page["items"], "next_cursor": page["next_cursor"], "asked": asked}


async def _export(visit: Visit) -> Response:
    return await download(visit, "/admin/audit/export", "audit.jsonl")


AUDIT = AccountPage("/manage/audit", "manage/audit.html", _load, {"export": _export}, confirm=True)

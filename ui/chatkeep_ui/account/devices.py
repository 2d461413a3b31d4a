"""/account/devices: where one is signed in, and ending that."""

from collections.abc import Mapping

from starlette.responses import RedirectResponse, Response

from chatkeep_ui.account.area import AccountPage
from chatkeep_ui.account.visit import Visit


async def _load(visit: Visit) -> Mapping[str, object]:
    page = await visit.ask("GET", "/auth/logins", params={"limit": "100"})
    return {"devices": page["items"], "more": page["next_cursor"] is not None}


async def _end(visit: Visit) -> str:
    await visit.ask("DELETE", f"/auth/logins/{one_segment(visit.typed.get('sid', ''))}")
    return "device-ended"


async def _end_others(visit: Visit) -> str:
    await visit.ask("POST", "/auth/logins/end-others")
    return "others-ended"


async def _end_all(visit: Visit) -> Response:
    await visit.ask("POST", "/auth/logout-all")
    return RedirectResponse("/sign-in?because=signed-out", status_code=303)


def one_segment(text: str) -> str:
    """An id as a form sent it, which can lead to nothing but its own place in a path."""
    return "".join(char for char in text if char.isascii() and (char.isalnum() or char in "-_"))[:64] or "-"


DEVICES = AccountPage(
    "/account/devices",
    "account/devices.html",
    _load,
    {"end": _end, "end-others": _end_others, "end-all": _end_all},
)

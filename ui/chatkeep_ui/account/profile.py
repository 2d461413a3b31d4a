"""/account: name, e-mail address, password; and /account/delete."""

from collections.abc import Mapping
from http import HTTPStatus

from starlette.responses import RedirectResponse, Response

from chatkeep_ui import cookies
from chatkeep_ui.account.area import AccountPage, Shown
from chatkeep_ui.account.visit import Visit
from chatkeep_ui.problem import InvalidFields


async def _nothing(_: Visit) -> Mapping[str, object]:
    return {}


async def _rename(visit: Visit) -> str:
    await visit.ask("PATCH", "/auth/me", {"name": visit.typed.get("name", "").strip()})
    return "renamed"


async def _change_email(visit: Visit) -> str:
    await visit.ask("POST", "/auth/email", {"new_email": visit.typed.get("new_email", "").strip()})
    return "mail-sent"


async def _change_password(visit: Visit) -> str:
    wanted = {name: visit.typed.get(name, "") for name in ("current_password", "new_password")}
    await visit.ask("POST", "/auth/password", wanted)
    return "password-changed"


async def _delete(visit: Visit) -> Shown | Response:
    me = await visit.ask("GET", "/auth/me")
    if visit.typed.get("confirm_email", "").strip().casefold() != str(me["email"]).casefold():
        said = "Type the e-mail address of this account, to be sure that it is this one."
        raise InvalidFields(HTTPStatus.UNPROCESSABLE_ENTITY, "not_confirmed", said, {"confirm_email": said})
    await visit.ask("DELETE", "/auth/me")
    response = RedirectResponse("/sign-in?because=deleted", HTTPStatus.SEE_OTHER)
    cookies.forget(response)
    return response


PROFILE = AccountPage(
    "/account",
    "account/profile.html",
    _nothing,
    {"rename": _rename, "change-email": _change_email, "change-password": _change_password},
    fields=("name", "new_email", "current_password", "new_password"),
)
DELETION = AccountPage(
    "/account/delete",
    "account/delete.html",
    _nothing,
    {"delete": _delete},
    fields=("confirm_email",),
    confirm=True,
)

"""/manage/users: who has an account, for administrators."""

from collections.abc import Mapping
from http import HTTPStatus

from chatkeep_ui.account.area import AccountPage, Shown
from chatkeep_ui.account.devices import one_segment
from chatkeep_ui.account.visit import Visit
from chatkeep_ui.problem import InvalidFields

_PAGE = "50"


async def _load_users(visit: Visit) -> Mapping[str, object]:
    asked = {name: visit.request.query_params.get(name, "")[:300] for name in ("q", "cursor")}
    wanted = {"limit": _PAGE} | {name: value for name, value in asked.items() if value}
    page = await visit.ask("GET", "/admin/users", params=wanted)
    return {"users": page["items"], "next_cursor": page["next_cursor"], "q": asked["q"]}


async def _load_user(visit: Visit) -> Mapping[str, object]:
    user = await visit.ask("GET", _path(visit))
    trail = await visit.ask("GET", "/admin/audit", params={"limit": "10", "user_id": user["id"]})
    return {"user": user, "events": trail["items"]}


async def _change(visit: Visit, change: Mapping[str, object]) -> str:
    await visit.ask("PATCH", _path(visit), change)
    return "user-changed"


async def _make_admin(visit: Visit) -> str:
    return await _change(visit, {"role": "admin"})


async def _make_user(visit: Visit) -> str:
    return await _change(visit, {"role": "user"})


async def _disable(visit: Visit) -> str:
    return await _change(visit, {"disabled": True})


async def _enable(visit: Visit) -> str:
    return await _change(visit, {"disabled": False})


async def _revoke(visit: Visit) -> str:
    await visit.ask("POST", f"{_path(visit)}/revoke")
    return "user-revoked"


async def _reset_factors(visit: Visit) -> str:
    await visit.ask("POST", f"{_path(visit)}/reset-factors")
    return "factors-reset"


async def _load_deletion(visit: Visit) -> Mapping[str, object]:
    return {"user": await visit.ask("GET", _path(visit))}


async def _delete(visit: Visit) -> str | Shown:
    user = await visit.ask("GET", _path(visit))
    if visit.typed.get("confirm_email", "").strip().casefold() != str(user["email"]).casefold():
        said = "Type the e-mail address of the account, to be sure that it is this one."
        raise InvalidFields(HTTPStatus.UNPROCESSABLE_ENTITY, "not_confirmed", said, {"confirm_email": said})
    await visit.ask("DELETE", _path(visit))
    return "user-deleted"


def _path(visit: Visit) -> str:
    return f"/admin/users/{one_segment(visit.request.path_params['user_id'])}"


USERS = AccountPage("/manage/users", "manage/users.html", _load_users)
USER = AccountPage(
    "/manage/users/{user_id}",
    "manage/user.html",
    _load_user,
    {
        "make-admin": _make_admin,
        "make-user": _make_user,
        "disable": _disable,
        "enable": _enable,
        "revoke": _revoke,
        "reset-factors": _reset_factors,
    },
    confirm=True,
)
USER_DELETION = AccountPage(
    "/manage/users/{user_id}/delete",
    "manage/delete_user.html",
    _load_deletion,
    {"delete": _delete},
    fields=("confirm_email",),
    confirm=True,
    after="/manage/users",
)

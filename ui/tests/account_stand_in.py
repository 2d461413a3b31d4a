"""The stand-in's account and administration: as much of the contract as the pages need, kept in the users' records."""

import base64
import json
import secrets
import time
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from uuid_utils.compat import uuid7

if TYPE_CHECKING:
    from ui.tests.api_stand_in import ApiStandIn

NOW = "2026-11-25T13:45:00Z"
SCOPES = [{"name": "chat", "description": "Send messages and read chats."}]
TOTP_SECRET = "JBSWY3DPEHPK3PXP"
RECOVERY_CODES = [f"abcd-{number:04}" for number in range(10)]

Answer = Callable[[Any, dict[str, Any], Request, dict[str, Any]], Any]


def account_routes(api: "ApiStandIn") -> list[Route]:
    """The lever `api.refusals` says what answers instead, by method and path."""

    def signed_in(answer: Answer, *, admin: bool = False) -> Callable[[Request], Awaitable[Response]]:
        async def respond(request: Request) -> Response:
            user = api.find_user(request)
            if user is None:
                return api.not_signed_in()
            refusal = api.refusals.get(f"{request.method} {request.url.path}")
            if refusal is not None:
                return refusal
            if admin and user["role"] != "admin":
                return api.problem(403, "insufficient_role", "This needs the role admin.")
            body = await request.json() if await request.body() else {}
            answered = answer(api, user, request, body)
            if isinstance(answered, Response):
                return answered
            return JSONResponse(answered) if answered is not None else Response(status_code=204)

        return respond

    def route(method: str, path: str, answer: Answer, *, admin: bool = False) -> Route:
        return Route(path, signed_in(answer, admin=admin), methods=[method])

    return [
        route("PATCH", "/auth/me", _rename),
        route("DELETE", "/auth/me", _note_it),
        route("POST", "/auth/password", _change_password),
        route("POST", "/auth/email", _note_it),
        route("GET", "/auth/logins", _list_logins),
        route("POST", "/auth/logins/end-others", _note_it),
        route("DELETE", "/auth/logins/{sid}", _note_it),
        route("POST", "/auth/logout-all", _note_it),
        route("GET", "/auth/mfa", _factors),
        route("POST", "/auth/mfa/totp", _start_totp),
        route("POST", "/auth/mfa/totp/confirm", _confirm_totp),
        route("DELETE", "/auth/mfa/totp", _note_it),
        route("GET", "/auth/passkeys", _none),
        route("GET", "/auth/identities", _none),
        route("GET", "/auth/api-keys", _list_keys),
        route("GET", "/auth/api-keys/scopes", lambda *_: {"items": SCOPES}),
        route("POST", "/auth/api-keys", _make_key),
        route("DELETE", "/auth/api-keys/{id}", _revoke_key),
        route("POST", "/auth/step-up", _step_up),
        route("GET", "/admin/users", _list_users, admin=True),
        route("GET", "/admin/users/{id}", _get_user, admin=True),
        route("PATCH", "/admin/users/{id}", _note_it, admin=True),
        route("GET", "/admin/audit", _list_events, admin=True),
        Route("/admin/audit/export", lambda _: Response('{"action":"login"}\n', media_type="application/jsonl")),
        Route("/auth/oidc", lambda _: JSONResponse({"items": api.providers})),
    ]


def wrong(field: str, words: str) -> Response:
    """As the API refuses what was typed into one field."""
    error = {"loc": ["body", field], "msg": words, "type": "wrong"}
    body = {"type": "about:blank", "title": words, "status": 422, "detail": words, "code": "wrong", "errors": [error]}
    return JSONResponse(body, 422, media_type="application/problem+json")


def token_proved_just_now() -> str:
    """In the shape of a JWT, with the claim that the page reads."""
    payload = base64.urlsafe_b64encode(json.dumps({"auth_time": int(time.time())}).encode()).rstrip(b"=").decode()
    return f"{secrets.token_urlsafe(8)}.{payload}.{secrets.token_urlsafe(8)}"


def _page(items: list[Any]) -> dict[str, Any]:
    return {"items": items, "next_cursor": None}


def _none(*_: Any) -> dict[str, Any]:
    return _page([])


def _note_it(api: Any, user: dict[str, Any], request: Request, body: dict[str, Any]) -> None:
    api.done.append((request.method, request.url.path, body))


def _rename(api: Any, user: dict[str, Any], request: Request, body: dict[str, Any]) -> dict[str, Any]:
    user["name"] = body["name"]
    return {"id": user["id"]}


def _change_password(api: Any, user: dict[str, Any], request: Request, body: dict[str, Any]) -> None:
    user["password"] = body["new_password"]


def _list_logins(api: Any, user: dict[str, Any], request: Request, body: dict[str, Any]) -> dict[str, Any]:
    seen = {"created_at": NOW, "last_used_at": NOW, "address": "198.51.100.7", "user_agent": "Mozilla/5.0"}
    this = {"sid": str(uuid7()), "name": "Firefox on Linux", "current": True}
    other = {"sid": str(uuid7()), "name": "Safari on iPhone", "current": False}
    return _page([this | seen, other | seen])


def _factors(api: Any, user: dict[str, Any], request: Request, body: dict[str, Any]) -> dict[str, Any]:
    return {"totp": user.get("totp", False), "recovery_codes_left": 10 if user.get("totp") else 0, "passkeys": 0}


def _start_totp(*_: Any) -> dict[str, Any]:
    uri = f"otpauth://totp/chatkeep:ada%40example.org?secret={TOTP_SECRET}&issuer=chatkeep"
    return {"secret": TOTP_SECRET, "otpauth_uri": uri}


def _confirm_totp(api: Any, user: dict[str, Any], request: Request, body: dict[str, Any]) -> dict[str, Any]:
    user["totp"] = True
    return {"recovery_codes": RECOVERY_CODES}


def _list_keys(api: Any, user: dict[str, Any], request: Request, body: dict[str, Any]) -> dict[str, Any]:
    return _page([{name: value for name, value in key.items() if name != "key"} for key in user.get("keys", [])])


def _make_key(api: Any, user: dict[str, Any], request: Request, body: dict[str, Any]) -> dict[str, Any]:
    text = "ck_" + secrets.token_urlsafe(32)
    times = {"created_at": NOW, "expires_at": body.get("expires_at"), "last_used_at": None}
    made = {"id": str(uuid7()), "key": text, "hint": text[:8], "name": body["name"], "scopes": body["scopes"], **times}
    user.setdefault("keys", []).append(made)
    return made


def _revoke_key(api: Any, user: dict[str, Any], request: Request, body: dict[str, Any]) -> None:
    user["keys"] = [key for key in user["keys"] if key["id"] != request.path_params["id"]]


def _step_up(api: Any, user: dict[str, Any], request: Request, body: dict[str, Any]) -> Any:
    if body.get("password") != user["password"]:
        return wrong("password", "The password is not right")
    token = token_proved_just_now()
    api.let_in(request, token)
    return {"access_token": token, "token_type": "bearer", "expires_in": api.token_life}


def _account(user: dict[str, Any]) -> dict[str, Any]:
    shown = {name: user[name] for name in ("id", "email", "name", "role")}
    return shown | {"disabled": False, "created_at": NOW, "last_sign_in_at": NOW}


def _list_users(api: Any, user: dict[str, Any], request: Request, body: dict[str, Any]) -> dict[str, Any]:
    wanted = request.query_params.get("q", "")
    return _page([_account(each) for each in api.users.values() if wanted in each["email"]])


def _get_user(api: Any, user: dict[str, Any], request: Request, body: dict[str, Any]) -> Any:
    found = [_account(each) for each in api.users.values() if each["id"] == request.path_params["id"]]
    return found[0] if found else api.not_found()


def _list_events(api: Any, user: dict[str, Any], request: Request, body: dict[str, Any]) -> dict[str, Any]:
    event = {
        "id": str(uuid7()),
        "at": NOW,
        "action": "login",
        "outcome": "failure",
        "actor_id": None,
        "actor_email": None,
    }
    return _page(
        [
            event
            | {
                "subject_id": user["id"],
                "subject_email": user["email"],
                "address": "198.51.100.7",
                "details": {"reason": "<b>x</b>"},
            }
        ]
    )

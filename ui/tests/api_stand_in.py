"""A small real HTTP server that keeps the API's contract as far as the page needs it, with levers for what goes wrong.

It exists so that the page is tested where the server is not installed. The journeys run against the real one.
"""

import secrets
import time
from dataclasses import dataclass, field
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from uuid_utils.compat import uuid7

from ui.tests.account_stand_in import account_routes
from ui.tests.chat_stand_in import Chats, chat_routes
from ui.tests.generation_stand_in import Pace
from ui.tests.library_stand_in import Library, library_routes
from ui.tests.usage_stand_in import usage_routes

ANSWER = "Tides rise and fall because the Moon pulls at the sea. "


def problem(status: int, code: str, detail: str, headers: dict[str, str] | None = None, **extra: Any) -> JSONResponse:
    body = {"type": "about:blank", "title": code, "status": status, "detail": detail, "code": code} | extra
    return JSONResponse(body, status, headers, media_type="application/problem+json")


@dataclass
class ApiStandIn(Pace):
    """Levers: `refuse_*` and `refusals` answer instead of the real thing; those of `Pace` shape the stream;
    `token_life` is in seconds: with 0, tokens must be renewed before use.
    While `grace` lasts, a refresh token that was rotated yields its successor again; afterwards it ends the login.
    """

    setup_code: str | None = None
    registration_open: bool = True
    sends_mail: bool = True
    token_life: float = 300.0
    answer: str = ANSWER * 12
    refuse_login: JSONResponse | None = None
    refuse_logout: JSONResponse | None = None
    grace: bool = True
    models: list[dict[str, Any]] = field(
        default_factory=lambda: [
            {"id": "smollm2-135m", "default": True, "builtin": True, "ready": True, "progress": 1.0}
        ]
    )
    users: dict[str, dict[str, Any]] = field(default_factory=dict)
    access: dict[str, tuple[str, float]] = field(default_factory=dict)
    refresh: dict[str, str] = field(default_factory=dict)
    successors: dict[str, str] = field(default_factory=dict)
    login_of: dict[str, str] = field(default_factory=dict)
    chats: Chats = field(default_factory=Chats)
    library: Library = field(default_factory=Library)
    limits: list[dict[str, Any]] = field(default_factory=list)
    days: list[dict[str, Any]] = field(default_factory=list)
    refreshes: int = 0
    seen: list[tuple[str, str, dict[str, str]]] = field(default_factory=list)
    providers: list[dict[str, str]] = field(default_factory=list)
    refusals: dict[str, Response] = field(default_factory=dict)
    done: list[tuple[str, str, dict[str, Any]]] = field(default_factory=list)

    def app(self) -> Starlette:
        routes = [
            Route("/auth/registration", self.registration),
            Route("/auth/register", self.register, methods=["POST"]),
            Route("/auth/login", self.login, methods=["POST"]),
            Route("/auth/refresh", self.rotate, methods=["POST"]),
            Route("/auth/logout", self.logout, methods=["POST"]),
            Route("/auth/me", self.me, methods=["GET"]),
            *account_routes(self),
            *chat_routes(self),
            *usage_routes(self),
            *library_routes(self),
        ]
        return Starlette(routes=routes)

    async def registration(self, request: Request) -> Response:
        self._note(request)
        return JSONResponse(
            {
                "open": self.registration_open,
                "password_reset": self.sends_mail,
                "first_user": not self.users,
                "setup_code_required": self.setup_code is not None and not self.users,
            }
        )

    async def register(self, request: Request) -> Response:
        self._note(request)
        body = await request.json()
        if not self.users and self.setup_code is not None and body.get("setup_code") != self.setup_code:
            return problem(403, "invalid_setup_code", "That is not the setup code.")
        if body["email"] in self.users:
            return problem(409, "email_taken", "An account with this e-mail address exists already: sign in instead")
        if "password" in body["password"]:
            errors = [{"loc": ["body", "password"], "msg": "This one is on every list.", "type": "x"}]
            return problem(422, "unacceptable_password", "Choose another password", errors=errors)
        user = {"id": str(uuid7()), "email": body["email"], "name": body.get("name"), "password": body["password"]}
        user["role"] = "user" if self.users else "admin"
        self.users[body["email"]] = user
        return JSONResponse(_public(user), 201)

    async def login(self, request: Request) -> Response:
        self._note(request)
        if self.refuse_login is not None:
            return self.refuse_login
        body = await request.json()
        user = self.users.get(body["email"])
        if user is None or user["password"] != body["password"]:
            return problem(401, "invalid_credentials", "The e-mail address or the password is not right")
        return self._grant(request, user, str(uuid7()), new_refresh_token())

    async def rotate(self, request: Request) -> Response:
        self._note(request)
        self.refreshes += 1
        token = request.cookies.get(refresh_cookie_name(request), "")
        while self.grace and token in self.successors:
            token = self.successors[token]
            if token in self.refresh:
                return self._grant(request, self.users[self.refresh[token]], self.login_of[token], token)
        email = self.refresh.pop(token, None)
        if email is None:
            self._end_login(self.login_of.get(token))
            return problem(401, "invalid_refresh_token", "This login has ended: sign in again")
        self.successors[token] = new_refresh_token()
        return self._grant(request, self.users[email], self.login_of[token], self.successors[token])

    async def logout(self, request: Request) -> Response:
        if self._user(request) is None:
            return _not_signed_in()
        if self.refuse_logout is not None:
            return self.refuse_logout
        self._end_login(self.login_of[bearer(request)])
        return Response(status_code=204)

    async def me(self, request: Request) -> Response:
        return JSONResponse(_public(user)) if (user := self._user(request)) else _not_signed_in()

    def _grant(self, request: Request, user: dict[str, Any], login: str, refresh: str) -> Response:
        access = secrets.token_urlsafe(24)
        self.access[access] = (user["email"], time.monotonic() + self.token_life)
        self.refresh[refresh] = user["email"]
        self.login_of |= {access: login, refresh: login}
        body = {"access_token": access, "token_type": "bearer", "expires_in": self.token_life, "user": _public(user)}
        response = JSONResponse(body)
        name = refresh_cookie_name(request)
        secure = name.startswith("__Host-")
        response.set_cookie(name, refresh, max_age=1_209_600, secure=secure, httponly=True, samesite="lax")
        return response

    def _end_login(self, login: str | None) -> None:
        self.access = {token: known for token, known in self.access.items() if self.login_of[token] != login}
        self.refresh = {token: email for token, email in self.refresh.items() if self.login_of[token] != login}

    def find_user(self, request: Request) -> Any:
        return self._user(request)

    def let_in(self, request: Request, access: str) -> None:
        """Accept a further access token of the same login."""
        email, _ = self.access[bearer(request)]
        self.access[access] = (email, time.monotonic() + self.token_life)
        self.login_of[access] = self.login_of[bearer(request)]

    @staticmethod
    def not_signed_in() -> Response:
        return _not_signed_in()

    @staticmethod
    def not_found() -> Response:
        return problem(404, "not_found", "There is nothing here that you can see.")

    @staticmethod
    def problem(status: int, code: str, detail: str) -> Response:
        return problem(status, code, detail)

    def _user(self, request: Request) -> Any:
        self._note(request)
        email, expires_at = self.access.get(bearer(request), ("", 0.0))
        return self.users[email] if time.monotonic() < expires_at else None

    def _note(self, request: Request) -> None:
        self.seen.append((request.method, request.url.path, dict(request.headers)))


def new_refresh_token() -> str:
    """In the API's shape."""
    return "akr_" + secrets.token_urlsafe(69)


def refresh_cookie_name(request: Request) -> str:
    return ("__Host-" if request.headers.get("x-forwarded-proto") == "https" else "") + "authkeep_refresh"


def bearer(request: Request) -> str:
    return request.headers.get("authorization", "").removeprefix("Bearer ")


def _public(user: dict[str, Any]) -> dict[str, Any]:
    shown = {name: user[name] for name in ("id", "email", "name", "role")}
    return shown | {"email_verified": True, "has_password": True, "mfa_enabled": user.get("totp", False)}


def _not_signed_in() -> Response:
    return problem(401, "invalid_token", "The access token is not valid", {"WWW-Authenticate": "Bearer"})

"""A small real HTTP server that keeps the API's contract as far as the page needs it, with levers for what goes wrong.

It exists so that the page is tested where the server is not installed. The journeys run against the real one.
"""

import asyncio
import json
import secrets
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route
from uuid_utils.compat import uuid7

from ui.tests.account_stand_in import account_routes

ANSWER = "Tides rise and fall because the Moon pulls at the sea. "


def problem(status: int, code: str, detail: str, headers: dict[str, str] | None = None, **extra: Any) -> JSONResponse:
    body = {"type": "about:blank", "title": code, "status": status, "detail": detail, "code": code} | extra
    return JSONResponse(body, status, headers, media_type="application/problem+json")


@dataclass
class Generation:
    id: str
    owner: str
    message: dict[str, Any]
    frames: list[dict[str, Any]] = field(default_factory=list)
    stopped: bool = False
    changed: asyncio.Event = field(default_factory=asyncio.Event)

    def add(self, kind: str, **data: Any) -> None:
        self.frames.append({"type": kind, "seq": len(self.frames) + 1, "generation_id": self.id} | data)
        self.changed.set()
        self.changed = asyncio.Event()


@dataclass
class ApiStandIn:
    """Levers: `refuse_*` answer instead of the real thing; `answer`, `pace` (seconds per word), `ending`, `log_gone`
    and `frames_per_response` shape the stream; `token_life` is in seconds: with 0, tokens must be renewed before use.
    While `grace` lasts, a refresh token that was rotated yields its successor again; afterwards it ends the login.
    """

    setup_code: str | None = None
    registration_open: bool = True
    sends_mail: bool = True
    token_life: float = 300.0
    answer: str = ANSWER * 12
    pace: float = 0.03
    ending: str = "generation.completed"
    frames_per_response: int = 1_000_000
    log_gone: bool = False
    refuse_send: JSONResponse | None = None
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
    sessions: dict[str, dict[str, Any]] = field(default_factory=dict)
    messages: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    generations: dict[str, Generation] = field(default_factory=dict)
    sent: list[dict[str, Any]] = field(default_factory=list)
    refreshes: int = 0
    seen: list[tuple[str, str, dict[str, str]]] = field(default_factory=list)
    running: set[asyncio.Task[None]] = field(default_factory=set)
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
            Route("/chat/models", self.list_models),
            Route("/chat/sessions", self.sessions_route, methods=["GET", "POST"]),
            Route("/chat/sessions/{id}", self.session_route, methods=["GET", "PATCH", "DELETE"]),
            Route("/chat/sessions/{id}/messages", self.list_messages),
            Route("/chat/send", self.send, methods=["POST"]),
            Route("/chat/generations/{id}/events", self.events),
            Route("/chat/generations/{id}/stop", self.stop, methods=["POST"]),
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

    async def list_models(self, request: Request) -> Response:
        return JSONResponse({"items": self.models, "error": None}) if self._user(request) else _not_signed_in()

    async def sessions_route(self, request: Request) -> Response:
        if not (user := self._user(request)):
            return _not_signed_in()
        if request.method == "POST":
            now = datetime.now(UTC).isoformat()
            session = {"id": str(uuid7()), "title": "New chat", "model": None, "updated_at": now, "owner": user["id"]}
            self.sessions[session["id"]] = session
            self.messages[session["id"]] = []
            return JSONResponse(session, 201)
        wanted = request.query_params.get("q", "").lower()
        mine = [session for session in self.sessions.values() if session["owner"] == user["id"]]
        found = [session for session in mine if wanted in self._text(session).lower()]
        found.sort(key=lambda session: session["updated_at"], reverse=True)
        limit = int(request.query_params.get("limit", "50"))
        return JSONResponse({"items": found[:limit], "next_cursor": "more" if len(found) > limit else None})

    async def session_route(self, request: Request) -> Response:
        if not (user := self._user(request)):
            return _not_signed_in()
        session = self._session(user, request.path_params["id"])
        if session is None:
            return _not_found()
        if request.method == "DELETE":
            del self.sessions[session["id"]]
            return Response(status_code=204)
        if request.method == "PATCH":
            session["title"] = (await request.json())["title"]
        return JSONResponse(session)

    async def list_messages(self, request: Request) -> Response:
        if not (user := self._user(request)):
            return _not_signed_in()
        if self._session(user, request.path_params["id"]) is None:
            return _not_found()
        return JSONResponse({"items": self.messages[request.path_params["id"]], "next_cursor": None})

    async def send(self, request: Request) -> Response:
        if not (user := self._user(request)):
            return _not_signed_in()
        if self.refuse_send is not None:
            return self.refuse_send
        body = await request.json()
        self.sent.append(body)
        session = self._session(user, body["session_id"])
        if session is None:
            return _not_found()
        turns = self.messages[session["id"]]
        if any(turn["status"] == "running" for turn in turns):
            return problem(409, "generation_running", "Wait for it to end, or stop it, and send your message again.")
        parent = body.get("parent_id") or (turns[-1]["id"] if turns else None)
        question = _turn("user", body["message"], "completed", parent)
        generation = Generation(str(uuid7()), user["id"], _turn("assistant", "", "running", question["id"]))
        generation.message["generation_id"] = generation.id
        turns += [question, generation.message]
        if session["title"] == "New chat":
            session["title"] = body["message"][:60]
        session["updated_at"] = datetime.now(UTC).isoformat()
        self.generations[generation.id] = generation
        task = asyncio.create_task(self._write(generation))
        self.running.add(task)
        task.add_done_callback(self.running.discard)
        return JSONResponse({"generation_id": generation.id, "message_id": generation.message["id"]}, 202)

    async def events(self, request: Request) -> Response:
        if not (user := self._user(request)):
            return _not_signed_in()
        generation = self.generations.get(request.path_params["id"])
        if generation is None or generation.owner != user["id"]:
            return _not_found()
        after = int(request.headers.get("last-event-id", "0"))
        if after >= len(generation.frames) and generation.message["status"] != "running":
            return Response(status_code=204)
        if self.log_gone:
            return problem(410, "log_gone", "The generation has ended and its events are gone.")
        frames = _frames(generation, after, self.frames_per_response)
        return StreamingResponse(frames, media_type="text/event-stream")

    async def stop(self, request: Request) -> Response:
        generation = self.generations.get(request.path_params["id"])
        if generation is None:
            return _not_found()
        generation.stopped = True
        return Response(status_code=202)

    async def _write(self, generation: Generation) -> None:
        generation.add("generation.created")
        message = generation.message
        for word in self.answer.split(" "):
            await asyncio.sleep(self.pace)
            if generation.stopped:
                return self._end(generation, "generation.stopped")
            message["content"] += word + " "
            generation.add("message.delta", text=word + " ")
        error = {"code": "upstream", "message": "The model service closed the connection.", "retryable": True}
        return self._end(generation, self.ending, **(error if self.ending == "generation.failed" else {}))

    def _end(self, generation: Generation, kind: str, **data: Any) -> None:
        generation.message |= {"status": kind.removeprefix("generation."), "generation_id": None, "error": data or None}
        generation.add(kind, **data)

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
    def problem(status: int, code: str, detail: str) -> Response:
        return problem(status, code, detail)

    def _user(self, request: Request) -> Any:
        self._note(request)
        email, expires_at = self.access.get(bearer(request), ("", 0.0))
        return self.users[email] if time.monotonic() < expires_at else None

    def _session(self, user: dict[str, Any], session_id: str) -> dict[str, Any] | None:
        session = self.sessions.get(session_id)
        return session if session is not None and session["owner"] == user["id"] else None

    def _text(self, session: dict[str, Any]) -> str:
        return " ".join([session["title"], *(turn["content"] for turn in self.messages[session["id"]])])

    def _note(self, request: Request) -> None:
        self.seen.append((request.method, request.url.path, dict(request.headers)))


def new_refresh_token() -> str:
    """In the API's shape."""
    return "akr_" + secrets.token_urlsafe(69)


def refresh_cookie_name(request: Request) -> str:
    return ("__Host-" if request.headers.get("x-forwarded-proto") == "https" else "") + "authkeep_refresh"


def bearer(request: Request) -> str:
    return request.headers.get("authorization", "").removeprefix("Bearer ")


async def _frames(generation: Generation, after: int, most: int) -> AsyncIterator[str]:
    until = after + most
    while after < until:
        changed = generation.changed
        for frame in generation.frames[after:until]:
            after = frame["seq"]
            yield f"id: {frame['seq']}\nevent: {frame['type']}\ndata: {json.dumps(frame)}\n\n"
        if generation.message["status"] != "running":
            return
        await changed.wait()


def _turn(role: str, content: str, status: str, parent: str | None) -> dict[str, Any]:
    return {"id": str(uuid7()), "parent_id": parent, "role": role, "content": content, "status": status, "error": None}


def _public(user: dict[str, Any]) -> dict[str, Any]:
    shown = {name: user[name] for name in ("id", "email", "name", "role")}
    return shown | {"email_verified": True, "has_password": True, "mfa_enabled": user.get("totp", False)}


def _not_signed_in() -> Response:
    return problem(401, "invalid_token", "The access token is not valid", {"WWW-Authenticate": "Bearer"})


def _not_found() -> Response:
    return problem(404, "not_found", "There is nothing here that you can see.")

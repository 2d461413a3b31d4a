"""The stand-in's chats: sessions, the tree of their messages, and the search, as far as the page needs the contract."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route
from uuid_utils.compat import uuid7

from ui.tests.generation_stand_in import Generation

if TYPE_CHECKING:
    from ui.tests.api_stand_in import ApiStandIn

Json = dict[str, Any]
Answer = Callable[["ApiStandIn", Json, Request, Json], Any]


@dataclass
class Chats:
    sessions: dict[str, Json] = field(default_factory=dict)
    messages: dict[str, list[Json]] = field(default_factory=dict)
    generations: dict[str, Generation] = field(default_factory=dict)
    sent: list[Json] = field(default_factory=list)
    keys: dict[str, JSONResponse] = field(default_factory=dict)
    imported: list[bytes] = field(default_factory=list)
    running: set[asyncio.Task[None]] = field(default_factory=set)

    def find(self, user: Json, session_id: str) -> Json | None:
        session = self.sessions.get(session_id)
        return session if session is not None and session["owner"] == user["id"] else None

    def branch(self, session: Json) -> list[Json]:
        """From the first message to the leaf."""
        by_id = {turn["id"]: turn for turn in self.messages[session["id"]]}
        path, step = [], by_id.get(session["leaf_id"] or "")
        while step is not None:
            path.append(step)
            step = by_id.get(step["parent_id"] or "")
        return path[::-1]

    def text(self, session: Json) -> str:
        return " ".join([session["title"], *(turn["content"] for turn in self.messages[session["id"]])])

    def newest_below(self, session: Json, message_id: str) -> str:
        below = {message_id}
        for turn in self.messages[session["id"]]:
            if turn["parent_id"] in below:
                below.add(turn["id"])
        return max(below)

    def with_siblings(self, session: Json, turn: Json) -> Json:
        ids = [each["id"] for each in self.messages[session["id"]] if each["parent_id"] == turn["parent_id"]]
        at = ids.index(turn["id"])
        after = ids[at + 1] if at + 1 < len(ids) else None
        place = {"index": at + 1, "count": len(ids), "previous_id": ids[at - 1] if at else None, "next_id": after}
        return turn | {"siblings": place}


def chat_routes(api: "ApiStandIn") -> list[Route]:
    """The lever `api.refusals` says what answers instead, by method and path."""

    def route(method: str, path: str, answer: Answer) -> Route:
        async def respond(request: Request) -> Response:
            user = api.find_user(request)
            if user is None:
                return api.not_signed_in()
            refusal = api.refusals.get(f"{request.method} {request.url.path}")
            if refusal is not None:
                return refusal
            if path.startswith("/chat/sessions/") and api.chats.find(user, request.path_params["id"]) is None:
                return api.not_found()
            is_json = request.headers.get("content-type") == "application/json"
            body = await request.json() if is_json else {}
            answered = answer(api, user, request, body)
            if isinstance(answered, Awaitable):
                answered = await answered
            if isinstance(answered, Response):
                return answered
            return JSONResponse(answered) if answered is not None else Response(status_code=204)

        return Route(path, respond, methods=[method])

    return [
        route("GET", "/chat/models", lambda api, *_: {"items": api.models, "error": None}),
        route("GET", "/chat/sessions", _list_sessions),
        route("POST", "/chat/sessions", _create_session),
        route("GET", "/chat/sessions/{id}", lambda api, user, request, _: _of(api, user, request)),
        route("PATCH", "/chat/sessions/{id}", _change_session),
        route("DELETE", "/chat/sessions/{id}", _delete_session),
        route("POST", "/chat/sessions/{id}/restore", _restore_session),
        route("POST", "/chat/bin/empty", _empty_bin),
        route("GET", "/chat/sessions/{id}/messages", _list_messages),
        route("PUT", "/chat/sessions/{id}/leaf", _show_branch),
        route("GET", "/chat/sessions/{id}/export", _export),
        route("GET", "/chat/export", _export_all),
        route("POST", "/chat/import", _import),
        route("GET", "/chat/search", _search),
        route("POST", "/chat/send", _send),
        route("POST", "/chat/messages/{id}/regenerate", _regenerate),
        route("GET", "/chat/generations/{id}/events", _events),
        route("POST", "/chat/generations/{id}/stop", _stop),
    ]


def _of(api: "ApiStandIn", user: Json, request: Request) -> Json:
    session = api.chats.find(user, request.path_params["id"])
    assert session is not None
    return session


def _list_sessions(api: "ApiStandIn", user: Json, request: Request, _: Json) -> Json:
    query = request.query_params
    archived, deleted = query.get("archived") == "true", query.get("deleted") == "true"
    pinned = {"true": True, "false": False}.get(query.get("pinned", ""))
    mine = [
        session
        for session in api.chats.sessions.values()
        if session["owner"] == user["id"]
        and (session["deleted_at"] is not None) == deleted
        and (deleted or "q" in query or (session["archived_at"] is not None) == archived)
        and pinned in (None, session["pinned_at"] is not None)
        and query.get("q", "").lower() in api.chats.text(session).lower()
    ]
    mine.sort(key=lambda session: session["updated_at"], reverse=True)
    return _page(mine, request)


def _page(items: list[Json], request: Request) -> Json:
    """A cursor is the number of items before it."""
    start, limit = int(request.query_params.get("cursor", "0")), int(request.query_params.get("limit", "50"))
    end = start + limit
    return {"items": items[start:end], "next_cursor": str(end) if end < len(items) else None}


def _create_session(api: "ApiStandIn", user: Json, _: Request, body: Json) -> JSONResponse:
    expires_at = datetime.now(UTC).replace(year=2099).isoformat() if body.get("temporary") else None
    session = {"id": str(uuid7()), "title": "New chat", "model": None, "updated_at": _now(), "owner": user["id"]}
    session |= {"leaf_id": None, "pinned_at": None, "archived_at": None, "deleted_at": None, "expires_at": expires_at}
    api.chats.sessions[session["id"]] = session
    api.chats.messages[session["id"]] = []
    return JSONResponse(session, 201)


def _change_session(api: "ApiStandIn", user: Json, request: Request, body: Json) -> Json:
    session = _of(api, user, request)
    for name, column in (("pinned", "pinned_at"), ("archived", "archived_at")):
        if name in body:
            session[column] = _now() if body[name] else None
    session["title"] = body.get("title") or session["title"]
    return session


def _delete_session(api: "ApiStandIn", user: Json, request: Request, _: Json) -> None:
    session = _of(api, user, request)
    session["deleted_at"] = _now()
    if session["expires_at"] is not None or request.query_params.get("forever") == "true":
        del api.chats.sessions[session["id"]]


def _empty_bin(api: "ApiStandIn", user: Json, *_: Any) -> Json:
    """One chat a time, as if it were a large bin."""
    binned = [key for key, each in api.chats.sessions.items() if each["deleted_at"] and each["owner"] == user["id"]]
    for key in binned[:1]:
        del api.chats.sessions[key]
    return {"deleted": len(binned[:1]), "more": len(binned) > 1}


def _restore_session(api: "ApiStandIn", user: Json, request: Request, _: Json) -> Json:
    session = _of(api, user, request)
    session["deleted_at"] = None
    return session


def _list_messages(api: "ApiStandIn", user: Json, request: Request, _: Json) -> Json:
    session = _of(api, user, request)
    turns = api.chats.messages[session["id"]]
    if request.query_params.get("branch") == "current":
        turns = api.chats.branch(session)
    if request.query_params.get("order") == "desc":
        turns = turns[::-1]
    page = _page(turns, request)
    return page | {"items": [api.chats.with_siblings(session, turn) for turn in page["items"]]}


def _show_branch(api: "ApiStandIn", user: Json, request: Request, body: Json) -> Any:
    session = _of(api, user, request)
    if body["message_id"] not in {turn["id"] for turn in api.chats.messages[session["id"]]}:
        return api.not_found()
    session["leaf_id"] = api.chats.newest_below(session, body["message_id"])
    return session


def _search(api: "ApiStandIn", user: Json, request: Request, _: Json) -> Any:
    if int(request.query_params["limit"]) > 50:
        return api.problem(422, "validation_failed", "limit must be at most 50.")
    words = request.query_params["q"].lower()
    hits = [
        {
            "session_id": session["id"],
            "message_id": turn["id"],
            "title": session["title"],
            "role": turn["role"],
            "snippet": turn["content"][:200],
            "highlights": [[at, at + len(words)]] if (at := turn["content"].lower().find(words)) < 200 else [],
            "created_at": session["updated_at"],
        }
        for session in api.chats.sessions.values()
        if session["owner"] == user["id"] and session["deleted_at"] is None
        for turn in api.chats.messages[session["id"]]
        if words in turn["content"].lower()
    ]
    return _page(hits, request)


def _export(api: "ApiStandIn", user: Json, request: Request, _: Json) -> Response:
    session = _of(api, user, request)
    if request.query_params.get("format") == "markdown":
        text = f"# {session['title']}\n\n" + "\n\n".join(turn["content"] for turn in api.chats.branch(session))
        return Response(text, media_type="text/markdown", headers=_attached("chat.md"))
    body = {"session": session, "messages": api.chats.messages[session["id"]]}
    return JSONResponse(body, headers=_attached("chat.json"))


def _export_all(api: "ApiStandIn", user: Json, *_: Any) -> Response:
    return Response('{"title":"Tides"}\n', media_type="application/jsonl", headers=_attached("chats.jsonl"))


def _attached(name: str) -> dict[str, str]:
    return {"Content-Disposition": f'attachment; filename="{name}"'}


async def _import(api: "ApiStandIn", _: Json, request: Request, body: Json) -> Json:
    api.chats.imported.append(await request.body())
    return {"sessions": 2, "messages": 7, "skipped": [{"index": 1, "reason": "has no messages"}]}


def _send(api: "ApiStandIn", user: Json, request: Request, body: Json) -> Response:
    api.chats.sent.append(body)
    session = api.chats.find(user, body["session_id"])
    if session is None:
        return api.not_found()
    parent = None if body.get("root") else body.get("parent_id") or session["leaf_id"]
    if session["title"] == "New chat":
        session["title"] = body["message"][:60]
    return _answer(api, user, session, request, _turn("user", body["message"], "completed", parent))


def _regenerate(api: "ApiStandIn", user: Json, request: Request, body: Json) -> Response:
    api.chats.sent.append(body)
    for session_id, turns in api.chats.messages.items():
        session = api.chats.find(user, session_id)
        for turn in turns:
            if session is not None and turn["id"] == request.path_params["id"] and turn["role"] == "assistant":
                question = next(each for each in turns if each["id"] == turn["parent_id"])
                return _answer(api, user, session, request, question)
    return api.not_found()


def _answer(api: "ApiStandIn", user: Json, session: Json, request: Request, question: Json) -> Response:
    """One answer at a time, and one for each Idempotency-Key."""
    key = f"{user['id']} {request.headers.get('idempotency-key')}"
    if key in api.chats.keys:
        return api.chats.keys[key]
    turns = api.chats.messages[session["id"]]
    if any(turn["status"] == "running" for turn in turns):
        return api.problem(409, "generation_running", "Wait for it to end, or stop it, and send your message again.")
    generation = Generation(str(uuid7()), user["id"], _turn("assistant", "", "running", question["id"]))
    generation.message["generation_id"] = generation.id
    turns += [generation.message] if question in turns else [question, generation.message]
    session |= {"leaf_id": generation.message["id"], "updated_at": _now()}
    api.chats.generations[generation.id] = generation
    task = asyncio.create_task(generation.write(api))
    api.chats.running.add(task)
    task.add_done_callback(api.chats.running.discard)
    body = {"generation_id": generation.id, "message_id": generation.message["id"]}
    api.chats.keys[key] = JSONResponse(body, 202)
    return api.chats.keys[key]


def _events(api: "ApiStandIn", user: Json, request: Request, _: Json) -> Response:
    generation = api.chats.generations.get(request.path_params["id"])
    if generation is None or generation.owner != user["id"]:
        return api.not_found()
    after = int(request.headers.get("last-event-id", "0"))
    if after >= len(generation.frames) and generation.message["status"] != "running":
        return Response(status_code=204)
    if api.log_gone:
        return api.problem(410, "log_gone", "The generation has ended and its events are gone.")
    return StreamingResponse(generation.read(after, api.frames_per_response), media_type="text/event-stream")


def _stop(api: "ApiStandIn", _: Json, request: Request, __: Json) -> Response:
    generation = api.chats.generations.get(request.path_params["id"])
    if generation is None:
        return api.not_found()
    generation.stopped = True
    return Response(status_code=202)


def _turn(role: str, content: str, status: str, parent: str | None) -> Json:
    turn = {"id": str(uuid7()), "parent_id": parent, "role": role, "content": content, "status": status}
    return turn | {"error": None, "reasoning": None}


def _now() -> str:
    return datetime.now(UTC).isoformat()

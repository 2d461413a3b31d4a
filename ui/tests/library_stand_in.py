"""The stand-in's documents and collections, as far as the pages need the contract. What arrives is ready at once."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from python_multipart.multipart import parse_options_header
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from uuid_utils.compat import uuid7

if TYPE_CHECKING:
    from ui.tests.api_stand_in import ApiStandIn

Json = dict[str, Any]
Answer = Callable[["ApiStandIn", Json, Request], Awaitable[Any]]
NOW = "2026-11-25T13:45:00Z"
TEXTS = ("Herons nest in spring.", "They eat fish. <b>Not</b> bread.", "In winter they stand still.")


@dataclass
class Library:
    """Levers: `arriving` is what a document looks like that has just been uploaded."""

    documents: dict[str, Json] = field(default_factory=dict)
    collections: dict[str, Json] = field(default_factory=dict)
    members: dict[str, dict[str, Json]] = field(default_factory=dict)
    arriving: Json = field(default_factory=lambda: {"status": "ready"})
    asked: list[Json] = field(default_factory=list)
    traces: dict[str, Json] = field(default_factory=dict)

    def add(self, owner: Json, filename: str, **more: Any) -> Json:
        document = {"id": str(uuid7()), "owner": owner["id"], "filename": filename, "collection_id": None}
        document |= {"title": None, "status": "ready", "stage": None, "done": 0, "total": 0, "pages": 3, "size": 3400}
        document |= {"chunks": len(TEXTS), "notices": [], "error": None, "created_at": NOW, **more}
        self.documents[document["id"]] = document
        return document

    def role(self, user: Json, collection_id: str | None) -> str | None:
        collection = self.collections.get(collection_id or "")
        if collection is None:
            return None
        if collection["owner"] == user["id"]:
            return "owner"
        members = self.members[collection["id"]]
        member = members.get(user["id"]) or members.get("everyone")
        return str(member["role"]) if member else None

    def sees(self, user: Json, document: Json) -> bool:
        if document["collection_id"]:
            return self.role(user, document["collection_id"]) is not None
        return bool(document["owner"] == user["id"])


def library_routes(api: "ApiStandIn") -> list[Route]:
    """The lever `api.refusals` says what answers instead, by method and path."""

    def route(method: str, path: str, answer: Answer) -> Route:
        async def respond(request: Request) -> Response:
            user = api.find_user(request)
            if user is None:
                return api.not_signed_in()
            if refusal := api.refusals.get(f"{request.method} {request.url.path}"):
                return refusal
            if request.method != "GET":
                api.done.append((request.method, request.url.path, {}))
            answered = await answer(api, user, request)
            if isinstance(answered, Response):
                return answered
            return JSONResponse(answered) if answered is not None else Response(status_code=204)

        return Route(path, respond, methods=[method])

    return [
        route("GET", "/documents/storage", _storage),
        route("GET", "/documents", _list_documents),
        route("POST", "/documents", _add_documents),
        route("GET", "/documents/{id}", _get_document),
        route("DELETE", "/documents/{id}", _delete_document),
        route("POST", "/documents/{id}/retry", _get_document),
        route("POST", "/documents/{id}/cancel", _get_document),
        route("GET", "/documents/{id}/content", _content),
        route("GET", "/documents/{id}/chunks/{n:int}", _chunk),
        route("GET", "/collections", _list_collections),
        route("POST", "/collections", _make_collection),
        route("GET", "/collections/{id}", _get_collection),
        route("PATCH", "/collections/{id}", _change_collection),
        route("DELETE", "/collections/{id}", _delete_collection),
        route("GET", "/collections/{id}/members", _list_members),
        route("POST", "/collections/{id}/members", _add_member),
        route("PUT", "/collections/{id}/members/{member}", _put_member),
        route("DELETE", "/collections/{id}/members/{member}", _remove_member),
        route("POST", "/search", _search),
        route("GET", "/chat/messages/{id}/trace", _trace),
    ]


async def _storage(api: "ApiStandIn", user: Json, request: Request) -> Json:
    mine = [each["size"] for each in api.library.documents.values() if each["owner"] == user["id"]]
    return {"used_bytes": sum(mine), "limit_bytes": 10_000_000_000}


async def _list_documents(api: "ApiStandIn", user: Json, request: Request) -> Json:
    wanted = request.query_params.get("collection_id")
    found = [each for each in api.library.documents.values() if api.library.sees(user, each)]
    if wanted or request.query_params.get("personal") == "true":
        found = [each for each in found if each["collection_id"] == wanted]
    return {"items": found[::-1], "next_cursor": None}


async def _add_documents(api: "ApiStandIn", user: Json, request: Request) -> Response:
    assert parse_options_header(request.headers["content-type"])[0] == b"multipart/form-data"
    async with request.form() as form:
        into = form.get("collection_id")
        files = [each for each in form.getlist("file") if not isinstance(each, str)]
        if not files or not files[0].filename:
            return api.problem(422, "upload_invalid", "There is no file in the request.")
        added = [
            api.library.add(user, file.filename or "", collection_id=into, **api.library.arriving) for file in files
        ]
    return JSONResponse({"items": added}, 202)


def _document(api: "ApiStandIn", user: Json, request: Request) -> Json | None:
    found = api.library.documents.get(request.path_params["id"])
    return found if found is not None and api.library.sees(user, found) else None


async def _get_document(api: "ApiStandIn", user: Json, request: Request) -> Any:
    return _document(api, user, request) or api.not_found()


async def _delete_document(api: "ApiStandIn", user: Json, request: Request) -> Any:
    found = _document(api, user, request)
    return api.not_found() if found is None else api.library.documents.pop(found["id"]) and None


async def _content(api: "ApiStandIn", user: Json, request: Request) -> Response:
    if _document(api, user, request) is None:
        return api.not_found()
    headers = {"Content-Disposition": 'attachment; filename="herons.pdf"', "Content-Type": "application/octet-stream"}
    return Response(b"%PDF-1.7", headers=headers)


async def _chunk(api: "ApiStandIn", user: Json, request: Request) -> Any:
    document, n = _document(api, user, request), request.path_params["n"]
    if document is None or not 1 <= n <= len(TEXTS):
        return api.not_found()
    return _passage(document, n)


def _passage(document: Json, n: int) -> Json:
    names = {"title": document["title"], "filename": document["filename"]}
    place = {"page": n, "headings": ["Birds", "Herons"]}
    return {"document_id": document["id"], "n": n, "text": TEXTS[n - 1], **names, **place}


async def _list_collections(api: "ApiStandIn", user: Json, request: Request) -> Json:
    mine = [_seen(api, user, each) for each in api.library.collections.values()]
    return {"items": [each for each in mine if each["role"] is not None], "next_cursor": None}


def _seen(api: "ApiStandIn", user: Json, collection: Json) -> Json:
    return collection | {"role": api.library.role(user, collection["id"])}


async def _make_collection(api: "ApiStandIn", user: Json, request: Request) -> Any:
    made = {"id": str(uuid7()), "owner": user["id"], **await request.json()}
    if not made["name"]:
        error = {"loc": ["body", "name"], "msg": "Give it a name.", "type": "x"}
        return JSONResponse({"status": 422, "detail": "no", "code": "x", "errors": [error]}, 422)
    api.library.collections[made["id"]], api.library.members[made["id"]] = made, {}
    return _seen(api, user, made)


async def _get_collection(api: "ApiStandIn", user: Json, request: Request) -> Any:
    found = api.library.collections.get(request.path_params["id"])
    seen = _seen(api, user, found) if found else {"role": None}
    return seen if seen["role"] else api.not_found()


async def _change_collection(api: "ApiStandIn", user: Json, request: Request) -> Any:
    api.library.collections[request.path_params["id"]] |= await request.json()
    return await _get_collection(api, user, request)


async def _delete_collection(api: "ApiStandIn", user: Json, request: Request) -> None:
    del api.library.collections[request.path_params["id"]]


async def _list_members(api: "ApiStandIn", user: Json, request: Request) -> Json:
    return {"items": list(api.library.members[request.path_params["id"]].values()), "next_cursor": None}


async def _add_member(api: "ApiStandIn", user: Json, request: Request) -> Any:
    body = await request.json()
    known = api.users.get(body["email"])
    if known is not None:
        member = {"user_id": known["id"], "email": known["email"], "role": body["role"]}
        api.library.members[request.path_params["id"]][known["id"]] = member
    return Response(status_code=202)


async def _put_member(api: "ApiStandIn", user: Json, request: Request) -> Any:
    member = {"user_id": request.path_params["member"], "email": None, **await request.json()}
    api.library.members[request.path_params["id"]][member["user_id"]] = member
    return None


async def _remove_member(api: "ApiStandIn", user: Json, request: Request) -> None:
    api.library.members[request.path_params["id"]].pop(request.path_params["member"], None)


async def _search(api: "ApiStandIn", user: Json, request: Request) -> Json:
    body = await request.json()
    api.library.asked.append(body)
    words = body["query"].lower()
    seen = [each for each in api.library.documents.values() if api.library.sees(user, each)]
    if body.get("collection_ids"):
        seen = [each for each in seen if each["collection_id"] in body["collection_ids"]]
    found = [(each, n) for each in seen for n, text in enumerate(TEXTS, 1) if words in text.lower()]
    return {"items": [_passage(each, n) | {"score": 0.9} for each, n in found]}


async def _trace(api: "ApiStandIn", user: Json, request: Request) -> Any:
    return api.library.traces.get(request.path_params["id"]) or api.not_found()

"""Every route says who may call it, or the application does not start."""

from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any

import httpx
import pytest
from fastapi import APIRouter, Depends, FastAPI, WebSocket
from starlette.applications import Starlette
from starlette.endpoints import HTTPEndpoint
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Host, Mount, Route, WebSocketRoute
from starlette.staticfiles import StaticFiles

from authkeep import (
    Auth,
    AuthError,
    Principal,
    Role,
)
from authkeep.http import (
    CurrentPrincipal,
    Guarded,
    UndeclaredRoute,
    declared_routes,
    guarded,
    mount,
    public,
    recent_sign_in,
    refuse_undeclared,
    render_auth_error,
    require_role,
    require_scope,
    signed_in,
)
from authkeep.testing import signed_in as sign_in

AUTH_ROUTES = 49
DOCUMENTATION_ROUTES = 4


@pytest.fixture
def app(auth: Auth) -> FastAPI:
    app = FastAPI()
    mount(app, auth)
    return app


async def hello() -> str:
    return "hello"


async def plain(request: Request) -> Response:
    return PlainTextResponse("plain")


async def opaque(scope: Any, receive: Any, send: Any) -> None:
    await PlainTextResponse("opaque")(scope, receive, send)


async def get(app: FastAPI, path: str, headers: dict[str, str] | None = None) -> httpx.Response:
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://x") as client:
        return await client.get(path, headers=headers)


def test_authkeeps_own_routes_are_all_declared(app: FastAPI) -> None:
    assert len(refuse_undeclared(app)) == AUTH_ROUTES + DOCUMENTATION_ROUTES


def test_an_undeclared_route_is_refused(app: FastAPI) -> None:
    app.get("/hello")(hello)
    with pytest.raises(UndeclaredRoute, match="GET /hello"):
        refuse_undeclared(app)


def test_an_undeclared_route_of_an_included_router_is_refused(app: FastAPI) -> None:
    inner, outer = APIRouter(), APIRouter()
    inner.get("/hello")(hello)
    outer.include_router(inner, prefix="/inner")
    app.include_router(outer, prefix="/outer")
    with pytest.raises(UndeclaredRoute, match="GET /outer/inner/hello"):
        refuse_undeclared(app)


def test_an_undeclared_route_of_a_mounted_application_is_refused(app: FastAPI) -> None:
    sub = FastAPI(openapi_url=None)
    sub.get("/hello")(hello)
    app.mount("/sub", sub)
    with pytest.raises(UndeclaredRoute, match="GET /sub/hello"):
        refuse_undeclared(app)


def test_an_undeclared_route_of_a_mounted_starlette_application_is_refused(app: FastAPI) -> None:
    app.mount("/sub", Starlette(routes=[Mount("/deep", routes=[Route("/plain", plain)])]))
    with pytest.raises(UndeclaredRoute, match="GET /sub/deep/plain"):
        refuse_undeclared(app)


def test_an_opaque_application_is_refused_until_it_is_declared(app: FastAPI) -> None:
    app.mount("/page", opaque)
    with pytest.raises(UndeclaredRoute, match="/page"):
        refuse_undeclared(app)
    assert len(refuse_undeclared(app, declare={"/page": public})) == AUTH_ROUTES + DOCUMENTATION_ROUTES + 1


def test_an_application_at_the_root_can_be_declared(app: FastAPI) -> None:
    app.mount("/", Starlette(routes=[Route("/anything", plain)]))
    refuse_undeclared(app, declare={"/": public})


def test_a_websocket_is_a_route_too(app: FastAPI) -> None:
    @app.websocket("/open")
    async def open_socket(socket: WebSocket) -> None: ...

    @app.websocket("/closed")
    async def closed_socket(socket: WebSocket, principal: CurrentPrincipal) -> None: ...

    with pytest.raises(UndeclaredRoute, match=r"^no policy declared for: \* /open$"):
        refuse_undeclared(app)


async def test_a_websocket_is_refused_before_it_opens(app: FastAPI, auth: Auth) -> None:
    @app.websocket("/closed")
    async def closed(socket: WebSocket, principal: CurrentPrincipal) -> None:
        await socket.accept()
        await socket.send_text(principal.user_id)

    user = await sign_in(auth)
    assert await first_messages(app, {}) == [{"type": "websocket.close", "code": 1008, "reason": "not_signed_in"}]
    opened = await first_messages(app, user.headers)
    assert opened[-1]["text"] == user.user.id


async def test_a_plain_websocket_is_guarded_before_it_opens(app: FastAPI, auth: Auth) -> None:
    @guarded(signed_in)
    async def closed(socket: WebSocket) -> None:
        await socket.accept()

    app.router.routes.append(WebSocketRoute("/closed", closed))
    refuse_undeclared(app)
    assert await first_messages(app, {}) == [{"type": "websocket.close", "code": 1008, "reason": "not_signed_in"}]
    assert (await first_messages(app, (await sign_in(auth)).headers))[0]["type"] == "websocket.accept"


async def first_messages(app: FastAPI, headers: dict[str, str]) -> list[dict[str, Any]]:
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        return {"type": "websocket.connect"}

    async def send(message: Any) -> None:
        sent.append(message)

    raw = [(name.lower().encode(), value.encode()) for name, value in headers.items()]
    address = {"path": "/closed", "raw_path": b"/closed", "query_string": b"", "root_path": "", "scheme": "ws"}
    peers = {"client": ("198.51.100.7", 1), "server": ("x", 80)}
    scope = {"type": "websocket", "headers": raw, "subprotocols": [], **address, **peers}
    await app(scope, receive, send)
    return sent


def test_a_declaration_of_what_is_not_there_is_refused(app: FastAPI) -> None:
    with pytest.raises(UndeclaredRoute, match="/typo"):
        refuse_undeclared(app, declare={"/typo": public})


def test_a_policy_on_the_router_or_deep_in_a_dependency_counts(app: FastAPI) -> None:
    async def owner(principal: CurrentPrincipal) -> str:
        return principal.user_id

    async def mine(owner: Annotated[str, Depends(owner)]) -> str:
        return owner

    app.get("/mine")(mine)
    router = APIRouter(dependencies=[Depends(require_role(Role.ADMIN))])
    router.get("/admin")(hello)
    app.include_router(router)
    found = {route.path: route.policies for route in refuse_undeclared(app)}
    assert (found["/mine"], found["/admin"]) == ((signed_in,), (require_role(Role.ADMIN),))


async def test_a_role_is_enforced(app: FastAPI, auth: Auth) -> None:
    app.get("/admin", dependencies=[Depends(require_role(Role.ADMIN))])(hello)
    admin = await sign_in(auth, "admin@example.com", role=Role.ADMIN)
    user = await sign_in(auth, "user@example.com")
    assert (await get(app, "/admin")).status_code == 401
    refused = await get(app, "/admin", user.headers)
    assert (refused.status_code, refused.json()["code"]) == (403, "insufficient_role")
    assert (await get(app, "/admin", admin.headers)).status_code == 200


async def test_a_starlette_route_is_guarded_by_the_same_policies(app: FastAPI, auth: Auth) -> None:
    app.router.add_route("/hot", guarded(signed_in)(plain))
    assert refuse_undeclared(app)[-1].policies == (signed_in,)
    refused = await get(app, "/hot")
    assert (refused.status_code, refused.json()["code"]) == (401, "not_signed_in")
    assert (await get(app, "/hot", (await sign_in(auth)).headers)).text == "plain"


def test_an_undeclared_route_behind_a_host_name_is_refused(app: FastAPI) -> None:
    app.router.routes.append(Host("files.example", Starlette(routes=[Route("/plain", plain)])))
    with pytest.raises(UndeclaredRoute, match="GET /plain"):
        refuse_undeclared(app)


def test_what_answers_where_no_route_does_is_refused(app: FastAPI) -> None:
    app.router.default = opaque
    with pytest.raises(UndeclaredRoute, match=r"^no policy declared for: \* /\{path\}$"):
        refuse_undeclared(app)
    app.router.default = Guarded(opaque, signed_in)
    assert refuse_undeclared(app)[-1].policies == (signed_in,)


def test_static_files_are_refused_until_they_are_guarded(app: FastAPI, tmp_path: Path) -> None:
    app.mount("/open", StaticFiles(directory=tmp_path))
    app.mount("/closed", Guarded(StaticFiles(directory=tmp_path), signed_in))
    with pytest.raises(UndeclaredRoute, match=r"^no policy declared for: \* /open$"):
        refuse_undeclared(app)


async def test_a_guard_around_an_application_guards_all_of_it(app: FastAPI, auth: Auth, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("secret")
    app.mount("/files", Guarded(StaticFiles(directory=tmp_path), signed_in))
    app.mount("/sub", Guarded(Starlette(routes=[Route("/plain", plain)]), require_role(Role.ADMIN)))
    assert refuse_undeclared(app)[-1].policies == (require_role(Role.ADMIN),)
    user = await sign_in(auth, "user@example.com")
    assert (await get(app, "/files/notes.txt")).json()["code"] == "not_signed_in"
    assert (await get(app, "/files/notes.txt", user.headers)).text == "secret"
    assert (await get(app, "/sub/plain", user.headers)).json()["code"] == "insufficient_role"


async def test_an_endpoint_of_a_class_is_guarded_as_an_application(app: FastAPI, auth: Auth) -> None:
    class Page(HTTPEndpoint):
        async def get(self, request: Request) -> Response:
            return PlainTextResponse("page")

    app.router.routes.append(Route("/page", Guarded(Page, signed_in)))
    assert refuse_undeclared(app)[-1].policies == (signed_in,)
    assert (await get(app, "/page")).status_code == 401
    assert (await get(app, "/page", (await sign_in(auth)).headers)).text == "page"


def test_a_mounted_application_that_would_answer_500_is_refused(app: FastAPI) -> None:
    @(sub := FastAPI()).get("/hello")
    async def who(principal: CurrentPrincipal) -> str:
        return principal.user_id

    app.mount("/sub", sub)
    with pytest.raises(UndeclaredRoute, match=r"add_exception_handler\(AuthError, render_auth_error\): GET /sub/hello"):
        refuse_undeclared(app)


async def test_a_mounted_application_refuses_as_the_outer_one_does(app: FastAPI) -> None:
    @(sub := FastAPI()).get("/hello")
    async def who(principal: CurrentPrincipal) -> str:
        return principal.user_id

    sub.add_exception_handler(AuthError, render_auth_error)  # type: ignore[arg-type]
    app.mount("/sub", sub)
    refuse_undeclared(app)
    assert (await get(app, "/sub/hello")).json()["code"] == "not_signed_in"


def test_a_scope_beside_a_policy_that_takes_no_key_is_refused(app: FastAPI) -> None:
    @app.get("/who", dependencies=[Depends(require_scope("notes"))])
    async def who(principal: CurrentPrincipal) -> str:
        return principal.user_id

    with pytest.raises(UndeclaredRoute, match="a scope that no API key can use"):
        refuse_undeclared(app)


# -- what OpenAPI says -----------------------------------------------------------------------------------------------


def test_openapi_says_who_may_call_what(app: FastAPI) -> None:
    app.get("/admin", dependencies=[Depends(require_role(Role.ADMIN))])(hello)
    paths = app.openapi()["paths"]
    assert paths["/admin"]["get"]["x-authz"] == {"policy": "role", "role": "admin"}
    assert paths["/auth/me"]["get"]["x-authz"] == {"policy": "signed_in"}
    assert paths["/auth/me"]["get"]["security"] == [{"bearer": []}]
    assert paths["/auth/login"]["post"]["x-authz"] == {"policy": "public"}
    assert "security" not in paths["/auth/login"]["post"]
    operations = [operation for path in paths.values() for operation in path.values()]
    assert len(operations) == AUTH_ROUTES + 1
    assert all("x-authz" in operation for operation in operations)


def test_openapi_shows_every_policy_and_what_it_has_no_place_for(app: FastAPI) -> None:
    @app.websocket("/socket")
    async def socket(socket: WebSocket, principal: CurrentPrincipal) -> None: ...

    app.mount("/files", Guarded(opaque, require_scope("files")))
    twice = [Depends(recent_sign_in(timedelta(minutes=10))), Depends(require_role(Role.ADMIN))]
    app.delete("/notes/{note_id:path}", dependencies=twice)(hello)
    document = app.openapi()
    assert document["paths"]["/notes/{note_id}"]["delete"]["x-authz"] == {
        "policy": "all_of",
        "policies": [{"policy": "recent_sign_in", "max_age": 600}, {"policy": "role", "role": "admin"}],
    }
    assert document["x-authz"][-2:] == [
        {"path": "/socket", "methods": [], "policy": "signed_in"},
        {"path": "/files", "methods": [], "policy": "scope", "scope": "files"},
    ]


async def test_a_hosts_test_can_override_who_is_signed_in(app: FastAPI) -> None:
    @app.get("/who")
    async def who(principal: CurrentPrincipal) -> str:
        return principal.user_id

    app.dependency_overrides[signed_in] = lambda: Principal("u1", "l1", Role.USER)
    assert (await get(app, "/who")).json() == "u1"


async def test_an_application_without_authkeep_says_what_is_missing() -> None:
    app = FastAPI()

    @app.get("/who")
    async def who(principal: CurrentPrincipal) -> str:
        return principal.user_id

    with pytest.raises(RuntimeError, match=r"mount\(app, auth\)"):
        await get(app, "/who")


def test_front_end_routes_are_found(app: FastAPI, tmp_path: Any) -> None:
    (tmp_path / "index.html").write_text("hi")
    app.frontend("/site", directory=str(tmp_path))
    assert [route.path for route in declared_routes(app) if not route.policies] == ["/site"]
    refuse_undeclared(app, declare={"/site": public})

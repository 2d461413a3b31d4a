"""Every route says who may call it, or the application does not start."""

from typing import Annotated, Any

import httpx
import pytest
from fastapi import APIRouter, Depends, FastAPI, WebSocket
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Mount, Route

from authkeep import Auth, Principal, Role
from authkeep.http import (
    CurrentPrincipal,
    UndeclaredRoute,
    declared_routes,
    guarded,
    mount,
    public,
    refuse_undeclared,
    require_role,
    signed_in,
)
from authkeep.testing import signed_in as sign_in

AUTH_ROUTES = 12
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
    found = {route.path: route.policy for route in refuse_undeclared(app)}
    assert (found["/mine"], found["/admin"]) == (signed_in, require_role(Role.ADMIN))


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
    assert refuse_undeclared(app)[-1].policy is signed_in
    refused = await get(app, "/hot")
    assert (refused.status_code, refused.json()["code"]) == (401, "not_signed_in")
    assert (await get(app, "/hot", (await sign_in(auth)).headers)).text == "plain"


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
    assert [route.path for route in declared_routes(app) if route.policy is None] == ["/site"]
    refuse_undeclared(app, declare={"/site": public})

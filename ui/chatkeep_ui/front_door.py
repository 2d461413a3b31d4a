"""Every request to the page passes here: our own routes, and those few of Streamlit's that the page needs.

Whatever is not listed is a 404 problem, because Streamlit alone would answer any path with its index and a 200.
"""

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Protocol

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import FileResponse, HTMLResponse, JSONResponse, RedirectResponse, Response
from starlette.routing import Mount, Route, WebSocketRoute
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp
from starlette.websockets import WebSocket

from chatkeep_ui import cookies
from chatkeep_ui.forms import Forms, Refusal, chat_in
from chatkeep_ui.index_page import assets_directory, font_file, index_html
from chatkeep_ui.open_streams import OpenStreams
from chatkeep_ui.problem import ApiError, SignInEnded, TooMany
from chatkeep_ui.renewal import Renewal
from chatkeep_ui.security_headers import PAGE_POLICY, SecurityHeaders
from chatkeep_ui.vault import Vault

# As Streamlit answers it, for a page that no other page embeds.
_HOST_CONFIG = {
    "allowedOrigins": [],
    "useExternalAuthToken": False,
    "enableCustomParentMessages": False,
    "enforceDownloadInNewTab": False,
    "metricsUrl": "",
    "blockErrorDialogs": False,
    "resourceCrossOriginMode": None,
}


class FrontDoor:
    """The page's handlers for signed-in browsers."""

    def __init__(self, streamlit: ASGIApp, forms: Forms, renewal: Renewal, vault: Vault, streams: OpenStreams) -> None:
        self._streams = streams
        self._streamlit = streamlit
        self._forms = forms
        self._origins = forms.origins
        self._renewal = renewal
        self._vault = vault
        self._index = index_html()
        self.https = forms.origins.public_https

    async def page(self, request: Request) -> Response:
        """`/`: the chats for who is signed in, the sign-in page for anybody else."""
        headers = {"Cache-Control": "no-store", "Content-Security-Policy": PAGE_POLICY}
        try:
            renewed = await self._renewal.renew(request, secure=self._origins.is_https(request))
        except SignInEnded:
            return self._to_sign_in(request)
        except ApiError as error:
            return self._forms.show(
                "trouble.html", Refusal.of(error, ()), chat=chat_in(request.query_params.get("chat"))
            )
        response = HTMLResponse(self._index, headers=headers)
        renewed.apply(response)
        return response

    async def renew(self, request: Request) -> Response:
        """`POST /session/renew`, by the page's script: 204, or 401 when the sign-in has ended."""
        if not self._origins.allow_form(request):
            return problem(request, HTTPStatus.FORBIDDEN, "cross_site", "Only this page's own script may ask for this.")
        try:
            renewed = await self._renewal.renew(request, secure=self._origins.is_https(request))
        except SignInEnded as error:
            return problem(request, HTTPStatus.UNAUTHORIZED, error.code, str(error))
        except TooMany as error:
            return problem(request, error.status, error.code, str(error), {"Retry-After": str(error.retry_after)})
        except ApiError as error:
            return problem(request, HTTPStatus.SERVICE_UNAVAILABLE, "unreachable", str(error))
        response = Response(status_code=HTTPStatus.NO_CONTENT, headers={"Cache-Control": "no-store"})
        renewed.apply(response)
        return response

    async def host_config(self, request: Request) -> Response:
        """What Streamlit's script asks for before each websocket: the moment to sign in again after a restart."""
        try:
            renewed = await self._renewal.renew(request, secure=self._origins.is_https(request))
        except SignInEnded as error:
            return problem(request, HTTPStatus.UNAUTHORIZED, error.code, str(error))
        except ApiError as error:
            return problem(request, HTTPStatus.SERVICE_UNAVAILABLE, "unreachable", str(error))
        response = JSONResponse(_HOST_CONFIG, headers={"Cache-Control": "no-store"})
        renewed.apply(response)
        return response

    async def stream(self, websocket: WebSocket) -> None:
        """Streamlit's websocket, for a signed-in browser on our own origin."""
        secure = self._origins.is_https(websocket)
        key = cookies.page_key(websocket, secure=secure)
        signed_in = self._vault.find_for(key, cookies.refresh_token(websocket, secure=secure))
        if key is None or signed_in is None or not self._origins.allow_websocket(websocket):
            await websocket.close(code=1008)
            return
        await self._streams.serve(key, self._streamlit, as_streamlit_sees(websocket, key))

    def _to_sign_in(self, request: Request) -> Response:
        chat = chat_in(request.query_params.get("chat"))
        # Somebody who had cookies was signed in once, and would wonder.
        known = cookies.any_of_ours(request)
        query = "&".join(part for part in ("because=ended" if known else "", f"chat={chat}" if chat else "") if part)
        response = RedirectResponse(f"/sign-in?{query}" if query else "/sign-in", HTTPStatus.SEE_OTHER)
        if known:
            cookies.forget(response)
        return response


class FormPage(Protocol):
    """A page that is one form."""

    async def show(self, request: Request) -> Response: ...

    async def submit(self, request: Request) -> Response: ...


def front_door(
    door: FrontDoor, streamlit: ASGIApp, form_pages: Mapping[str, FormPage], account_pages: Sequence[Route]
) -> ASGIApp:
    """All routes of the page."""
    routes = [
        Route("/", door.page, methods=["GET"]),
        *(Route(path, page.show, methods=["GET"]) for path, page in form_pages.items()),
        *(Route(path, page.submit, methods=["POST"]) for path, page in form_pages.items()),
        *account_pages,
        Route("/session/renew", door.renew, methods=["POST"]),
        Route("/assets/source-sans.woff2", lambda _: FileResponse(font_file()), methods=["GET"]),
        Mount("/assets", StaticFiles(directory=assets_directory())),
        # Streamlit's bundle is the same for everybody and holds no secret. Its health and host-config are what its
        # script asks for before it opens the websocket; uploads, media and components are not served at all.
        Route("/static/{file:path}", streamlit, methods=["GET"]),
        Route("/_stcore/health", streamlit, methods=["GET"]),
        Route("/_stcore/host-config", door.host_config, methods=["GET"]),
        WebSocketRoute("/_stcore/stream", door.stream),
    ]
    app = Starlette(routes=routes, exception_handlers={HTTPException: _on_http_exception})
    return SecurityHeaders(app, https=door.https)


def as_streamlit_sees(websocket: WebSocket, key: str) -> WebSocket:
    """`websocket` as what the front door has found it to be: from our own origin, with the sign-in under `key`.

    Streamlit holds the Origin against a Host that a proxy may have rewritten, and reads cookies by rules of its own.
    """
    origin = websocket.headers["origin"].encode("latin-1")
    replaced = {b"host": origin.partition(b"://")[2], b"cookie": cookies.page_cookie_alone(key).encode()}
    headers = [(name, value) for name, value in websocket.scope["headers"] if name not in replaced]
    scope = {**websocket.scope, "headers": headers + list(replaced.items())}
    return WebSocket(scope, websocket.receive, websocket.send)


def problem(
    request: Request, status: int, code: str, detail: str, headers: dict[str, str] | None = None
) -> JSONResponse:
    """An application/problem+json answer like the API's."""
    body = {
        "type": "about:blank",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": detail,
        "code": code,
        "request_id": request.scope.get("state", {}).get("request_id"),
    }
    headers = {"Cache-Control": "no-store"} | (headers or {})
    return JSONResponse(body, status, headers, media_type="application/problem+json")


async def _on_http_exception(request: Request, error: Exception) -> Response:
    status = getattr(error, "status_code", HTTPStatus.INTERNAL_SERVER_ERROR)
    if status == HTTPStatus.NOT_FOUND:
        return problem(request, status, "not_found", "There is nothing here that you can see.")
    code = HTTPStatus(status).phrase.lower().replace(" ", "_")
    return problem(request, status, code, HTTPStatus(status).description, getattr(error, "headers", None))

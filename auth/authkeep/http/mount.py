"""One call that makes an application know its users."""

from fastapi import APIRouter, FastAPI
from starlette.routing import Match
from starlette.types import Scope
from typing_extensions import override

from authkeep.auth import Auth
from authkeep.errors import AuthError
from authkeep.http import account_routes, api_key_routes, login_routes
from authkeep.http.middleware import AuthMiddleware
from authkeep.http.openapi import describe_policies
from authkeep.http.problems import render_auth_error


class _PrefixRouter(APIRouter):
    """Says no to a foreign path at once: FastAPI tries every included route, at some 3 microseconds each."""

    @override
    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        if self.prefix not in scope["path"]:
            return Match.NONE, {}
        return super().matches(scope)


def mount(app: FastAPI, auth: Auth, *, prefix: str = "/auth") -> None:
    """Add the routes under `prefix`, the public keys, the middleware and the handler for `AuthError`.

    The host enters `auth.running()` in its lifespan. Its own routes, its handlers for other errors and the rest of
    its middleware are left alone.
    """
    app.add_middleware(AuthMiddleware, auth=auth)
    # Starlette calls one handler for requests and for WebSockets, and types it as if there were two.
    app.add_exception_handler(AuthError, render_auth_error)  # type: ignore[arg-type]
    journeys = _PrefixRouter(prefix=prefix)
    journeys.include_router(account_routes.router)
    journeys.include_router(login_routes.router)
    if auth.settings.scopes:
        journeys.include_router(api_key_routes.router)
    app.include_router(journeys)
    well_known = _PrefixRouter(prefix="/.well-known")
    well_known.include_router(account_routes.well_known)
    app.include_router(well_known)
    describe_policies(app)

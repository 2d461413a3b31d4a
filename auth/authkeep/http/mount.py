"""One call that makes an application know its users."""

import re

from fastapi import APIRouter, FastAPI
from starlette.routing import Match
from starlette.types import Scope
from typing_extensions import override

from authkeep.auth import Auth
from authkeep.errors import AuthError
from authkeep.http import (
    account_routes,
    admin_routes,
    api_key_routes,
    audit_routes,
    email_verification_routes,
    login_routes,
    mfa_routes,
    oidc_routes,
    password_reset_routes,
    registration_routes,
    second_step_routes,
)
from authkeep.http.middleware import AuthMiddleware
from authkeep.http.openapi import describe_policies
from authkeep.http.problems import render_auth_error


class _OwnRoutes(APIRouter):
    """Says no to a foreign path at once: FastAPI tries every included route, at some 3 microseconds each."""

    def __init__(self, *prefixes: str) -> None:
        super().__init__()
        self._ours = re.compile("|".join(map(re.escape, prefixes)))

    @override
    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        if self._ours.search(scope["path"]) is None:
            return Match.NONE, {}
        return super().matches(scope)


def mount(app: FastAPI, auth: Auth, *, prefix: str = "/auth", admin_prefix: str = "/admin") -> None:
    """Add the routes under `prefix`, those of administrators under `admin_prefix`, the public keys, the middleware and
    the handler for `AuthError`.

    The host enters `auth.running()` in its lifespan. Its own routes, its handlers for other errors and the rest of
    its middleware are left alone.
    """
    app.add_middleware(AuthMiddleware, auth=auth)
    # Starlette calls one handler for requests and for WebSockets, and types it as if there were two.
    app.add_exception_handler(AuthError, render_auth_error)  # type: ignore[arg-type]
    own = _OwnRoutes(prefix, admin_prefix, "/.well-known")
    # While it is empty: of what a router has by then, FastAPI looks at every signature once more, to throw that away.
    app.include_router(own)
    for journey in (
        registration_routes,
        email_verification_routes,
        password_reset_routes,
        account_routes,
        login_routes,
        second_step_routes,
        mfa_routes,
        oidc_routes,
    ):
        own.include_router(journey.router, prefix=prefix)
    if auth.settings.scopes:
        own.include_router(api_key_routes.router, prefix=prefix)
    for router in (admin_routes.router, audit_routes.router):
        own.include_router(router, prefix=admin_prefix)
    own.include_router(account_routes.well_known, prefix="/.well-known")
    describe_policies(app)

"""One call that makes an application know its users."""

from fastapi import FastAPI

from authkeep.auth import Auth
from authkeep.errors import AuthError
from authkeep.http import account_routes, login_routes
from authkeep.http.middleware import AuthMiddleware
from authkeep.http.openapi import describe_policies
from authkeep.http.problems import render_auth_error


def mount(app: FastAPI, auth: Auth, *, prefix: str = "/auth") -> None:
    """Add the routes under `prefix`, the public keys, the middleware and the handler for `AuthError`.

    The host enters `auth.running()` in its lifespan. Its own routes, its handlers for other errors and the rest of
    its middleware are left alone.
    """
    app.add_middleware(AuthMiddleware, auth=auth)
    app.add_exception_handler(AuthError, render_auth_error)
    app.include_router(account_routes.router, prefix=prefix)
    app.include_router(login_routes.router, prefix=prefix)
    app.include_router(account_routes.well_known)
    describe_policies(app)

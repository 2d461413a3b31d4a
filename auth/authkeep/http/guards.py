"""Policies where FastAPI's dependencies do not reach: plain endpoints, WebSockets, mounted applications."""

import functools
from collections.abc import Awaitable, Callable
from typing import TypeVar

from starlette.requests import HTTPConnection
from starlette.types import ASGIApp, Receive, Scope, Send

from authkeep.http.policies import Policy

ENDPOINT_ATTRIBUTE = "__authz__"

Connection = TypeVar("Connection", bound=HTTPConnection)
Result = TypeVar("Result")


def guarded(
    *policies: Policy,
) -> Callable[[Callable[[Connection], Awaitable[Result]]], Callable[[Connection], Awaitable[Result]]]:
    """Enforce and declare policies on a plain Starlette endpoint, for routes too hot for FastAPI's dependencies.

    The endpoint takes a `Request` or a `WebSocket`; one of a class is guarded as `Guarded(TheClass, ...)`.
    """

    def decorate(endpoint: Callable[[Connection], Awaitable[Result]]) -> Callable[[Connection], Awaitable[Result]]:
        @functools.wraps(endpoint)
        async def enforcing(connection: Connection) -> Result:
            for policy in policies:
                await policy(connection)
            return await endpoint(connection)

        setattr(enforcing, ENDPOINT_ATTRIBUTE, policies)
        return enforcing

    return decorate


class Guarded:
    """An ASGI application behind policies: static files, a front end, another framework's application.

    `app.mount("/files", Guarded(StaticFiles(directory="files"), signed_in))`. Routes within it need none of their own.
    """

    def __init__(self, app: ASGIApp, *policies: Policy) -> None:
        self.app = app
        self.policies = policies

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] in ("http", "websocket"):
            connection = HTTPConnection(scope)
            for policy in self.policies:
                await policy(connection)
        await self.app(scope, receive, send)

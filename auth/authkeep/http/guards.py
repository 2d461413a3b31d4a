"""Policies where FastAPI's dependencies do not reach: plain endpoints, WebSockets, mounted applications."""

import functools
import inspect
from collections.abc import Awaitable, Callable
from typing import Any, TypeAlias, TypeVar

from starlette.requests import HTTPConnection
from starlette.types import ASGIApp, Receive, Scope, Send

from authkeep.http.policies import Policy

ENDPOINT_ATTRIBUTE = "__authz__"

Check: TypeAlias = Callable[[HTTPConnection], Awaitable[object]]
Endpoint = TypeVar("Endpoint", bound=Callable[..., Awaitable[Any]])


def guarded(*checks: Policy | Check) -> Callable[[Endpoint], Endpoint]:
    """Enforce and declare policies, and count limits, on a route too hot for FastAPI's dependencies.

    The endpoint's first parameter is a `Request` or a `WebSocket`. It may be a plain Starlette endpoint, or one of
    FastAPI's with more parameters; an endpoint that is a class is guarded as `Guarded(TheClass, ...)`. Give
    its router `route_class=PolicyFirst` then: else the parameters are validated before anybody is asked, and a stranger
    is told 422. `dependency_overrides` do not reach it.

    Raises:
        TypeError: the endpoint has no parameter.
    """

    def decorate(endpoint: Endpoint) -> Endpoint:
        first = next(iter(inspect.signature(endpoint).parameters), None)
        if first is None:
            raise TypeError("a guarded endpoint takes the Request, or the WebSocket, as its first parameter")

        @functools.wraps(endpoint)
        async def enforcing(*given: Any, **named: Any) -> Any:
            # Starlette passes the connection by position, FastAPI by name.
            connection = given[0] if given else named[first]
            for check in checks:
                await check(connection)
            return await endpoint(*given, **named)

        setattr(enforcing, ENDPOINT_ATTRIBUTE, [check for check in checks if isinstance(check, Policy)])
        return enforcing  # type: ignore[return-value]  # the same parameters, which no type says of *given, **named

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

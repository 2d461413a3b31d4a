"""Every route an application answers, with the policies each one declares.

The walk goes through included routers, which since FastAPI 0.137.1 no longer appear in `app.routes`, and through
mounted sub-applications. Whatever it cannot look into must be declared by its path.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

from fastapi import FastAPI
from fastapi.dependencies.models import Dependant
from fastapi.routing import RouteContext, iter_route_contexts
from starlette.applications import Starlette
from starlette.routing import BaseRoute, WebSocketRoute

from authkeep.errors import AuthError
from authkeep.http.guards import ENDPOINT_ATTRIBUTE, Guarded
from authkeep.http.policies import Policy, Public, SignedIn, deciding, public

Mounted = Any  # FastAPI, Starlette, a router, or anything else that speaks ASGI

Kind = Literal["http", "websocket", "mount"]


@dataclass(frozen=True)
class RoutePolicy:
    """One route as the walk found it.

    Attributes:
        methods: of HTTP; none for a WebSocket and for what is mounted.
        policies: all of which have to hold, without those that others imply; empty when nobody declared any.
        answered: whether a refusal is rendered, and does not end as a 500 of a mounted application.
        kind: a mount is an application that the walk cannot look into.
    """

    path: str
    methods: frozenset[str]
    policies: tuple[Policy, ...]
    answered: bool = True
    kind: Kind = "http"

    def __str__(self) -> str:
        return f"{' '.join(sorted(self.methods)) or '*'} {self.path}"


class UndeclaredRoute(RuntimeError):
    """An application that must not start: nobody said who may call a route, or what was said cannot be enforced."""


def refuse_undeclared(app: FastAPI, *, declare: Mapping[str, Policy] | None = None) -> list[RoutePolicy]:
    """The routes of an application, all of which have a policy. Call it when everything is included and mounted.

    `declare` gives the policies of what cannot declare its own, by path: opaque ASGI applications, static files, routes
    of other libraries. It enforces nothing: see `Guarded`. The documentation routes of FastAPI count as public unless
    named there.

    Raises:
        UndeclaredRoute: a route has no policy, or `declare` names a path that is not there; a route names a scope and,
            beside it, a policy that takes no API key; a mounted application would answer a refusal with 500.
    """
    found = declared_routes(app, declare=declare)
    _refuse("no policy declared for", (str(route) for route in found if not route.policies))
    _refuse("declared, but not there", set(declare or {}) - {route.path for route in found})
    _refuse(
        "a scope that no API key can use, since another policy names none",
        (str(route) for route in found if _contradicts_itself(route.policies)),
    )
    _refuse(
        "in a mounted application without add_exception_handler(AuthError, render_auth_error)",
        (str(route) for route in found if not route.answered),
    )
    return found


def declared_routes(app: FastAPI, *, declare: Mapping[str, Policy] | None = None) -> list[RoutePolicy]:
    """As `refuse_undeclared`, without refusing."""
    return list(_Walk(dict(declare or {})).routes_of(app, _Place()))


def _refuse(what: str, routes: Iterable[str]) -> None:
    named = sorted(routes)
    if named:
        raise UndeclaredRoute(f"{what}: " + "; ".join(named))


def _contradicts_itself(policies: tuple[Policy, ...]) -> bool:
    scopes = {policy.scope for policy in policies if isinstance(policy, SignedIn)}
    return None in scopes and len(scopes) > 1


@dataclass(frozen=True)
class _Place:
    """Attributes:
    prefix: where the application is mounted.
    outer: what guards it as a whole.
    answers: whether it renders an `AuthError` that is raised in it.
    """

    prefix: str = ""
    outer: tuple[Policy, ...] = ()
    answers: bool = True


class _Walk:
    def __init__(self, known: Mapping[str, Policy]) -> None:
        self._known = known
        self._documentation: set[str] = set()

    def routes_of(self, app: Mounted, place: _Place) -> Iterator[RoutePolicy]:
        if isinstance(app, FastAPI):
            pages = (app.openapi_url, app.docs_url, app.redoc_url, app.swagger_ui_oauth2_redirect_url)
            self._documentation |= {place.prefix + path for path in pages if path}
        for context in iter_route_contexts(app.routes):
            yield from self._visit(context, place)
        router = getattr(app, "router", app)
        yield from self._front_ends(router, place)
        yield from self._fallback(router, place)

    def _visit(self, context: RouteContext, place: _Place) -> Iterator[RoutePolicy]:
        inner = _mounted_app(context.original_route)
        if inner is None:
            methods = frozenset(context.methods or ()) - {"HEAD"}
            route = self._route(place, context.path_format or "", methods, tuple(_policies_of(context)))
            yield replace(route, kind="websocket") if isinstance(context.original_route, WebSocketRoute) else route
            return
        place = replace(place, prefix=place.prefix + (context.path or ""))
        while isinstance(inner, Guarded):
            place = replace(place, outer=place.outer + inner.policies)
            inner = inner.app
        if (place.prefix or "/") in self._known or not hasattr(inner, "routes"):
            yield replace(self._route(place, "", frozenset(), ()), kind="mount")
            return
        if isinstance(inner, Starlette):
            # A mounted application renders what is raised in it, and what it has no handler for as a 500.
            place = replace(place, answers=AuthError in inner.exception_handlers)
        yield from self.routes_of(inner, place)

    def _front_ends(self, router: object, place: _Place) -> Iterator[RoutePolicy]:
        """What `app.frontend()` serves: tried when no other route matches, and listed nowhere else."""
        for item in getattr(router, "_iter_low_priority_routes", tuple)():
            group = getattr(item, "original_route", item)
            declared = tuple(calls_of(getattr(item, "dependant", None)))
            for route in getattr(group, "routes", [group]):
                path = getattr(item, "frontend_prefix", "") + (getattr(route, "path", None) or "/")
                yield self._route(place, path, frozenset({"GET"}), declared)

    def _fallback(self, router: object, place: _Place) -> Iterator[RoutePolicy]:
        """What answers where no route does, if that is more than a 404."""
        default = getattr(router, "default", None)
        if default is not None and default != getattr(router, "not_found", None):
            declared = default.policies if isinstance(default, Guarded) else ()
            yield replace(self._route(place, "/{path}", frozenset(), declared), kind="mount")

    def _route(self, place: _Place, path: str, methods: frozenset[str], declared: tuple[object, ...]) -> RoutePolicy:
        shown = place.prefix + path or "/"
        own = deciding((*declared, self._known.get(shown)))
        if not own and not place.outer and shown in self._documentation:
            own = (public,)
        answered = place.answers or all(isinstance(policy, Public) for policy in own)
        return RoutePolicy(shown, methods, deciding((*place.outer, *own)), answered)


def _mounted_app(route: BaseRoute) -> Mounted | None:
    """What is mounted, without the middleware that a Mount may have put around it."""
    return getattr(route, "_base_app", None) or (None if hasattr(route, "endpoint") else getattr(route, "app", None))


def _policies_of(context: RouteContext) -> Iterator[object]:
    yield from calls_of(getattr(context, "dependant", None))
    if isinstance(context.endpoint, Guarded):
        yield from context.endpoint.policies
    yield from getattr(context.endpoint, ENDPOINT_ATTRIBUTE, ())


def calls_of(dependant: Dependant | None) -> Iterator[object]:
    """All that a route depends on, directly or not."""
    for dependency in dependant.dependencies if dependant else ():
        yield dependency.call
        yield from calls_of(dependency)

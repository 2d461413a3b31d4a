"""Every route an application answers, with the policy each one declares.

The walk goes through included routers, which since FastAPI 0.137.1 no longer appear in `app.routes`, and through
mounted sub-applications. Whatever it cannot look into must be declared by its path.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from fastapi import FastAPI
from fastapi.dependencies.models import Dependant
from fastapi.routing import RouteContext, iter_route_contexts
from starlette.routing import BaseRoute

from authkeep.http.policies import ENDPOINT_ATTRIBUTE, Policy, RoutePolicy, public, strictest

Mounted = Any  # FastAPI, Starlette, a router, or anything else that speaks ASGI


class UndeclaredRoute(RuntimeError):
    """An application that must not start: somebody forgot to say who may call a route."""


def refuse_undeclared(app: FastAPI, *, declare: Mapping[str, Policy] | None = None) -> list[RoutePolicy]:
    """The routes of an application, all of which have a policy. Call it when everything is included and mounted.

    `declare` gives the policies of what cannot declare its own, by path: opaque ASGI applications, static files, routes
    of other libraries. The documentation routes of FastAPI count as public unless named there.

    Raises:
        UndeclaredRoute: a route has no policy, or `declare` names a path that is not there.
    """
    found = declared_routes(app, declare=declare)
    missing = sorted(f"{' '.join(sorted(route.methods)) or '*'} {route.path}" for route in found if not route.policy)
    if missing:
        raise UndeclaredRoute("no policy declared for: " + "; ".join(missing))
    unused = sorted(set(declare or {}) - {route.path for route in found})
    if unused:
        raise UndeclaredRoute("declared, but not there: " + "; ".join(unused))
    return found


def declared_routes(app: FastAPI, *, declare: Mapping[str, Policy] | None = None) -> list[RoutePolicy]:
    """As `refuse_undeclared`, without refusing."""
    documentation = (app.openapi_url, app.docs_url, app.redoc_url, app.swagger_ui_oauth2_redirect_url)
    known = {path: public for path in documentation if path} | dict(declare or {})
    return list(_walk(app, "", known))


def _walk(app: Mounted, prefix: str, known: Mapping[str, Policy]) -> Iterator[RoutePolicy]:
    for context in iter_route_contexts(app.routes):
        yield from _visit(context, prefix, known)
    yield from _front_ends(getattr(app, "router", app), prefix, known)


def _visit(context: RouteContext, prefix: str, known: Mapping[str, Policy]) -> Iterator[RoutePolicy]:
    path = prefix + (context.path or "")
    shown = path or "/"
    inner = _mounted_app(context.original_route)
    if inner is not None and shown not in known and hasattr(inner, "routes"):
        yield from _walk(inner, path, known)
        return
    declared = strictest([*_policies_of(context), known.get(shown)])
    yield RoutePolicy(shown, frozenset(context.methods or ()) - {"HEAD"}, declared)


def _mounted_app(route: BaseRoute) -> Mounted | None:
    """What is mounted, without the middleware that a Mount may have put around it."""
    return getattr(route, "_base_app", None) or (None if hasattr(route, "endpoint") else getattr(route, "app", None))


def _policies_of(context: RouteContext) -> Iterable[Any]:
    yield from _calls_of(getattr(context, "dependant", None))
    yield getattr(context.endpoint, ENDPOINT_ATTRIBUTE, None)


def _calls_of(dependant: Dependant | None) -> Iterator[Any]:
    for dependency in dependant.dependencies if dependant else ():
        yield dependency.call
        yield from _calls_of(dependency)


def _front_ends(router: object, prefix: str, known: Mapping[str, Policy]) -> Iterator[RoutePolicy]:
    """What `app.frontend()` serves: tried when no other route matches, and listed nowhere else."""
    for item in getattr(router, "_iter_low_priority_routes", tuple)():
        group = getattr(item, "original_route", item)
        base = prefix + getattr(item, "frontend_prefix", "")
        declared = strictest(_calls_of(getattr(item, "dependant", None)))
        for route in getattr(group, "routes", [group]):
            path = base + (getattr(route, "path", None) or "/")
            yield RoutePolicy(path, frozenset({"GET"}), declared or known.get(path))

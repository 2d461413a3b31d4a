"""`x-authz` and the bearer scheme in the OpenAPI document, from the same policies that are enforced."""

from typing import Any

from fastapi import FastAPI

from authkeep.http.policies import describe_all, public
from authkeep.http.route_walk import RoutePolicy, declared_routes

_SCHEME = {
    "type": "http",
    "scheme": "bearer",
    "description": "An access token, or an API key where x-authz has a scope",
}


def describe_policies(app: FastAPI) -> None:
    """Make `app.openapi()` say who may call what. What it returns is cached by FastAPI as before.

    Each operation has its `x-authz`. Routes that OpenAPI has no place for (WebSockets, plain Starlette routes, mounted
    applications) are listed in one `x-authz` of the document.
    """
    plain = app.openapi

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is not None:
            return app.openapi_schema
        schema = plain()
        elsewhere = [route for route in declared_routes(app) if route.policies and not _describe(schema, route)]
        schema["x-authz"] = [
            {"path": route.path, "methods": sorted(route.methods), **describe_all(route.policies)}
            for route in elsewhere
        ]
        schema.setdefault("components", {}).setdefault("securitySchemes", {})["bearer"] = _SCHEME
        return schema

    app.openapi = openapi  # type: ignore[method-assign]


def _describe(schema: dict[str, Any], route: RoutePolicy) -> bool:
    """Whether the document has this route, which is described now."""
    item = schema["paths"].get(route.path, {})
    operations = [item[method.lower()] for method in route.methods if method.lower() in item]
    for operation in operations:
        operation["x-authz"] = describe_all(route.policies)
        if route.policies != (public,):
            operation["security"] = [{"bearer": []}]
    return bool(operations)

"""`x-authz` and the bearer scheme in the OpenAPI document, from the same policies that are enforced."""

from typing import Any

from fastapi import FastAPI

from authkeep.http.policies import Public
from authkeep.http.route_walk import declared_routes

_SCHEME = {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}


def describe_policies(app: FastAPI) -> None:
    """Make `app.openapi()` say who may call what. What it returns is cached by FastAPI as before."""
    plain = app.openapi

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is not None:
            return app.openapi_schema
        schema = plain()
        for route in declared_routes(app):
            if route.policy is None:
                continue
            for method in route.methods:
                operation = schema["paths"].get(route.path, {}).get(method.lower())
                if operation is not None:
                    operation["x-authz"] = route.policy.describe()
                    if not isinstance(route.policy, Public):
                        operation["security"] = [{"bearer": []}]
        schema.setdefault("components", {}).setdefault("securitySchemes", {})["bearer"] = _SCHEME
        return schema

    app.openapi = openapi  # type: ignore[method-assign]

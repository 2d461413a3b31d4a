"""The FastAPI adapter: mount it, and say of every route who may call it."""

from authkeep.http.dependencies import (
    ClientAddress,
    CurrentPrincipal,
    client_address,
    current_auth,
    throttled,
)
from authkeep.http.guards import Guarded, guarded
from authkeep.http.identity import RequestIdentity, identity_of
from authkeep.http.login_end import ending_with_login, while_login_lasts
from authkeep.http.middleware import AuthMiddleware
from authkeep.http.mount import mount
from authkeep.http.observe import Observation
from authkeep.http.policies import Policy, owner_of, public, recent_sign_in, require_role, require_scope, signed_in
from authkeep.http.policy_first import PolicyFirst
from authkeep.http.problems import problem_response, render_auth_error
from authkeep.http.route_walk import RoutePolicy, UndeclaredRoute, declared_routes, refuse_undeclared

__all__ = [
    "AuthMiddleware",
    "ClientAddress",
    "CurrentPrincipal",
    "Guarded",
    "Observation",
    "Policy",
    "PolicyFirst",
    "RequestIdentity",
    "RoutePolicy",
    "UndeclaredRoute",
    "client_address",
    "current_auth",
    "declared_routes",
    "ending_with_login",
    "guarded",
    "identity_of",
    "mount",
    "owner_of",
    "problem_response",
    "public",
    "recent_sign_in",
    "refuse_undeclared",
    "render_auth_error",
    "require_role",
    "require_scope",
    "signed_in",
    "throttled",
    "while_login_lasts",
]

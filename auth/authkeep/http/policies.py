"""Who may call a route: an object that is the dependency which enforces it.

A policy is declared by depending on it, so what a route says and what it does cannot differ. `x-authz` in OpenAPI and
`refuse_undeclared` read the same objects.
"""

import functools
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from typing import ClassVar

from starlette.requests import HTTPConnection, Request
from starlette.responses import Response
from typing_extensions import override

from authkeep.errors import InsufficientRole
from authkeep.http.identity import identity_of
from authkeep.principal import Principal, Role

Endpoint = Callable[[Request], Awaitable[Response]]
ENDPOINT_ATTRIBUTE = "__authz__"


class Policy(ABC):
    """Attributes:
    strictness: of several policies on one route, each is enforced and the strictest is shown.
    """

    strictness: ClassVar[int]

    @abstractmethod
    def describe(self) -> dict[str, str]:
        """The value of `x-authz`."""

    @abstractmethod
    async def __call__(self, connection: HTTPConnection) -> Principal | None:
        """Let the request pass, or raise an `AuthError`."""


@dataclass(frozen=True)
class Public(Policy):
    """Anybody may call."""

    strictness = 0

    @override
    def describe(self) -> dict[str, str]:
        return {"policy": "public"}

    @override
    async def __call__(self, connection: HTTPConnection) -> Principal | None:
        return None


@dataclass(frozen=True)
class SignedIn(Policy):
    """Whoever presents a valid access token may call."""

    strictness = 1

    @override
    def describe(self) -> dict[str, str]:
        return {"policy": "signed_in"}

    @override
    async def __call__(self, connection: HTTPConnection) -> Principal:
        return identity_of(connection.scope).require_principal()


@dataclass(frozen=True)
class HasRole(Policy):
    """Whoever is signed in with this role may call."""

    role: Role
    strictness = 2

    @override
    def describe(self) -> dict[str, str]:
        return {"policy": "role", "role": self.role.value}

    @override
    async def __call__(self, connection: HTTPConnection) -> Principal:
        principal = identity_of(connection.scope).require_principal()
        if principal.role is not self.role:
            raise InsufficientRole(f"This needs the role {self.role.value}.")
        return principal


@dataclass(frozen=True)
class RoutePolicy:
    """One route as the walk found it; `policy` is None when nobody declared any."""

    path: str
    methods: frozenset[str]
    policy: Policy | None


public = Public()
signed_in = SignedIn()


def require_role(role: Role) -> HasRole:
    """The policy for `role`; two of them for the same role are equal."""
    return HasRole(role)


def guarded(policy: Policy) -> Callable[[Endpoint], Endpoint]:
    """Enforce and declare a policy on a plain Starlette endpoint, for routes too hot for FastAPI's dependencies."""

    def decorate(endpoint: Endpoint) -> Endpoint:
        @functools.wraps(endpoint)
        async def enforcing(request: Request) -> Response:
            await policy(request)
            return await endpoint(request)

        setattr(enforcing, ENDPOINT_ATTRIBUTE, policy)
        return enforcing

    return decorate


def strictest(calls: Iterable[object]) -> Policy | None:
    """The policy that decides, among everything a route depends on; None when there is none."""
    declared = [policy for policy in calls if isinstance(policy, Policy)]
    return max(declared, key=lambda policy: policy.strictness, default=None)

"""Who may call a route: an object that is the dependency which enforces it.

A policy is declared by depending on it, so what a route says and what it does cannot differ. `x-authz` in OpenAPI,
`refuse_undeclared` and `authkeep.matrix` read the same objects.

Several policies on one route all have to hold. A policy that names no scope is for people: it takes no API key, nor
any other credential that is limited to scopes. So a route that forgets about API keys is closed to them.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import timedelta

from starlette.requests import HTTPConnection
from typing_extensions import override

from authkeep.errors import InsufficientRole, RecentSignInRequired
from authkeep.http.identity import RequestIdentity, identity_of
from authkeep.principal import Principal, Role, Scope

Description = dict[str, object]


class Policy(ABC):
    """What a host may subclass for rules of its own. Policies that compare equal are one policy."""

    @abstractmethod
    def describe(self) -> Description:
        """The value of `x-authz`."""

    @abstractmethod
    def check(self, identity: RequestIdentity) -> Principal | None:
        """Let the request pass, or raise an `AuthError`."""

    def implies(self, other: "Policy") -> bool:
        """Whether `other` refuses nobody whom this one lets pass."""
        return isinstance(other, Public)

    async def __call__(self, connection: HTTPConnection) -> Principal | None:
        """As a dependency of FastAPI, and for whoever holds a `Request` or a `WebSocket`."""
        return self.check(identity_of(connection.scope))


@dataclass(frozen=True)
class Public(Policy):
    """Anybody may call."""

    @override
    def describe(self) -> Description:
        return {"policy": "public"}

    @override
    def check(self, identity: RequestIdentity) -> Principal | None:
        return None


@dataclass(frozen=True)
class SignedIn(Policy):
    """Whoever is signed in may call; with a scope, an API key that has it may too.

    The policies below are this one and more.
    """

    scope: Scope | None = field(default=None, kw_only=True)

    @override
    def describe(self) -> Description:
        return {"policy": "signed_in"} if self.scope is None else {"policy": "scope", "scope": self.scope}

    @override
    def check(self, identity: RequestIdentity) -> Principal:
        return identity.require_principal(self.scope)

    @override
    def implies(self, other: Policy) -> bool:
        plain = type(other) is SignedIn and other.scope == self.scope
        return plain or super().implies(other)

    def _described_as(self, policy: str, **more: object) -> Description:
        return {"policy": policy, **more} | ({} if self.scope is None else {"scope": self.scope})


@dataclass(frozen=True)
class HasRole(SignedIn):
    """Whoever is signed in with this role may call."""

    role: Role

    @override
    def describe(self) -> Description:
        return self._described_as("role", role=self.role.value)

    @override
    def check(self, identity: RequestIdentity) -> Principal:
        principal = super().check(identity)
        if principal.role is not self.role:
            raise InsufficientRole(f"This needs the role {self.role.value}.")
        return principal


@dataclass(frozen=True)
class RecentSignIn(SignedIn):
    """Whoever has proved who they are within `max_age_seconds` may call (RFC 9470). An API key never has."""

    max_age_seconds: int

    @override
    def describe(self) -> Description:
        return self._described_as("recent_sign_in", max_age=self.max_age_seconds)

    @override
    def check(self, identity: RequestIdentity) -> Principal:
        principal = super().check(identity)
        if identity.auth.clock.seconds() - principal.authenticated_at > self.max_age_seconds:
            raise RecentSignInRequired(max_age=self.max_age_seconds)
        return principal


@dataclass(frozen=True)
class OwnerOf(SignedIn):
    """Whoever owns the object that the request names may call; to all others it is not there.

    The host looks its objects up by owner, in the same query that reads them, and this says so. `authkeep.matrix`
    proves it: another user's object is the same 404 as one that never was.
    """

    parameter: str

    @override
    def describe(self) -> Description:
        return self._described_as("owner", of=self.parameter)


public = Public()
signed_in = SignedIn()


def require_scope(scope: Scope) -> SignedIn:
    """Open to API keys with this scope, and to people, whose logins are not limited to any."""
    return SignedIn(scope=scope)


def require_role(role: Role, *, scope: Scope | None = None) -> HasRole:
    """People with this role, and with `scope` the API keys of such people."""
    return HasRole(role, scope=scope)


def recent_sign_in(max_age: timedelta) -> RecentSignIn:
    """People who have signed in, or confirmed it is them, not longer ago than this.

    Raises:
        ValueError: `max_age` is under a second.
    """
    seconds = int(max_age.total_seconds())
    if seconds < 1:
        raise ValueError(f"max_age is at least a second, but it is {max_age}")
    return RecentSignIn(seconds)


def owner_of(parameter: str, *, scope: Scope | None = None) -> OwnerOf:
    """The owner of what `parameter` names, in the path or in the body."""
    return OwnerOf(parameter, scope=scope)


def deciding(calls: Iterable[object]) -> tuple[Policy, ...]:
    """The policies among all that a route depends on, without those which others imply."""
    declared = list(dict.fromkeys(call for call in calls if isinstance(call, Policy)))
    return tuple(
        policy for policy in declared if not any(other.implies(policy) for other in declared if other != policy)
    )


def describe_all(policies: tuple[Policy, ...]) -> Description:
    """The value of `x-authz` where all of `policies` have to hold."""
    if len(policies) == 1:
        return policies[0].describe()
    return {"policy": "all_of", "policies": [policy.describe() for policy in policies]}

"""What is known about a request before any route runs, in `scope["authkeep"]`."""

from collections.abc import Callable, Iterable, MutableMapping
from typing import Any, Protocol

from authkeep.auth import Auth
from authkeep.client_address import Address
from authkeep.errors import AuthError, InsufficientScope, NotSignedIn, RateLimited
from authkeep.principal import Principal
from authkeep.principal import Scope as TokenScope
from authkeep.throttle import Decision

SCOPE_KEY = "authkeep"
Scope = MutableMapping[str, Any]
Headers = Iterable[tuple[bytes, bytes]]


class LimitFields(Protocol):
    """Its items of the RateLimit-Policy and RateLimit fields: a `Decision`, or what a host's own limit has to tell."""

    @property
    def policy(self) -> str: ...

    @property
    def state(self) -> str: ...


class RequestIdentity:
    """Attributes:
    auth: the `Auth` this app was mounted with.
    principal: who presented a valid credential, were it an API key; None when nobody did.
    decisions: what limits have said about this request so far; a host may add to it.
    """

    # Not the scope itself: it holds this object, and such a cycle leaves every request to the garbage collector, which
    # costs more than all the rest of authentication.
    __slots__ = ("_address", "_headers", "_peer", "_refusal", "_scheme", "auth", "decisions", "principal")

    def __init__(self, auth: Auth, scope: Scope, principal: Principal | None, refusal: AuthError | None = None) -> None:
        self.auth = auth
        self.principal = principal
        self.decisions: list[LimitFields] = []
        self._refusal = refusal
        self._headers: Headers = scope.get("headers", ())
        self._peer: tuple[str, int] | None = scope.get("client")
        self._scheme: str = scope.get("scheme", "http")
        self._address: Address | None = None

    def require_principal(self, scope: TokenScope | None = None) -> Principal:
        """Who calls: a person, or where a scope is named, an API key that has it.

        Raises:
            NotSignedIn: no credential was presented.
            InvalidToken, RevocationsUnknown: one was, and this is what became of it.
            InsufficientScope: one was, and it is not good for this.
        """
        principal = self.principal
        if principal is None:
            raise self._refusal or NotSignedIn()
        if principal.is_limited and scope not in principal.scopes:
            raise InsufficientScope(scope=scope)
        return principal

    def watch_login(self, end: Callable[[], None]) -> Callable[[], None]:
        """Call `end` once the login, or the API key, that this request came with is revoked (`Revocations.watch`).

        Returns:
            What ends the watch, and has to be called when that which was open is closed.

        Raises:
            NotSignedIn, InvalidToken, RevocationsUnknown: it came with none that is valid.
        """
        if self.principal is None:
            raise self._refusal or NotSignedIn()
        return self.auth.revocations.watch(self.principal, end)

    @property
    def address(self) -> Address:
        """The client's address. Worked out when it is first asked for: most requests never do."""
        if self._address is None:
            proxies = self.auth.settings.trusted_proxies
            self._address, scheme = proxies.resolve(self._peer[0] if self._peer else None, self._headers)
            self._scheme = scheme or self._scheme
        return self._address

    @property
    def is_https(self) -> bool:
        """Whether the browser's end of the connection is HTTPS, as far as that can be believed."""
        _ = self.address
        return self._scheme in ("https", "wss")

    async def count(self, name: str, key: str) -> None:
        """Count this request against a limit, and remember what it said for `limit_headers`.

        Raises:
            RateLimited: the limit is used up.
        """
        self.note(await self.auth.throttle.hit(name, key))

    def note(self, decision: Decision) -> None:
        """What `count` does once it is known what the limit says.

        Raises:
            RateLimited: the limit is used up.
        """
        self.decisions.append(decision)
        if not decision.allowed:
            raise RateLimited(retry_after=decision.retry_after)

    async def count_failure(self) -> None:
        """Count a credential that was never ours; beyond the limit the refusal is to come back later.

        What is valid is never refused for it, nor what has merely expired: a neighbour behind the same address can
        neither lock anybody out nor keep them from refreshing.
        """
        decision = await self.auth.throttle.hit("failed_authentication", f"address:{self.address.limit_key}")
        if not decision.allowed:
            self._refusal = RateLimited(headers=decision.headers(), retry_after=decision.retry_after)

    def limit_headers(self) -> list[tuple[bytes, bytes]]:
        """The RateLimit fields for everything that was counted; several limits make one list each."""
        policies = ", ".join([decision.policy for decision in self.decisions])
        states = ", ".join([decision.state for decision in self.decisions])
        return [(b"ratelimit-policy", policies.encode("ascii")), (b"ratelimit", states.encode("ascii"))]


def identity_of(scope: Scope) -> RequestIdentity:
    """For Starlette routes, WebSockets and other ASGI code; FastAPI routes have dependencies.

    Raises:
        RuntimeError: authkeep is not mounted on this application.
    """
    identity: RequestIdentity | None = scope.get(SCOPE_KEY)
    if identity is None:
        raise RuntimeError("authkeep is not mounted on this application: call mount(app, auth)")
    return identity

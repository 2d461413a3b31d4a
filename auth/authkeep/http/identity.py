"""What is known about a request before any route runs, in `scope["authkeep"]`."""

from collections.abc import Callable, Iterable, MutableMapping
from typing import Any

from authkeep.auth import Auth
from authkeep.client_address import Address
from authkeep.errors import AuthError, InsufficientScope, NotSignedIn, RateLimited
from authkeep.principal import Principal
from authkeep.principal import Scope as TokenScope
from authkeep.throttle import Decision

SCOPE_KEY = "authkeep"
Scope = MutableMapping[str, Any]
Headers = Iterable[tuple[bytes, bytes]]


class RequestIdentity:
    """Attributes:
    auth: the `Auth` this app was mounted with.
    principal: who presented a valid credential, were it an API key; None when nobody did.
    decisions: what limits have said about this request so far.
    """

    __slots__ = ("_address", "_refusal", "_scheme", "_scope", "auth", "decisions", "principal")

    def __init__(self, auth: Auth, scope: Scope, principal: Principal | None, refusal: AuthError | None) -> None:
        self.auth = auth
        self.principal = principal
        self.decisions: list[Decision] = []
        self._refusal = refusal
        self._scope = scope
        self._address: Address | None = None
        self._scheme: str | None = None

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
            peer = self._scope.get("client")
            proxies = self.auth.settings.trusted_proxies
            self._address, self._scheme = proxies.resolve(peer[0] if peer else None, self._scope["headers"])
        return self._address

    @property
    def is_https(self) -> bool:
        """Whether the browser's end of the connection is HTTPS, as far as that can be believed."""
        _ = self.address
        return (self._scheme or self._scope["scheme"]) in ("https", "wss")

    async def count(self, name: str, key: str) -> None:
        """Count this request against a limit, and remember what it said for `limit_headers`.

        Raises:
            RateLimited: the limit is used up.
        """
        decision = await self.auth.throttle.hit(name, key)
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

    def limit_headers(self) -> dict[str, str]:
        """The RateLimit fields for everything that was counted; several limits make one list each."""
        fields: dict[str, str] = {}
        for decision in self.decisions:
            for name, value in decision.headers().items():
                is_list = name in fields and name != "Retry-After"
                fields[name] = f"{fields[name]}, {value}" if is_list else value
        return fields


def identity_of(scope: Scope) -> RequestIdentity:
    """For Starlette routes, WebSockets and other ASGI code; FastAPI routes have dependencies.

    Raises:
        RuntimeError: authkeep is not mounted on this application.
    """
    identity: RequestIdentity | None = scope.get(SCOPE_KEY)
    if identity is None:
        raise RuntimeError("authkeep is not mounted on this application: call mount(app, auth)")
    return identity

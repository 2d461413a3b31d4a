"""The door: pure ASGI, verifies a bearer token once per request and remembers the outcome.

It refuses nothing. A route that needs a principal refuses with what became of the token; a public route works for
somebody whose token has just expired. On the way back it adds what limits have said, whatever response it is.
"""

from collections.abc import Awaitable

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from authkeep.auth import Auth
from authkeep.errors import AuthError, InvalidToken, StaleToken
from authkeep.http.identity import SCOPE_KEY, Headers, RequestIdentity


class AuthMiddleware:
    """Puts a `RequestIdentity` into the scope of every request and every WebSocket."""

    def __init__(self, app: ASGIApp, auth: Auth) -> None:
        self._app = app
        self._auth = auth

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        try:
            token = bearer_token(scope["headers"])
            # Nearly every token has been here before, and needs no coroutine.
            principal = None if token is None else self._auth.verify_known(token) or await self._auth.verify(token)
            identity = RequestIdentity(self._auth, scope, principal)
        except AuthError as error:
            identity = await self._refused(scope, error)
        scope[SCOPE_KEY] = identity

        # Not a coroutine of its own: a stream sends many messages, and each would cost one more.
        def send_with_limits(message: Message) -> Awaitable[None]:
            if identity.decisions and message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", ()), *identity.limit_headers()]
            return send(message)

        await self._app(scope, receive, send_with_limits)

    async def _refused(self, scope: Scope, refusal: AuthError) -> RequestIdentity:
        refusal.__traceback__ = None  # whose frames hold the scope, which holds this: see RequestIdentity
        refusal.__context__ = None
        identity = RequestIdentity(self._auth, scope, None, refusal)
        if isinstance(refusal, InvalidToken) and not isinstance(refusal, StaleToken):
            await identity.count_failure()
        return identity


def bearer_token(headers: Headers) -> str | None:
    """The token of the one Authorization header; None without one, or with another scheme (RFC 6750, section 2.1).

    Raises:
        InvalidToken: there are two such headers, which proxies and servers would resolve differently.
    """
    found = [value for name, value in headers if name == b"authorization"]
    if not found:
        return None
    if len(found) > 1:
        raise InvalidToken
    scheme, _, token = found[0].partition(b" ")
    return token.decode("latin-1") if scheme.lower() == b"bearer" else None

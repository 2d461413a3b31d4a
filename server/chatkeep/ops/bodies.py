"""A ceiling on request bodies, whatever Content-Length says: the excess is refused before it is read into memory.

The framework has such a limit too, but answers an announced excess in plain text; every refusal of ours is a problem.
"""

import asyncio
import contextlib
from collections.abc import Mapping
from http import HTTPStatus
from types import MappingProxyType

from starlette.responses import RedirectResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from chatkeep.errors import ChatkeepError
from chatkeep.ops.problems import problem_response

# Clients that write their whole body before they read hear of a refusal only while there is somebody to write to.
_LINGER_SECONDS = 5.0
_LINGER_BYTES = 64 * 1024 * 1024


class BodyTooLarge(ChatkeepError):
    """The request's body is larger than any route takes."""

    status = 413
    code = "body_too_large"
    title = "The request is too large"

    def __init__(self, max_bytes: int) -> None:
        super().__init__(f"A request may hold {max_bytes // 1024} KiB at most. Shorten it and send it again.")


class BodyLimit:
    """Pure ASGI: answers 413 to a body over `max_bytes`, announced or not; `max_bytes_at` has the paths that differ.

    A browser that has sent a form sees what is answered as it is: from the paths in `leads_to` it is led to a page with
    words for people.
    """

    def __init__(
        self,
        app: ASGIApp,
        max_bytes: int,
        max_bytes_at: Mapping[str, int],
        leads_to: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        self.app = app
        self.max_bytes = max_bytes
        self.max_bytes_at = max_bytes_at
        self.leads_to = leads_to

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Look at the announced length first, then count what comes."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        max_bytes = self.max_bytes_at.get(scope["path"], self.max_bytes)
        if _announced(scope) > max_bytes:
            await self._refuse(scope, receive, send, max_bytes, more=True)
        elif scope["method"] in ("GET", "HEAD"):
            # Nothing here reads the body of these, and the count would cost each of them two calls more.
            await self.app(scope, receive, send)
        else:
            await self._count(scope, receive, send, max_bytes)

    async def _count(self, scope: Scope, receive: Receive, send: Send, max_bytes: int) -> None:
        received, more = 0, True

        async def counted_receive() -> Message:
            nonlocal received, more
            message = await receive()
            received += len(message.get("body", b""))
            more = message.get("more_body", False)
            if received > max_bytes:
                raise BodyTooLarge(max_bytes)
            return message

        async def watched_send(message: Message) -> None:
            # The framework turns the exception above into an answer of its own (400); ours is sent in its place.
            if received <= max_bytes:
                await send(message)

        with contextlib.suppress(BodyTooLarge):
            await self.app(scope, counted_receive, watched_send)
        if received > max_bytes:
            await self._refuse(scope, receive, send, max_bytes, more=more)

    async def _refuse(self, scope: Scope, receive: Receive, send: Send, max_bytes: int, *, more: bool) -> None:
        page = self.leads_to.get(scope["path"])
        refused = problem_response(scope, BodyTooLarge(max_bytes))
        response = RedirectResponse(page, HTTPStatus.SEE_OTHER) if page else refused
        # Of the rest some may never be read, so the connection cannot be used again.
        response.headers["connection"] = "close"

        async def send_and_linger(message: Message) -> None:
            if message["type"] != "http.response.body":
                await send(message)
                return
            await send({**message, "more_body": True})
            if more:
                await _discard(receive)
            await send({"type": "http.response.body", "body": b"", "more_body": False})

        await response(scope, receive, send_and_linger)


async def _discard(receive: Receive) -> None:
    """What is still under way, for a while: to close on it would reset the connection, and the answer might be lost
    with it (RFC 9112, section 9.6).
    """
    size = 0
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(_LINGER_SECONDS):
            more = True
            while more and size < _LINGER_BYTES:
                message = await receive()
                size += len(message.get("body", b""))
                more = message.get("more_body", False)


def _announced(scope: Scope) -> int:
    value = next((value for name, value in scope["headers"] if name == b"content-length"), b"0")
    return int(value) if value.isdigit() else 0

"""A ceiling on request bodies, whatever Content-Length says: the excess is refused before it is read into memory.

The framework has such a limit too, but answers an announced excess in plain text; every refusal of ours is a problem.
"""

import contextlib
from collections.abc import Mapping

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from chatkeep.errors import ChatkeepError
from chatkeep.ops.problems import problem_response


class BodyTooLarge(ChatkeepError):
    """The request's body is larger than any route takes."""

    status = 413
    code = "body_too_large"
    title = "The request is too large"

    def __init__(self, max_bytes: int) -> None:
        super().__init__(f"A request may hold {max_bytes // 1024} KiB at most. Shorten it and send it again.")


class BodyLimit:
    """Pure ASGI: answers 413 to a body over `max_bytes`, announced or not; `max_bytes_at` has the paths that differ."""

    def __init__(self, app: ASGIApp, max_bytes: int, max_bytes_at: Mapping[str, int]) -> None:
        self.app = app
        self.max_bytes = max_bytes
        self.max_bytes_at = max_bytes_at

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Look at the announced length first, then count what comes."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        max_bytes = self.max_bytes_at.get(scope["path"], self.max_bytes)
        if _announced(scope) > max_bytes:
            await _refuse(scope, receive, send, max_bytes)
        elif scope["method"] in ("GET", "HEAD"):
            # Nothing here reads the body of these, and the count would cost each of them two calls more.
            await self.app(scope, receive, send)
        else:
            await self._count(scope, receive, send, max_bytes)

    async def _count(self, scope: Scope, receive: Receive, send: Send, max_bytes: int) -> None:
        received = 0

        async def counted_receive() -> Message:
            nonlocal received
            message = await receive()
            received += len(message.get("body", b""))
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
            await _refuse(scope, receive, send, max_bytes)


async def _refuse(scope: Scope, receive: Receive, send: Send, max_bytes: int) -> None:
    response = problem_response(scope, BodyTooLarge(max_bytes))
    # The rest of the body is never read, so the connection cannot be used again.
    response.headers["connection"] = "close"
    await response(scope, receive, send)


def _announced(scope: Scope) -> int:
    value = next((value for name, value in scope["headers"] if name == b"content-length"), b"0")
    return int(value) if value.isdigit() else 0

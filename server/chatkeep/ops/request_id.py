"""X-Request-ID, in and out: one name for a request in our logs, at the proxy, and in the error a person reports."""

import re

from starlette.types import ASGIApp, Message, Receive, Scope, Send
from uuid_utils.compat import uuid7

# A foreign id is written to logs and echoed in headers, so it may hold nothing that could forge a line of either.
_ACCEPTABLE = re.compile(rb"[A-Za-z0-9._:-]{1,128}\Z")


class RequestId:
    """Pure ASGI: puts the id into `scope["state"]["request_id"]` and into the response."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Name the request, then pass it on."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        given = next((value for name, value in scope["headers"] if name == b"x-request-id"), b"")
        request_id = given if _ACCEPTABLE.match(given) else str(uuid7()).encode()
        scope.setdefault("state", {})["request_id"] = request_id.decode()

        async def send_with_id(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", ()), (b"x-request-id", request_id)]
            await send(message)

        await self.app(scope, receive, send_with_id)

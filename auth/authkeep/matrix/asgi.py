"""One call of an ASGI application, in process.

By hand, since a client that reads an answer to its end would follow an endless stream for ever.
"""

import asyncio
import contextlib
import itertools
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

from starlette.types import ASGIApp, Message

_HOST = b"localhost"
_DRAIN_SECONDS = 1.0


@dataclass(frozen=True)
class Answer:
    """Attributes:
    headers: without those that differ from request to request.
    content: JSON without its `request_id`, or text; None when nothing came.
    """

    status: int
    headers: tuple[tuple[str, str], ...]
    content: Any

    @property
    def code(self) -> str | None:
        return self.content.get("code") if isinstance(self.content, dict) else None


class AsgiClient:
    """Calls an application; each time from another address, so that no limit by address is met."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._addresses = (f"2001:db8:{n >> 16:x}:{n & 0xFFFF:x}::1" for n in itertools.count(1))

    async def call(
        self, method: str, url: str, token: str | None, body: object = None, headers: Mapping[str, str] | None = None
    ) -> Answer:
        """One request, or one opening of a WebSocket (method `WEBSOCKET`); `token` is a bearer's.

        A body of bytes is sent as it is, and called JSON like the others.
        """
        content = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
        sent = [(b"host", _HOST), (b"content-length", str(len(content)).encode())]
        if content:
            sent.append((b"content-type", b"application/json"))
        if token is not None:
            sent.append((b"authorization", b"Bearer " + token.encode()))
        sent += [(name.lower().encode(), value.encode()) for name, value in (headers or {}).items()]
        scope = _scope(method, url, sent, next(self._addresses))
        exchange = _Exchange(scope["type"], content)
        return await exchange.run(self._app, scope)


def _scope(method: str, url: str, headers: list[tuple[bytes, bytes]], address: str) -> dict[str, Any]:
    is_websocket = method == "WEBSOCKET"
    path, _, query = url.partition("?")
    return {
        "type": "websocket" if is_websocket else "http",
        "asgi": {"version": "3.0", "spec_version": "2.4"},
        "http_version": "1.1",
        "method": method,
        "scheme": "ws" if is_websocket else "http",
        "path": unquote(path),
        "raw_path": path.encode(),
        "query_string": query.encode(),
        "root_path": "",
        "headers": headers,
        "client": (address, 40000),
        "server": (_HOST.decode(), 80),
        "subprotocols": [],
        "state": {},
    }


class _Exchange:
    def __init__(self, kind: str, content: bytes) -> None:
        connect = {"type": "websocket.connect"}
        request = {"type": "http.request", "body": content, "more_body": False}
        self._incoming: Iterator[Message] = iter([connect if kind == "websocket" else request])
        self._decided = asyncio.Event()
        self._status = 500
        self._headers: list[tuple[bytes, bytes]] = []
        self._body = b""

    async def run(self, app: ASGIApp, scope: dict[str, Any]) -> Answer:
        task = asyncio.ensure_future(app(scope, self._receive, self._send))
        decided = asyncio.ensure_future(self._decided.wait())
        await asyncio.wait({task, decided}, return_when=asyncio.FIRST_COMPLETED)
        decided.cancel()
        await asyncio.wait({task}, timeout=_DRAIN_SECONDS)
        task.cancel()
        with contextlib.suppress(Exception, asyncio.CancelledError):
            # A failure has been sent as a 500, or nothing has, which counts as one.
            await task
        return Answer(self._status, _comparable(self._headers), _read(self._body))

    async def _receive(self) -> Message:
        for message in self._incoming:
            return message
        await self._decided.wait()
        return {"type": "http.disconnect"}

    async def _send(self, message: Message) -> None:
        if self._decided.is_set():
            # How a server tells that nobody listens any more: the end of a stream that has no end.
            raise OSError
        match message["type"]:
            case "http.response.start":
                self._status, self._headers = message["status"], list(message["headers"])
            case "http.response.body":
                self._body += message.get("body", b"")
                if self._status < 400 or not message.get("more_body", False):
                    self._decided.set()
            case "websocket.accept":
                self._status = 101
                self._decided.set()
            case "websocket.close" if self._status != 101:
                self._status = 403
                self._body = json.dumps({"code": message.get("reason") or None}).encode()
                self._decided.set()


def _comparable(headers: list[tuple[bytes, bytes]]) -> tuple[tuple[str, str], ...]:
    named = [(name.decode("latin-1").lower(), value.decode("latin-1")) for name, value in headers]
    changing = ("date", "x-request-id")
    return tuple(sorted(item for item in named if item[0] not in changing and not item[0].startswith("ratelimit")))


def _read(body: bytes) -> Any:
    try:
        content = json.loads(body)
    except ValueError:
        return body.decode("utf-8", "replace") or None
    if isinstance(content, dict):
        content.pop("request_id", None)
    return content

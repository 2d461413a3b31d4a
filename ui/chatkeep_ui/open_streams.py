"""Streamlit's websockets by the page key they came with, so that they end with the sign-in they were let in for.

Streamlit's script in the browser then connects again by itself: with the new sign-in if there is one; otherwise the
page goes to the sign-in form. Used on the event loop only.
"""

import asyncio
from collections import defaultdict

from starlette.types import ASGIApp, Message
from starlette.websockets import WebSocket

# RFC 6455, section 7.4: "service restart", the code after which a client is expected to come back.
_COME_BACK = 1012


class OpenStreams:
    """Which websockets are open under which key."""

    def __init__(self) -> None:
        self._ends: defaultdict[str, set[asyncio.Event]] = defaultdict(set)

    def end(self, key: str | None) -> None:
        """Close what is open under `key`."""
        for ended in self._ends.get(key or "", ()):
            ended.set()

    async def serve(self, key: str, app: ASGIApp, websocket: WebSocket) -> None:
        """Let `app` have `websocket` until either side, or `end`, closes it."""
        ended = asyncio.Event()
        self._ends[key].add(ended)
        try:
            await app(websocket.scope, _Receiving(ended, websocket), websocket.send)
        finally:
            self._ends[key].discard(ended)
            if not self._ends[key]:
                del self._ends[key]


class _Receiving:
    """An ASGI `receive` that says "disconnected" once `ended` is set."""

    def __init__(self, ended: asyncio.Event, websocket: WebSocket) -> None:
        self._ended = ended
        self._websocket = websocket

    async def __call__(self) -> Message:
        receiving = asyncio.ensure_future(self._websocket.receive())
        ending = asyncio.ensure_future(self._ended.wait())
        try:
            await asyncio.wait({receiving, ending}, return_when=asyncio.FIRST_COMPLETED)
            if receiving.done():
                return receiving.result()
            await self._websocket.close(_COME_BACK)
            return {"type": "websocket.disconnect", "code": _COME_BACK}
        finally:
            receiving.cancel()
            ending.cancel()

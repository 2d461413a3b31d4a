"""The response that follows an event log: encoded bytes from log to socket, with no work per follower and token.

It ends with the answer, with the client, or with the login that it was asked for under; whichever is first.
"""

import asyncio
from collections.abc import Callable
from contextlib import AbstractContextManager, aclosing

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from chatkeep.chat.event_log import EventLog, encode_stream_ended
from chatkeep.chat.records import LOGIN_ENDED
from chatkeep.identity import identity_of
from chatkeep.ops.patience import Patience

HEADERS = {
    "content-type": "text/event-stream; charset=utf-8",
    "cache-control": "no-cache, no-transform",
    "x-accel-buffering": "no",
}
# A reader that takes nothing for so long is gone, whatever its socket says.
SEND_SECONDS = 60.0


class EventStream(Response):
    """Everything after event `after`, until the terminal event or until the client or its login has gone.

    Args:
        following: gives the log, and is held for as long as it is followed.
    """

    def __init__(self, following: AbstractContextManager[EventLog], after: int) -> None:
        super().__init__(headers=HEADERS)
        # Starlette sets a length of 0 for the empty body; a stream has none.
        del self.headers["content-length"]
        self._following = following
        self._after = after
        self._login_ended = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the head at once, then each batch as it comes."""
        with self._following as log:

            def end_login() -> None:
                self._login_ended = True
                log.wake()

            forget_login = identity_of(scope).watch_login(end_login)
            gone = asyncio.ensure_future(_disconnected(receive))
            # Without this a follower of a silent model would hold its place until the next heartbeat.
            gone.add_done_callback(lambda _: log.wake())
            try:
                await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
                await self._send_all(log, send, until=lambda: self._login_ended or gone.done())
                await send({"type": "http.response.body", "body": self._last_words(log), "more_body": False})
            finally:
                forget_login()
                gone.cancel()

    async def _send_all(self, log: EventLog, send: Send, until: Callable[[], bool]) -> None:
        async with Patience(send, SEND_SECONDS) as patience, aclosing(log.follow(self._after, until)) as batches:
            async for batch, self._after in batches:
                await patience.send({"type": "http.response.body", "body": batch, "more_body": True})

    def _last_words(self, log: EventLog) -> bytes:
        heard_all = log.ended and self._after >= log.last_seq
        if heard_all or not self._login_ended:
            return b""
        return encode_stream_ended(log.generation_id, LOGIN_ENDED)


async def _disconnected(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass

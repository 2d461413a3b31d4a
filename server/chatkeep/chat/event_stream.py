"""The response that follows an event log: encoded bytes from log to socket, with no work per follower and token.

It ends with the answer, with the client, or with the login that it was asked for under; whichever is first.
"""

import asyncio
from contextlib import AbstractContextManager, aclosing

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from chatkeep.chat.event_log import EventLog, encode_stream_ended
from chatkeep.chat.records import LOGIN_ENDED
from chatkeep.identity import identity_of

HEADERS = {
    "content-type": "text/event-stream; charset=utf-8",
    "cache-control": "no-cache, no-transform",
    "x-accel-buffering": "no",
}
# A reader that takes nothing for so long is gone, whatever its socket says.
SEND_SECONDS = 60.0


class EventStream(Response):
    """Everything after event `after`, until the terminal event or until the client or its login has gone."""

    def __init__(self, log: EventLog, after: int, counted: AbstractContextManager[None]) -> None:
        super().__init__(headers=HEADERS)
        # Starlette sets a length of 0 for the empty body; a stream has none.
        del self.headers["content-length"]
        self._log = log
        self._after = after
        self._counted = counted
        self._login_ended = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the head at once, then each batch as it comes."""
        forget_login = identity_of(scope).watch_login(self._end_login)
        gone = asyncio.ensure_future(_disconnected(receive))
        # Without this a follower of a silent model would hold its place until the next heartbeat.
        gone.add_done_callback(lambda _: self._log.wake())
        try:
            with self._counted:
                await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
                following = self._log.follow(self._after, until=lambda: self._login_ended or gone.done())
                async with aclosing(following) as batches:
                    async for batch, self._after in batches:
                        async with asyncio.timeout(SEND_SECONDS):
                            await send({"type": "http.response.body", "body": batch, "more_body": True})
                await send({"type": "http.response.body", "body": self._last_words(), "more_body": False})
        finally:
            forget_login()
            gone.cancel()

    def _end_login(self) -> None:
        self._login_ended = True
        self._log.wake()

    def _last_words(self) -> bytes:
        heard_all = self._log.ended and self._after >= self._log.last_seq
        if heard_all or not self._login_ended:
            return b""
        return encode_stream_ended(self._log.generation_id, LOGIN_ENDED)


async def _disconnected(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass

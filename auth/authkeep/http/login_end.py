"""For what stays open after the check of its credential: streams and sockets that end when the login does.

Both ways cost a look-up's entry while they are open: no task, no timer, no polling.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator
from contextlib import asynccontextmanager
from typing import TypeVar

from starlette.requests import HTTPConnection
from starlette.websockets import WebSocket, WebSocketState

from authkeep.http.identity import identity_of

# RFC 6455, section 7.4.1: the policy that let the client in does so no longer.
_POLICY_VIOLATION = 1008
Chunk = TypeVar("Chunk")


async def ending_with_login(
    connection: HTTPConnection, chunks: AsyncIterable[Chunk], *, last: Chunk | None = None
) -> AsyncGenerator[Chunk]:
    """The body of a streamed response: `chunks` until the login of the request is revoked, and then `last`.

    The source is cancelled at once, also while it waits for its next chunk.

    Raises:
        NotSignedIn, InvalidToken, RevocationsUnknown: the request came with no valid credential.
    """
    source, ending = aiter(chunks), _Ending()
    forget = identity_of(connection.scope).watch_login(ending.begin)
    try:
        while not ending.begun:
            try:
                async with asyncio.timeout(None) as ending.waiting:
                    chunk = await anext(source)
            except StopAsyncIteration:
                return
            except TimeoutError:
                if not ending.begun:
                    raise
            else:
                ending.waiting = None
                yield chunk
        if last is not None:
            yield last
    finally:
        forget()
        if isinstance(source, AsyncGenerator):
            await source.aclose()


class _Ending:
    """Whether the login has ended, and the wait to be cut short when it does."""

    def __init__(self) -> None:
        self.begun = False
        self.waiting: asyncio.Timeout | None = None

    def begin(self) -> None:
        self.begun = True
        if self.waiting is not None:
            self.waiting.reschedule(asyncio.get_running_loop().time())


@asynccontextmanager
async def while_login_lasts(connection: HTTPConnection) -> AsyncIterator[None]:
    """Leave the block as soon as the login of the request is revoked; a WebSocket is then closed with 1008.

    What the block waits for is cancelled, as by `asyncio.timeout`. So it is not for a generator that yields within.

    Raises:
        NotSignedIn, InvalidToken, RevocationsUnknown: the request came with no valid credential.
    """
    loop = asyncio.get_running_loop()
    lasting = asyncio.timeout(None)
    try:
        async with lasting:
            forget = identity_of(connection.scope).watch_login(lambda: lasting.reschedule(loop.time()))
            try:
                yield
            finally:
                forget()
    except TimeoutError:
        if not lasting.expired():
            raise
        if isinstance(connection, WebSocket) and connection.client_state is WebSocketState.CONNECTED:
            await connection.close(_POLICY_VIOLATION, "login_ended")

"""The response that carries a completion. It ends with the answer, the client, the login or the server; whichever is
first, the model is stopped and what it has produced is accounted for.
"""

import asyncio
import contextlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import msgspec
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from chatkeep.completions.accounting import Account
from chatkeep.completions.answers import ask
from chatkeep.completions.errors import Failure, NoPlaceFree, Stopping, failure_of
from chatkeep.completions.open_completions import OpenCompletions
from chatkeep.completions.requests import CompletionRequest
from chatkeep.completions.tally import Tally
from chatkeep.errors import ChatkeepError
from chatkeep.identity import AuthError, OwnerId, identity_of
from chatkeep.limits.turns import NoTurn, Turns
from chatkeep.llm.model import ChatModel, ModelError
from chatkeep.ops.openai_errors import OpenAIErrorResponse, error_object

# A reader that takes nothing for so long is gone, whatever its socket says.
_SEND_SECONDS = 60.0
_SETTLE_AGAIN_SECONDS = 1.0
# For a place: nothing can be said meanwhile, since a refusal still has to have its status.
_PATIENCE_SECONDS = 60.0
_STREAM_HEADERS = [
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-cache, no-transform"),
    (b"x-accel-buffering", b"no"),
]
_ENDED: Mapping[str, Failure] = {
    "login": Failure(401, "invalid_token", "The API key or the login that this was asked with has been revoked."),
    "server": Failure.of(Stopping()),
}


@dataclass(frozen=True, slots=True)
class Order:
    """What was asked for, by whom, and who pays. `model` is the name on offer, `slots` how many it writes at once."""

    owner: OwnerId
    request: CompletionRequest
    account: Account
    model: str
    slots: int | None


class _ReaderGone(Exception):
    """Nobody has taken anything for so long that nobody will."""


class CompletionResponse(Response):
    """Asks the model once it is sent, and there is a place: these answers and those in chats take turns."""

    def __init__(self, chat_model: ChatModel, underway: OpenCompletions, turns: Turns, order: Order) -> None:
        super().__init__()
        self._chat_model = chat_model
        self._underway = underway
        self._turns = turns
        self._order = order
        self._ending: Literal["login", "server", "gone"] | None = None
        self._tally: Tally | None = None
        self._began = False
        self._closing = False
        self._work: asyncio.Task[None] | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer; a refusal has its status until the first piece of the answer is there."""
        try:
            forget_login = identity_of(scope).watch_login(lambda: self._end("login"))
        except AuthError as error:
            await refusal(Failure.of(error))(scope, receive, send)
            return
        gone = asyncio.ensure_future(_disconnected(receive))
        gone.add_done_callback(lambda _: self._end("gone"))
        try:
            work = self._underway.start(
                self._order.owner, lambda: self._answer(scope, receive, send), lambda: self._end("server")
            )
            self._work = work
            if self._ending is not None:
                work.cancel()
            # Not awaited itself: what cancels this request ends the answer, and not its accounting.
            await asyncio.wait({work})
            if work.cancelled():
                # Before its first step: nothing was held, asked or said.
                await self._say(_ENDED.get(self._ending or "", b""), scope, receive, send)
            else:
                work.result()
        finally:
            self._end("gone")
            gone.cancel()
            forget_login()

    def _end(self, ending: Literal["login", "server", "gone"]) -> None:
        if self._ending is None and not self._closing:
            self._ending = ending
            if self._work is not None:
                self._work.cancel()

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        ending = await self._write(send)
        if self._ending != "gone":
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_SEND_SECONDS):
                    await self._say(ending, scope, receive, send)
        while not await self._order.account.settle(self._tally):  # noqa: ASYNC110 - nothing tells that it is back
            await asyncio.sleep(_SETTLE_AGAIN_SECONDS)

    async def _write(self, send: Send) -> bytes | Failure:
        """What is left to say once all is accounted for: a whole answer, nothing after a stream, or what went wrong."""
        order = self._order
        try:
            await order.account.reserve()
            turn = self._turns.turn(order.owner, model=order.model, slots=order.slots, patience=_PATIENCE_SECONDS)
            async with turn:
                return await self._relay(send)
        except ModelError as error:
            return failure_of(error, order.request.raw.members)
        except ChatkeepError as error:
            return Failure.of(error)
        except NoTurn:
            return Failure.of(NoPlaceFree())
        except _ReaderGone:
            self._ending = "gone"
        except asyncio.CancelledError:
            return _ENDED.get(self._ending or "", b"")
        finally:
            self._closing = True
            await order.account.settle(self._tally)
        return b""

    async def _relay(self, send: Send) -> bytes:
        """Ask, and pass on what comes; a whole answer is returned."""
        # Whoever leaves from here on has had a model read the prompt, and perhaps write for a long time.
        self._tally = Tally()
        try:
            answer = await ask(self._chat_model, self._order.request)
        except (ModelError, ChatkeepError):
            self._tally = None
            raise
        try:
            async with contextlib.aclosing(answer.pieces()) as pieces:
                if not self._order.request.raw.stream:
                    return b"".join([piece async for piece in pieces])
                async for piece in pieces:
                    await self._pass_on(piece, send)
            return b""
        finally:
            self._closing = True
            self._tally = answer.tally
            await answer.aclose()

    async def _pass_on(self, piece: bytes, send: Send) -> None:
        if not self._began:
            self._began = True
            await send({"type": "http.response.start", "status": 200, "headers": _STREAM_HEADERS})
        try:
            async with asyncio.timeout(_SEND_SECONDS):
                await send({"type": "http.response.body", "body": piece, "more_body": True})
        except TimeoutError:
            raise _ReaderGone from None

    async def _say(self, ending: bytes | Failure, scope: Scope, receive: Receive, send: Send) -> None:
        if not self._began:
            await _whole(ending)(scope, receive, send)
            return
        last = b"" if isinstance(ending, bytes) else _error_frame(ending)
        await send({"type": "http.response.body", "body": last, "more_body": False})


def refusal(failure: Failure) -> Response:
    """A failure of which the caller has heard nothing yet."""
    return OpenAIErrorResponse(
        failure.status, failure.code, failure.message, param=failure.param, headers=failure.headers
    )


def _whole(ending: bytes | Failure) -> Response:
    if isinstance(ending, bytes):
        return Response(ending, media_type="application/json", headers={"cache-control": "no-store"})
    return refusal(ending)


def _error_frame(failure: Failure) -> bytes:
    return b"data: %b\n\n" % msgspec.json.encode(
        error_object(failure.status, failure.code, failure.message, failure.param)
    )


async def _disconnected(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass

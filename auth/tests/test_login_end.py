"""What is open under a login ends with it, in a host's own streams and sockets."""

import asyncio
from collections.abc import AsyncGenerator
from functools import partial
from typing import Any

import pytest
from fastapi import FastAPI, WebSocket
from starlette.requests import HTTPConnection

from authkeep import Auth, InvalidToken, NotSignedIn
from authkeep.http import CurrentPrincipal, ending_with_login, mount, while_login_lasts
from authkeep.http.identity import SCOPE_KEY, RequestIdentity
from authkeep.store import EndReason, UserChange
from authkeep.testing import SignedInUser, signed_in


def request_of(auth: Auth, user: SignedInUser | None) -> HTTPConnection:
    scope: dict[str, Any] = {"type": "http", "headers": []}
    scope[SCOPE_KEY] = RequestIdentity(auth, scope, user.principal if user else None, None)
    return HTTPConnection(scope)


class Source:
    """Says its words, then waits for ever."""

    def __init__(self, *words: str) -> None:
        self.words = words
        self.waiting, self.closed = asyncio.Event(), False

    async def __call__(self) -> AsyncGenerator[str]:
        try:
            for word in self.words:
                yield word
            self.waiting.set()
            await asyncio.Event().wait()
        finally:
            self.closed = True


async def test_a_stream_ends_while_it_waits_for_its_next_chunk(auth: Auth) -> None:
    user, source = await signed_in(auth), Source("a", "b")
    stream = ending_with_login(request_of(auth, user), source(), last="farewell")
    reading = asyncio.ensure_future(collect(stream))
    await source.waiting.wait()
    await auth.logins.end(user.principal, user.principal.login_id, EndReason.LOGOUT)
    assert await reading == ["a", "b", "farewell"]
    assert source.closed
    assert len(auth.revocations._watch) == 0


async def collect(stream: AsyncGenerator[str]) -> list[str]:
    return [chunk async for chunk in stream]


async def test_a_stream_whose_reader_is_slow_says_nothing_more(auth: Auth) -> None:
    user, source = await signed_in(auth), Source("a", "b", "c")
    stream = ending_with_login(request_of(auth, user), source())
    assert await anext(stream) == "a"
    await auth.logins.end_all(user.principal)
    assert await collect(stream) == []
    assert source.closed


async def test_a_stream_that_ends_by_itself_says_no_farewell(auth: Auth) -> None:
    async def words() -> AsyncGenerator[str]:
        yield "a"

    user = await signed_in(auth)
    assert await collect(ending_with_login(request_of(auth, user), words(), last="farewell")) == ["a"]
    assert len(auth.revocations._watch) == 0


async def test_a_streams_own_time_out_is_its_own(auth: Auth) -> None:
    async def late() -> AsyncGenerator[str]:
        yield "a"
        raise TimeoutError("the upstream's")

    user = await signed_in(auth)
    with pytest.raises(TimeoutError, match="upstream"):
        await collect(ending_with_login(request_of(auth, user), late(), last="farewell"))


async def test_a_stream_opened_just_after_its_login_ended_says_nothing(auth: Auth) -> None:
    user = await signed_in(auth)
    await auth.logins.end(user.principal, user.principal.login_id, EndReason.LOGOUT)
    stream = ending_with_login(request_of(auth, user), Source("a")(), last="farewell")
    assert await collect(stream) == ["farewell"]


async def test_other_logins_streams_go_on(auth: Auth) -> None:
    user, other_device, bob = await signed_in(auth), await signed_in(auth), await signed_in(auth, "bob@example.com")
    streams = [ending_with_login(request_of(auth, who), Source("a", "b")()) for who in (other_device, bob)]
    assert [await anext(stream) for stream in streams] == ["a", "a"]
    await auth.logins.end(user.principal, user.principal.login_id, EndReason.LOGOUT)
    assert [await anext(stream) for stream in streams] == ["b", "b"]
    for stream in streams:
        await stream.aclose()
    assert len(auth.revocations._watch) == 0


async def test_a_login_that_follows_a_logout_everywhere_is_not_ended_by_it(auth: Auth) -> None:
    # Its streams may open in a process that has yet to hear of the logout.
    user = await signed_in(auth)
    change = UserChange(ending=auth.logins.ending(EndReason.LOGOUT_ALL))
    changed = await auth.store.change_user(user.user.id, change)
    assert changed is not None
    after = await signed_in(auth)
    ended: list[str] = []
    for who in (user, after):
        auth.revocations.watch(who.principal, partial(ended.append, who.principal.login_id))
    await auth.revocations.apply(changed[1])
    assert ended == [user.principal.login_id]


async def test_one_that_fails_to_end_keeps_no_other_open(auth: Auth) -> None:
    user = await signed_in(auth)
    ended: list[str] = []

    def fail() -> None:
        ended.append("failed")
        raise RuntimeError("a host's fault")

    for end in (fail, partial(ended.append, "ended"), fail):
        auth.revocations.watch(user.principal, end)
    await auth.logins.end(user.principal, user.principal.login_id, EndReason.LOGOUT)
    assert sorted(ended) == ["ended", "failed", "failed"]


async def test_whoever_is_not_signed_in_opens_nothing(auth: Auth) -> None:
    with pytest.raises(NotSignedIn):
        await collect(ending_with_login(request_of(auth, None), Source("a")()))
    refused = request_of(auth, None)
    refused.scope[SCOPE_KEY] = RequestIdentity(auth, refused.scope, None, InvalidToken())
    with pytest.raises(InvalidToken):
        await collect(ending_with_login(refused, Source("a")()))


async def test_a_websocket_is_closed_with_the_login_it_was_opened_under(auth: Auth) -> None:
    app = FastAPI()
    mount(app, auth)

    @app.websocket("/echo")
    async def echo(websocket: WebSocket, principal: CurrentPrincipal) -> None:
        await websocket.accept()
        async with while_login_lasts(websocket):
            async for text in websocket.iter_text():
                await websocket.send_text(text)

    user = await signed_in(auth)
    headers = [(name.lower().encode(), value.encode()) for name, value in user.headers.items()]
    scope = {"type": "websocket", "path": "/echo", "headers": headers, "query_string": b"", "subprotocols": []}
    received: asyncio.Queue[Any] = asyncio.Queue()
    sent: asyncio.Queue[Any] = asyncio.Queue()
    serving = asyncio.ensure_future(app({**scope, "client": None, "scheme": "ws"}, received.get, sent.put))
    received.put_nowait({"type": "websocket.connect"})
    received.put_nowait({"type": "websocket.receive", "text": "hello"})
    assert [(await sent.get())["type"], (await sent.get()).get("text")] == ["websocket.accept", "hello"]
    await auth.logins.end(user.principal, user.principal.login_id, EndReason.LOGOUT)
    closed = await sent.get()
    assert (closed["type"], closed["code"], closed["reason"]) == ("websocket.close", 1008, "login_ended")
    await serving
    assert len(auth.revocations._watch) == 0

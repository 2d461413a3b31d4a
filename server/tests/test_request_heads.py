"""Sockets on which no request comes, and heads that do not end: closed, and nobody else notices."""

import asyncio
from collections.abc import AsyncIterator
from typing import ClassVar

import pytest
import uvicorn
from starlette.responses import PlainTextResponse

from chatkeep.ops.request_heads import BoundedHeads

ASKED = b"GET / HTTP/1.1\r\nhost: x\r\n"


class Impatient(BoundedHeads):
    head_seconds: ClassVar[float] = 0.3


@pytest.fixture
async def port() -> AsyncIterator[int]:
    config = uvicorn.Config(PlainTextResponse("here"), port=0, http=Impatient, log_config=None, lifespan="off")
    server = uvicorn.Server(config)
    serving = asyncio.create_task(server.serve())
    while not server.started:  # noqa: ASYNC110 - uvicorn sets no event
        await asyncio.sleep(0.01)
    yield server.servers[0].sockets[0].getsockname()[1]
    server.should_exit = True
    await serving


async def hear(port: int, *pieces: bytes) -> bytes:
    """All that is answered until the other side closes."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        for piece in pieces:
            writer.write(piece)
            await writer.drain()
        return await reader.read()
    finally:
        writer.close()


async def test_sockets_without_a_request_are_closed_and_others_are_served(port: int) -> None:
    silent = [asyncio.create_task(hear(port)) for _ in range(200)]
    halves = [asyncio.create_task(hear(port, ASKED)) for _ in range(200)]
    assert (await hear(port, ASKED + b"connection: close\r\n\r\n")).endswith(b"here")
    assert set(await asyncio.gather(*silent)) == {b""}
    for answered in await asyncio.gather(*halves):
        assert answered.startswith(b"HTTP/1.1 408")


async def test_a_second_request_that_does_not_end_is_closed_too(port: int) -> None:
    answered = await hear(port, ASKED + b"\r\n", ASKED)
    assert answered.count(b"HTTP/1.1 200") == 1
    assert b"HTTP/1.1 408" in answered


@pytest.mark.parametrize("endless", [b"x-%d: y\r\n", b"a" * 1000])
async def test_a_head_without_end_is_cut_off(port: int, endless: bytes) -> None:
    async def write() -> int:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        written = 0
        writer.write(ASKED + (b"" if b"%d" in endless else b"long: "))
        try:
            while not reader.at_eof():
                piece = b"".join(endless.replace(b"%d", b"%d" % n) for n in range(100))
                writer.write(piece)
                written += len(piece)
                await writer.drain()
                await asyncio.sleep(0)
        except OSError:
            pass
        writer.transport.abort()
        return written

    # Sockets' own buffers take some megabytes.
    assert await write() < 16_000_000
    assert (await hear(port, ASKED + b"connection: close\r\n\r\n")).endswith(b"here")

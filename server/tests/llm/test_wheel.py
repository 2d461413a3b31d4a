"""What comes soon after a read is read together, and nobody waits who should not."""

import asyncio

import pytest

from chatkeep.llm.http_response import Bounds, ConnectionBroken, Response
from chatkeep.llm.wheel import Wheel


@pytest.fixture
def wheel() -> Wheel:
    """It turns when the test says so."""
    return Wheel(3600.0)


@pytest.fixture
async def response(wheel: Wheel) -> Response:
    """One whose first piece has been read, by a reader who gathers from then on."""
    response = Response(
        asyncio.get_running_loop(),
        Bounds(buffer=100),
        wheel,
        on_room=lambda: None,
        on_finished=lambda _response, _drain: None,
    )
    _receive(response, b"first")
    assert await response.read() == b"first"
    response.gathers = True
    return response


def _receive(response: Response, data: bytes) -> None:
    response.append(data)
    response.wake()


async def _begin_to_read(response: Response) -> "asyncio.Task[bytes]":
    reading = asyncio.create_task(response.read())
    await asyncio.sleep(0)
    return reading


async def test_what_comes_within_a_turn_is_read_together(response: Response, wheel: Wheel) -> None:
    reading = await _begin_to_read(response)
    for data in (b"a", b"b", b"c"):
        _receive(response, data)
    await asyncio.sleep(0)
    assert not reading.done()
    wheel.turn()
    assert await reading == b"abc"
    wheel.stop()


async def test_the_end_does_not_wait(response: Response, wheel: Wheel) -> None:
    reading = await _begin_to_read(response)
    _receive(response, b"a")
    response.append(b"b")
    response.set_complete()
    response.wake()
    assert await reading == b"ab"
    wheel.stop()


async def test_a_failure_does_not_wait_and_loses_nothing(response: Response, wheel: Wheel) -> None:
    reading = await _begin_to_read(response)
    _receive(response, b"a")
    response.fail(ConnectionBroken("gone"))
    assert await reading == b"a"
    with pytest.raises(ConnectionBroken):
        await response.read()
    wheel.stop()


async def test_a_buffer_that_fills_does_not_wait(response: Response, wheel: Wheel) -> None:
    reading = await _begin_to_read(response)
    _receive(response, b"x" * 60)
    assert await reading == b"x" * 60
    wheel.stop()


async def test_what_comes_after_a_silence_does_not_wait(response: Response, wheel: Wheel) -> None:
    wheel.seconds = 0.0
    reading = await _begin_to_read(response)
    _receive(response, b"a")
    assert await reading == b"a"


async def test_gathering_is_no_silence_of_the_peer(response: Response, wheel: Wheel) -> None:
    reading = await _begin_to_read(response)
    _receive(response, b"a")
    later = asyncio.get_running_loop().time() + 1000.0
    assert not response.is_overdue(later)
    assert not response.is_overdue(later)
    wheel.turn()
    assert await reading == b"a"


async def test_a_wheel_turns_by_itself_and_calls_each_once() -> None:
    wheel = Wheel(0.001)
    calls: list[str] = []
    done = asyncio.Event()
    wheel.join(lambda: calls.append("a"))
    wheel.join(done.set)
    await done.wait()
    wheel.turn()
    assert calls == ["a"]

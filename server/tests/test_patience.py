"""A reader who takes nothing is gone, whatever its socket says; one who takes a little at a time is not."""

import asyncio

import pytest
from starlette.types import Message

from chatkeep.ops.patience import Patience

BATCH: Message = {"type": "http.response.body", "body": b"x", "more_body": True}


@pytest.fixture
def looks(monkeypatch: pytest.MonkeyPatch) -> list[Patience]:
    """How often somebody has looked."""
    looks: list[Patience] = []
    look = Patience._look

    def counted(self: Patience) -> None:
        looks.append(self)
        look(self)

    monkeypatch.setattr(Patience, "_look", counted)
    return looks


async def test_a_reader_who_takes_nothing_does_not_hold_a_stream_for_ever() -> None:
    async def hang(_: Message) -> None:
        await asyncio.Event().wait()

    with pytest.raises(TimeoutError):
        async with Patience(hang, 0.01) as patience:
            await patience.send(BATCH)


async def test_one_who_takes_each_batch_in_time_may_stay(looks: list[Patience]) -> None:
    taken: list[Message] = []

    async def take(message: Message) -> None:
        await asyncio.sleep(0)
        taken.append(message)

    async with Patience(take, 0.01) as patience:
        while len(looks) < 3:
            await patience.send(BATCH)
    assert taken


async def test_a_model_that_is_silent_is_no_slow_reader(looks: list[Patience]) -> None:
    async def take(_: Message) -> None:
        pass

    async with Patience(take, 0.01) as patience:
        await patience.send(BATCH)
        while len(looks) < 3:  # noqa: ASYNC110 - nothing tells that somebody has looked
            await asyncio.sleep(0)


async def test_whoever_is_cancelled_while_sending_is_cancelled_and_not_late() -> None:
    async def hang(_: Message) -> None:
        await asyncio.Event().wait()

    async def stream() -> None:
        async with Patience(hang, 60.0) as patience:
            await patience.send(BATCH)

    streaming = asyncio.create_task(stream())
    await asyncio.sleep(0)
    streaming.cancel()
    with pytest.raises(asyncio.CancelledError):
        await streaming

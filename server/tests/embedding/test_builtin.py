import asyncio
import os
import signal
from collections.abc import AsyncIterator

import psutil
import pytest

from chatkeep.embedding.builtin import BuiltinEmbedder
from chatkeep.embedding.port import EmbeddingFailed
from chatkeep.processes.frames import frame


@pytest.fixture
async def embedder() -> AsyncIterator[BuiltinEmbedder]:
    embedder = BuiltinEmbedder()
    yield embedder
    await embedder.aclose()


async def test_it_dies_hangs_and_comes_back(embedder: BuiltinEmbedder) -> None:
    english, german = await embedder.embed_passages(["The dog barks.", "Der Hund bellt laut im Garten und freut sich."])
    assert english is not None
    assert len(english) == embedder.dimension
    assert german is None

    first = embedder.pid
    assert first is not None
    os.kill(first, signal.SIGKILL)
    with pytest.raises(EmbeddingFailed, match="started again") as died:
        await embedder.embed_query("Where is the dog?")
    assert died.value.retryable
    assert await embedder.embed_query("Where is the dog?") is not None
    assert embedder.pid not in (None, first)

    # Cancelled while it is at work: nobody gets the answer to another question.
    one = asyncio.create_task(embedder.embed_query("A cat?"))
    other = asyncio.create_task(embedder.embed_query("The dog barks."))
    await asyncio.sleep(0)
    one.cancel()
    assert await other == pytest.approx(english, abs=1e-6)


async def test_a_question_goes_ahead_of_long_documents(embedder: BuiltinEmbedder) -> None:
    await embedder.embed_query("ready?")
    done: list[str] = []
    long = asyncio.create_task(embedder.embed_passages(["Many words about dogs. "] * 40))
    long.add_done_callback(lambda _: done.append("document"))
    await asyncio.sleep(0)
    await embedder.embed_query("What about dogs?")
    assert done == []
    await long


async def test_a_hung_process_is_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    embedder = BuiltinEmbedder()
    await embedder.embed_query("ready?")
    assert embedder.pid is not None
    os.kill(embedder.pid, signal.SIGSTOP)
    monkeypatch.setattr(embedder, "_patience", 0.2)
    with pytest.raises(EmbeddingFailed):
        await embedder.embed_query("hello?")
    await embedder.aclose()


async def test_closing_tells_who_waits_and_leaves_no_process() -> None:
    embedder = BuiltinEmbedder()
    await embedder.embed_query("ready?")
    assert embedder.pid is not None
    process = psutil.Process(embedder.pid)
    waiting = [asyncio.create_task(embedder.embed_passages(["Many words about dogs. " * 50] * 8)) for _ in range(3)]
    await asyncio.sleep(0)
    await embedder.aclose()
    for outcome in await asyncio.gather(*waiting, return_exceptions=True):
        assert isinstance(outcome, EmbeddingFailed)
    assert not process.is_running()
    with pytest.raises(EmbeddingFailed, match="stopped"):
        await embedder.embed_query("hello?")


async def test_a_line_without_end_is_refused(embedder: BuiltinEmbedder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("chatkeep.embedding.builtin._MOST_WAITING", 3)
    tasks = [asyncio.create_task(embedder.embed_query("hello")) for _ in range(10)]
    outcomes = await asyncio.gather(*tasks, return_exceptions=True)
    refused = [each for each in outcomes if isinstance(each, EmbeddingFailed)]
    assert len(refused) == 7
    assert "busy" in str(refused[0])


async def test_a_lone_surrogate_is_embedded_like_anything_else(embedder: BuiltinEmbedder) -> None:
    assert await embedder.embed_query("\ud800 what is this?") is not None


def test_a_frame_is_what_the_other_end_reads() -> None:
    assert frame(["a"]) == b"\x00\x00\x00\x03\x91\xa1a"

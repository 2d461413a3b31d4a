"""The built-in embedder: all-MiniLM-L6-v2 in a process of its own, for who has no endpoint and no network."""

import asyncio
import contextlib
import itertools
import logging
import sys
from array import array
from asyncio.subprocess import Process
from collections.abc import Sequence
from dataclasses import dataclass, field

import msgspec

from chatkeep.embedding.minilm import DIMENSION, MODEL
from chatkeep.embedding.port import EmbeddingFailed, Vector
from chatkeep.processes.frames import frame
from chatkeep.processes.parent import receive, send, start

_log = logging.getLogger(__name__)

# What stands between a question and its turn: about a tenth of a second on one core.
_TEXTS_TOGETHER = 2
_MOST_WAITING = 1_024
# A text longer than the model looks at costs only what it takes to cut it; this is many times as much.
_MOST_CHARACTERS = 20_000
_PATIENCE = 120.0
_QUERY, _PASSAGE = 0, 1
# More threads would take the cores that answer people.
_ONE_THREAD = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false"}


@dataclass(order=True, slots=True)
class _Wanted:
    """Texts in line; the smallest is next."""

    rank: tuple[int, int]
    texts: list[str] = field(compare=False)
    vectors: asyncio.Future[list[Vector | None]] = field(compare=False)


RELATED = 0.25
"""The cosine below which a passage has nothing to do with a question. Of 199 questions on Wikipedia's paragraphs 2 %
were further from their answer; of 20 on other matters 65 % were further from the nearest of 240 paragraphs.
"""


class BuiltinEmbedder:
    """Its process starts with the first text, and again with the next one after it has died. Questions go first.

    Args:
        patience: seconds that the process may take to load, or over a few texts, before it counts as hung.
    """

    name = MODEL
    dimension = DIMENSION

    def __init__(self, *, patience: float = _PATIENCE) -> None:
        self._patience = patience
        self._line: asyncio.PriorityQueue[_Wanted] = asyncio.PriorityQueue()
        self._numbers = itertools.count()
        self._task: asyncio.Task[None] | None = None
        self._process: Process | None = None
        self._closed = False

    @property
    def pid(self) -> int | None:
        """Of the process; None while it does not run."""
        return None if self._process is None else self._process.pid

    async def embed_passages(self, texts: Sequence[str]) -> list[Vector | None]:
        parts = [texts[start : start + _TEXTS_TOGETHER] for start in range(0, len(texts), _TEXTS_TOGETHER)]
        # One after the other: who embeds a long document gets no more turns than who embeds a short one.
        return [vector for part in parts for vector in await self._embed(_PASSAGE, part)]

    async def embed_query(self, text: str) -> Vector | None:
        return (await self._embed(_QUERY, [text]))[0]

    async def aclose(self) -> None:
        """End the process and wait until it is gone; whoever still waits is told."""
        self._closed = True
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
        while not self._line.empty():
            _fail(self._line.get_nowait(), EmbeddingFailed("The embedder has been stopped.", retryable=True))

    async def _embed(self, urgency: int, texts: Sequence[str]) -> list[Vector | None]:
        if self._closed:
            raise EmbeddingFailed("The embedder has been stopped.", retryable=True)
        if self._line.qsize() >= _MOST_WAITING:
            raise EmbeddingFailed("The embedder is busy: too many texts wait for it.", retryable=True)
        if self._task is None:
            self._task = asyncio.create_task(self._serve(), name="built-in embedder")
        # A lone surrogate cannot be sent, and means nothing.
        clean = [text[:_MOST_CHARACTERS].encode(errors="replace").decode() for text in texts]
        vectors: asyncio.Future[list[Vector | None]] = asyncio.get_running_loop().create_future()
        self._line.put_nowait(_Wanted((urgency, next(self._numbers)), clean, vectors))
        return await vectors

    async def _serve(self) -> None:
        try:
            while True:
                wanted = await self._line.get()
                # Nobody waits any more for what was cancelled.
                if not wanted.vectors.done():
                    await self._answer(wanted)
        finally:
            await self._end()

    async def _answer(self, wanted: _Wanted) -> None:
        try:
            async with asyncio.timeout(self._patience):
                process = self._process or await self._start()
                vectors = [unpack(packed) for packed in await _exchange(process, wanted.texts)]
        except (OSError, asyncio.IncompleteReadError, TimeoutError, msgspec.MsgspecError) as error:
            _log.error("the built-in embedder's process is gone or hangs (%s)", type(error).__name__)
            await self._end()
            _fail(wanted, EmbeddingFailed("The built-in embedder failed and is started again.", retryable=True))
        except EmbeddingFailed as error:
            await self._end()
            _fail(wanted, error)
        except asyncio.CancelledError:
            _fail(wanted, EmbeddingFailed("The embedder has been stopped.", retryable=True))
            raise
        else:
            if not wanted.vectors.done():
                wanted.vectors.set_result(vectors)

    async def _start(self) -> Process:
        """Start the process and wait until its model is loaded."""
        command = (sys.executable, "-m", "chatkeep.embedding.minilm_process")
        process = self._process = await start(*command, variables=_ONE_THREAD)
        greeting = msgspec.msgpack.decode(await receive(process))
        if isinstance(greeting, str):
            raise EmbeddingFailed(greeting, retryable=False)
        return process

    async def _end(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()


async def _exchange(process: Process, texts: list[str]) -> list[bytes | None]:
    await send(process, frame(texts))
    return msgspec.msgpack.decode(await receive(process), type=list[bytes | None])


def unpack(packed: bytes | None) -> Vector | None:
    """As many floats as the bytes hold, little-endian."""
    if packed is None:
        return None
    vector = array("f", packed)
    if sys.byteorder == "big":
        vector.byteswap()
    return vector


def _fail(wanted: _Wanted, error: EmbeddingFailed) -> None:
    if not wanted.vectors.done():
        wanted.vectors.set_exception(error)

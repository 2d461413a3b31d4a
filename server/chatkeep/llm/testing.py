"""For tests of this package and of those who build on it: ask a model and look at all that came."""

import asyncio
import contextlib
from collections.abc import Callable
from dataclasses import dataclass, field

from chatkeep.llm.model import ChatModel, Chunk, ModelError, PromptMessage, Usage
from chatkeep.llm.script import MODEL


@dataclass
class Answer:
    """All that came of one `stream` call."""

    chunks: list[Chunk] = field(default_factory=list)
    error: ModelError | None = None

    @property
    def text(self) -> str:
        return "".join(chunk.text for chunk in self.chunks)

    @property
    def finish_reason(self) -> str | None:
        return next((chunk.finish_reason for chunk in self.chunks if chunk.finish_reason), None)

    @property
    def usage(self) -> Usage | None:
        return next((chunk.usage for chunk in reversed(self.chunks) if chunk.usage), None)


async def ask(model: ChatModel, text: str, *, name: str = MODEL, most_chunks: int | None = None) -> Answer:
    """Ask `model` one thing. After `most_chunks` the answer is closed, as somebody does who has seen enough."""
    answer = Answer()
    try:
        async with contextlib.aclosing(model.stream(name, [PromptMessage("user", text)])) as chunks:
            async for chunk in chunks:
                answer.chunks.append(chunk)
                if len(answer.chunks) == most_chunks:
                    break
    except ModelError as error:
        answer.error = error
    return answer


async def eventually(condition: Callable[[], bool], *, seconds: float = 30.0) -> None:
    """Return as soon as `condition` holds.

    Raises:
        TimeoutError: it never did.
    """
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110 (what is waited for may lie in another process)
            await asyncio.sleep(0.001)

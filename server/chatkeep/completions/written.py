"""An answer of a model that is no HTTP endpoint, put into OpenAI's frames."""

import time
from collections.abc import AsyncGenerator

import msgspec
from uuid_utils.compat import uuid7

from chatkeep.completions.tally import Tally
from chatkeep.llm.model import Chunk, Usage

_encode = msgspec.json.Encoder().encode


class _Written:
    """What both forms share. `first` is what has come already, so that a refusal could still be told by a status."""

    def __init__(self, model: str, first: Chunk | None, rest: AsyncGenerator[Chunk, None]) -> None:
        self.tally = Tally()
        self._first = first
        self._rest = rest
        self._head = {"id": f"chatcmpl-{uuid7()}", "created": int(time.time()), "model": model}

    async def aclose(self) -> None:
        """Stop the model where it still runs."""
        await self._rest.aclose()

    async def _chunks(self) -> AsyncGenerator[Chunk, None]:
        if self._first is None:
            return
        yield self._count(self._first)
        async for chunk in self._rest:
            yield self._count(chunk)

    def _count(self, chunk: Chunk) -> Chunk:
        self.tally.produced += len(chunk.text.encode()) + len(chunk.reasoning.encode())
        self.tally.usage = chunk.usage or self.tally.usage
        return chunk


class WrittenStream(_Written):
    """`chat.completion.chunk` after `chat.completion.chunk`."""

    def __init__(self, model: str, first: Chunk | None, rest: AsyncGenerator[Chunk, None], *, show_usage: bool) -> None:
        super().__init__(model, first, rest)
        self._show_usage = show_usage

    async def pieces(self) -> AsyncGenerator[bytes, None]:
        """One for each read of the model.

        Raises:
            ModelError: the answer fails here.
        """
        finish_reason = "stop"
        yield self._frame({"role": "assistant", "content": ""})
        async for chunk in self._chunks():
            finish_reason = chunk.finish_reason or finish_reason
            if chunk.reasoning:
                yield self._frame({"reasoning_content": chunk.reasoning})
            if chunk.text:
                yield self._frame({"content": chunk.text})
        yield self._frame({}, finish_reason)
        if self._show_usage and self.tally.usage is not None:
            yield self._encoded([], _usage_object(self.tally.usage))
        yield b"data: [DONE]\n\n"

    def _frame(self, delta: dict[str, str], finish_reason: str | None = None) -> bytes:
        return self._encoded([{"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish_reason}], None)

    def _encoded(self, choices: list[dict[str, object]], usage: dict[str, int] | None) -> bytes:
        frame = {**self._head, "object": "chat.completion.chunk", "choices": choices}
        if self._show_usage:
            frame["usage"] = usage
        return b"data: %b\n\n" % _encode(frame)


class WrittenDocument(_Written):
    """One `chat.completion`."""

    async def pieces(self) -> AsyncGenerator[bytes, None]:
        """The one piece that there is.

        Raises:
            ModelError: the answer failed.
        """
        texts: list[str] = []
        thoughts: list[str] = []
        finish_reason = "stop"
        async for chunk in self._chunks():
            texts.append(chunk.text)
            thoughts.append(chunk.reasoning)
            finish_reason = chunk.finish_reason or finish_reason
        message: dict[str, object] = {"role": "assistant", "content": "".join(texts), "refusal": None}
        if thought := "".join(thoughts):
            message["reasoning_content"] = thought
        choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": finish_reason}
        usage = None if self.tally.usage is None else _usage_object(self.tally.usage)
        yield _encode({**self._head, "object": "chat.completion", "choices": [choice], "usage": usage})


def _usage_object(usage: Usage) -> dict[str, int]:
    return {
        "prompt_tokens": usage.prompt_tokens,
        "completion_tokens": usage.completion_tokens,
        "total_tokens": usage.prompt_tokens + usage.completion_tokens,
    }

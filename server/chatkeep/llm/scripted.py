"""The scripted model: deterministic, in the server's own process, for tests and demonstrations."""

import asyncio
from collections.abc import AsyncGenerator, Sequence

from chatkeep.llm.model import (
    Chunk,
    ModelError,
    ModelGarbage,
    ModelInfo,
    ModelPromptTooLong,
    ModelRateLimited,
    ModelRefused,
    ModelStreamBroken,
    ModelTimeout,
    ModelUnavailable,
    PromptMessage,
)
from chatkeep.llm.script import MODEL, script_for

_BEFORE_THE_ANSWER: dict[str, type[ModelError]] = {
    "400": ModelRefused,
    "401": ModelRefused,
    "402": ModelRefused,
    "403": ModelRefused,
    "404": ModelRefused,
    "413": ModelRefused,
    "422": ModelRefused,
    "no-credit": ModelRefused,
    "redirect": ModelRefused,
    "context": ModelPromptTooLong,
    "429": ModelRateLimited,
    "500": ModelUnavailable,
    "502": ModelUnavailable,
    "503": ModelUnavailable,
    "close": ModelUnavailable,
    "silent": ModelTimeout,
    "not-http": ModelGarbage,
    "huge-header": ModelGarbage,
    "html": ModelGarbage,
    "encoded": ModelGarbage,
}
_IN_THE_ANSWER: dict[str, type[ModelError]] = {
    "break": ModelStreamBroken,
    "unfinished": ModelStreamBroken,
    "second-response": ModelStreamBroken,
    "stall": ModelTimeout,
    "error": ModelUnavailable,
    "garbage": ModelGarbage,
    "endless": ModelGarbage,
    "endless-line": ModelGarbage,
    "huge-frame": ModelGarbage,
}


class ScriptedChatModel:
    """Answers by `script.py`. `token_delay` is the pause before each token in seconds, unless a message sets its own.

    A fault ends in the `ModelError` that the same fault of a real endpoint ends in, at once instead of after a timeout;
    the faults that a client survives do nothing here.
    """

    def __init__(self, models: Sequence[str] = (), *, token_delay: float = 0.0) -> None:
        self._models = tuple(models) or (MODEL,)
        self._token_delay = token_delay

    async def list_models(self) -> list[ModelInfo]:
        return [ModelInfo(model) for model in self._models]

    async def stream(self, model: str, messages: Sequence[PromptMessage]) -> AsyncGenerator[Chunk, None]:
        script = script_for(model, messages)
        delay = self._token_delay if script.delay is None else script.delay
        if kind := _BEFORE_THE_ANSWER.get(script.fault or ""):
            raise kind(f"The scripted model was asked to fail ({script.fault}).")
        fault = _IN_THE_ANSWER.get(script.fault or "")
        if script.fault == "reasoning":
            yield Chunk(reasoning="Hm.")
        tokens = script.tokens if fault is None else script.tokens[: script.fault_after]
        for token in tokens:
            await asyncio.sleep(delay)
            yield Chunk(token)
        if fault is not None:
            raise fault(f"The scripted model was asked to fail ({script.fault}).")
        yield Chunk(finish_reason="stop", usage=script.usage)

    async def aclose(self) -> None:
        """Nothing is held."""

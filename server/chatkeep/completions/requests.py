"""A request to /v1/chat/completions: what has to be known of it, and all the rest as it came."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, TypeVar

import msgspec

from chatkeep.completions.errors import RequestInvalid
from chatkeep.llm.model import PromptMessage
from chatkeep.llm.raw_request import RawRequest

_MOST_CHOICES = 128
_MOST_MEMBERS = 200
_MOST_TOKENS = 100_000_000
# Of objects and members, wherever they are: what is three bytes on the wire is a hundred in memory, and takes its time.
_MOST_PIECES = 300_000
# What a picture or a file costs is its endpoint's to say; for the estimate it is that of a large picture.
_TOKENS_PER_PART = 1500
# By these some endpoints let others answer than the model that is named, whose limits and prices hold here.
_OTHER_MODELS = ("models", "fallbacks", "context_window_fallbacks")
# Others are dearer, and prices are those of the ordinary service. By auto, the operator's own account decides.
_TIERS = ("auto", "default", "flex")
# What a model that is no endpoint hears of, and within which bounds.
_OPTIONS: Mapping[str, Any] = {
    "temperature": Annotated[float, msgspec.Meta(ge=0, le=2)],
    "top_p": Annotated[float, msgspec.Meta(ge=0, le=1)],
    "frequency_penalty": Annotated[float, msgspec.Meta(ge=-2, le=2)],
    "presence_penalty": Annotated[float, msgspec.Meta(ge=-2, le=2)],
    "seed": Annotated[int, msgspec.Meta(ge=0, le=2**32 - 1)],
    "stop": Annotated[str, msgspec.Meta(max_length=200)]
    | Annotated[list[Annotated[str, msgspec.Meta(max_length=200)]], msgspec.Meta(max_length=4)],
}
_TOKENS_PER_MESSAGE = 8
_BYTES_PER_TOKEN = 4

_Value = TypeVar("_Value")


class _Part(msgspec.Struct, gc=False):
    type: str
    text: str | None = None


class _Message(msgspec.Struct, gc=False):
    role: str
    content: str | list[_Part] | None = None
    # What else a model reads of it, counted and not understood.
    name: msgspec.Raw = msgspec.Raw(b"")
    refusal: msgspec.Raw = msgspec.Raw(b"")
    tool_calls: msgspec.Raw = msgspec.Raw(b"")
    function_call: msgspec.Raw = msgspec.Raw(b"")
    reasoning_content: msgspec.Raw = msgspec.Raw(b"")

    def tokens(self) -> int:
        others = (self.name, self.refusal, self.tool_calls, self.function_call, self.reasoning_content)
        raw = sum(len(bytes(other)) for other in others) // _BYTES_PER_TOKEN
        return _size(self.content) + raw + _TOKENS_PER_MESSAGE


class _StreamOptions(msgspec.Struct):
    include_usage: bool | None = None


@dataclass(frozen=True, slots=True)
class CompletionRequest:
    """`at_most` is how many tokens each of the `choices` answers may have by the caller's own wish; None: not said.
    `prompt_tokens` is an estimate, good enough to hold a place in a quota; what was used is known afterwards.
    """

    model: str
    raw: RawRequest
    prompt_tokens: int
    choices: int
    at_most: int | None


def read_request(body: bytes) -> CompletionRequest:
    """Check what has to be known.

    Raises:
        RequestInvalid: it is not JSON in UTF-8, or not a request.
    """
    if body.count(b"{") + body.count(b'":') > _MOST_PIECES:
        raise RequestInvalid("The request is made of more pieces than anybody's is.")
    try:
        body.decode("utf-8")
        members = msgspec.json.decode(body, type=dict[str, msgspec.Raw])
    except msgspec.ValidationError:
        raise RequestInvalid("The body must be a JSON object.") from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise RequestInvalid("The body is not JSON. Send well-formed JSON in UTF-8.") from None
    if len(members) > _MOST_MEMBERS:
        raise RequestInvalid(f"A request has {_MOST_MEMBERS} members at most.")
    for name in _OTHER_MODELS:
        if name in members:
            raise RequestInvalid(f"{name} is not taken here: name one model.", name)
    if _member(members, "service_tier", str) not in (None, *_TIERS):
        raise RequestInvalid(f"service_tier may be {', '.join(_TIERS)} here.", "service_tier")
    stream = _member(members, "stream", bool) or False
    options = _member(members, "stream_options", _StreamOptions)
    if options is not None and not stream:
        raise RequestInvalid("stream_options is for requests with stream set to true.", "stream_options")
    wants_usage = bool(options and options.include_usage)
    return CompletionRequest(
        _model(members),
        RawRequest(members, stream, wants_usage),
        _estimated_tokens(members),
        _count(members, "n", _MOST_CHOICES) or 1,
        _count(members, "max_completion_tokens", _MOST_TOKENS) or _count(members, "max_tokens", _MOST_TOKENS),
    )


def plain_prompt(request: CompletionRequest) -> list[PromptMessage]:
    """The messages, for a model that takes text and nothing else.

    Raises:
        RequestInvalid: the request asks for more.
    """
    if request.choices > 1:
        raise RequestInvalid("This model gives one answer at a time.", "n")
    for name in ("tools", "functions", "logprobs", "audio"):
        if bytes(request.raw.members.get(name, b"null")) not in (b"null", b"[]", b"false"):
            raise RequestInvalid(f"This model does not take {name}.", name)
    wanted = _member(request.raw.members, "response_format", dict[str, Any])
    if wanted is not None and wanted.get("type") != "text":
        raise RequestInvalid("This model answers with plain text.", "response_format")
    return [_plain(number, message) for number, message in enumerate(_messages(request.raw.members))]


def plain_options(request: CompletionRequest) -> dict[str, object]:
    """How long and how bold the answer is to be, for the same model; what else may be wished for it does not hear.

    Raises:
        RequestInvalid: a wish is none that can be met.
    """
    wishes: dict[str, object] = {"max_tokens": request.at_most}
    wishes |= {name: _member(request.raw.members, name, kind) for name, kind in _OPTIONS.items()}
    return {name: wish for name, wish in wishes.items() if wish is not None}


def _plain(number: int, message: _Message) -> PromptMessage:
    text = _text(message.content)
    if text is None:
        raise RequestInvalid("This model takes text and nothing else.", f"messages[{number}].content")
    match message.role:
        case "system" | "developer":
            return PromptMessage("system", text)
        case "user":
            return PromptMessage("user", text)
        case "assistant":
            return PromptMessage("assistant", text)
    raise RequestInvalid("This model knows system, user and assistant.", f"messages[{number}].role")


def _text(content: str | list[_Part] | None) -> str | None:
    if not isinstance(content, list):
        return content
    texts = [part.text for part in content if part.type == "text" and part.text is not None]
    return "".join(texts) if len(texts) == len(content) else None


def _estimated_tokens(members: Mapping[str, msgspec.Raw]) -> int:
    """Of all that a model may read: tools and schemas are as good a place for words as messages are."""
    others = sum(len(bytes(raw)) for name, raw in members.items() if name != "messages") // _BYTES_PER_TOKEN
    return min(others + sum(message.tokens() for message in _messages(members)), _MOST_TOKENS)


def _size(content: str | list[_Part] | None) -> int:
    if content is None:
        return 0
    if isinstance(content, str):
        return len(content.encode("utf-8", "replace")) // _BYTES_PER_TOKEN
    return sum(_TOKENS_PER_PART if part.type != "text" else _size(part.text) for part in content)


def _model(members: Mapping[str, msgspec.Raw]) -> str:
    model = _member(members, "model", str)
    if not model:
        raise RequestInvalid("You must provide a model.", "model")
    if len(model) > 200 or not model.isprintable():
        raise RequestInvalid("model is not the name of a model.", "model")
    return model


def _messages(members: Mapping[str, msgspec.Raw]) -> tuple[_Message, ...]:
    messages = _member(members, "messages", tuple[_Message, ...])
    if not messages:
        raise RequestInvalid("messages must hold one message at least.", "messages")
    return messages


def _count(members: Mapping[str, msgspec.Raw], name: str, most: int) -> int | None:
    count = _member(members, name, int)
    if count is not None and not 0 < count <= most:
        raise RequestInvalid(f"{name} must be between 1 and {most}.", name)
    return count


def _member(members: Mapping[str, msgspec.Raw], name: str, kind: type[_Value]) -> _Value | None:
    try:
        return msgspec.json.decode(members.get(name, b"null"), type=kind | None)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise RequestInvalid(f"{name} is not what it has to be.", name) from None

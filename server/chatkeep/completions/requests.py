"""A request to /v1/chat/completions: what has to be known of it, and all the rest as it came."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

import msgspec

from chatkeep.completions.errors import RequestInvalid
from chatkeep.llm.model import PromptMessage
from chatkeep.llm.raw_request import RawRequest

_MOST_CHOICES = 128
_MOST_MEMBERS = 200
_MOST_TOKENS = 100_000_000
# What a picture or a file costs is its endpoint's to say; for the estimate it is that of a large picture.
_TOKENS_PER_PART = 1500
_TOKENS_PER_MESSAGE = 8
_BYTES_PER_TOKEN = 4

_Value = TypeVar("_Value")


class _Message(msgspec.Struct):
    role: str
    content: Any = None
    tool_calls: msgspec.Raw = msgspec.Raw(b"")


class _StreamOptions(msgspec.Struct):
    include_usage: bool | None = None


@dataclass(frozen=True, slots=True)
class CompletionRequest:
    """`at_most` is how many tokens each of the `choices` answers may have by the caller's own wish; None: not said."""

    model: str
    raw: RawRequest
    messages: tuple[_Message, ...]
    choices: int
    at_most: int | None

    def estimated_prompt_tokens(self) -> int:
        """Good enough to hold a place in a quota; what was used is known afterwards."""
        tools = [self.raw.members.get("tools", b""), *(message.tool_calls for message in self.messages)]
        texts = sum(_size(message.content) + _TOKENS_PER_MESSAGE for message in self.messages)
        return texts + sum(len(bytes(raw)) for raw in tools) // _BYTES_PER_TOKEN


def read_request(body: bytes) -> CompletionRequest:
    """Check what has to be known.

    Raises:
        RequestInvalid: it is not JSON in UTF-8, or not a request.
    """
    try:
        body.decode("utf-8")
        members = msgspec.json.decode(body, type=dict[str, msgspec.Raw])
    except msgspec.ValidationError:
        raise RequestInvalid("The body must be a JSON object.") from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise RequestInvalid("The body is not JSON. Send well-formed JSON in UTF-8.") from None
    if len(members) > _MOST_MEMBERS:
        raise RequestInvalid(f"A request has {_MOST_MEMBERS} members at most.")
    stream = _member(members, "stream", bool) or False
    options = _member(members, "stream_options", _StreamOptions)
    if options is not None and not stream:
        raise RequestInvalid("stream_options is for requests with stream set to true.", "stream_options")
    wants_usage = bool(options and options.include_usage)
    return CompletionRequest(
        _model(members),
        RawRequest(members, stream, wants_usage),
        _messages(members),
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
    return [_plain(number, message) for number, message in enumerate(request.messages)]


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


def _text(content: Any) -> str | None:
    if isinstance(content, str):
        return content
    if not isinstance(content, list):
        return None
    texts = [part["text"] for part in content if _is_text(part)]
    return "".join(texts) if len(texts) == len(content) else None


def _is_text(part: Any) -> bool:
    return isinstance(part, dict) and part.get("type") == "text" and isinstance(part.get("text"), str)


def _size(content: Any) -> int:
    if isinstance(content, str):
        return len(content.encode("utf-8", "replace")) // _BYTES_PER_TOKEN
    if not isinstance(content, list):
        return 0
    texts = [part["text"] for part in content if _is_text(part)]
    return sum(_size(text) for text in texts) + _TOKENS_PER_PART * (len(content) - len(texts))


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

"""The JSON of /v1/chat/completions and /v1/models: requests out, frames of a streamed answer in.

Providers differ in what they add, so unknown members are skipped and odd but harmless values ignored. What is wrong
in the part we need (`choices`, `delta.content`) is garbage.
"""

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any, cast

import msgspec

from chatkeep.llm.model import ModelGarbage, ModelRefused, PromptMessage, Usage

DONE = b"[DONE]"

_NOT_STORABLE = re.compile("[\x00\ud800-\udfff]")
_MOST_TOKENS = 100_000_000


class _Part(msgspec.Struct, gc=False):
    type: str = ""
    text: str | None = None


class _Delta(msgspec.Struct):
    content: str | list[_Part] | None = None
    # Two names for what a model thinks aloud; neither is of the standard, so neither may break an answer.
    reasoning_content: Any = None
    reasoning: Any = None


class _Choice(msgspec.Struct):
    index: int | None = 0
    delta: _Delta | None = None
    message: _Delta | None = None  # an endpoint that does not stream answers with a whole message instead
    finish_reason: str | None = None


class Frame(msgspec.Struct):
    """One `chat.completion.chunk`. `usage` and `error` stay raw: most frames have neither."""

    choices: list[_Choice] | None = None
    usage: msgspec.Raw = msgspec.Raw(b"null")
    error: msgspec.Raw = msgspec.Raw(b"null")


class _Usage(msgspec.Struct):
    prompt_tokens: int
    completion_tokens: int


class _Error(msgspec.Struct):
    code: str | int | None = None
    type: str | None = None
    param: Any = None


class _ErrorBody(msgspec.Struct):
    error: _Error | str | None = None


class _Model(msgspec.Struct):
    id: str


class _ModelList(msgspec.Struct):
    data: list[_Model]


_decode_frame = msgspec.json.Decoder(Frame).decode
_decode_usage = msgspec.json.Decoder(_Usage).decode
_decode_error = msgspec.json.Decoder(_Error).decode
_decode_error_body = msgspec.json.Decoder(_ErrorBody).decode
_decode_models = msgspec.json.Decoder(_ModelList).decode


def encode_request(
    model: str, messages: Sequence[PromptMessage], *, include_usage: bool, options: Mapping[str, object]
) -> bytes:
    """The body of a streaming request. `options` are sampling parameters and limits by their API names.

    Raises:
        ModelRefused: a message holds a lone surrogate, which no JSON text can carry.
    """
    request: dict[str, object] = {
        "model": model,
        "messages": [{"role": message.role, "content": message.content} for message in messages],
        "stream": True,
        **options,
    }
    if include_usage:
        request["stream_options"] = {"include_usage": True}
    try:
        return msgspec.json.encode(request)
    except UnicodeEncodeError:
        raise ModelRefused("The message holds characters that are not valid Unicode.") from None


def decode_frame(data: bytes) -> Frame:
    """Decode the data of one event.

    Raises:
        ModelGarbage: it is not JSON, or not a frame of an answer.
    """
    try:
        return _decode_frame(data)
    except (msgspec.ValidationError, RecursionError):
        raise ModelGarbage("The model endpoint sent something that is not part of an answer.") from None
    except (msgspec.DecodeError, UnicodeDecodeError):
        return _decode_mended(data)


def _decode_mended(data: bytes) -> Frame:
    """A provider that cuts a character in two sends invalid UTF-8, or half a surrogate pair. The standard for event
    streams says to read such bytes as U+FFFD, and one bad character is no reason to lose an answer.
    """
    try:
        return _decode_frame(mended(data))
    except msgspec.ValidationError:
        raise ModelGarbage("The model endpoint sent something that is not part of an answer.") from None


def mended(data: bytes) -> bytes:
    """The same JSON, in UTF-8 and without what databases and strict clients cannot carry.

    Raises:
        ModelGarbage: it is no JSON at all.
    """
    try:
        return msgspec.json.encode(_mend(json.loads(data.decode("utf-8", "replace"))))
    except (ValueError, RecursionError):
        raise ModelGarbage("The model endpoint sent something that is not JSON.") from None


def _mend(value: object) -> object:
    if isinstance(value, str):
        return _NOT_STORABLE.sub("\ufffd", value)
    if isinstance(value, list):
        return [_mend(item) for item in value]
    if isinstance(value, dict):
        return {cast(str, _mend(key)): _mend(item) for key, item in value.items()}
    return value


def text_of(frame: Frame) -> str:
    """The text that a frame adds to the answer; "" for role, tool and reasoning frames."""
    delta = _delta_of(frame)
    if delta is None or delta.content is None:
        return ""
    if isinstance(delta.content, str):
        return delta.content
    return "".join(part.text or "" for part in delta.content if part.type == "text")


def reasoning_of(frame: Frame) -> str:
    """What a frame adds to the model's thoughts; those who send it under both names send it twice."""
    delta = _delta_of(frame)
    if delta is None:
        return ""
    thought = delta.reasoning_content or delta.reasoning
    return thought if isinstance(thought, str) else ""


def _delta_of(frame: Frame) -> _Delta | None:
    if not frame.choices or frame.choices[0].index:
        return None
    return frame.choices[0].delta or frame.choices[0].message


def storable(text: str) -> str:
    """`text` without what databases and event streams cannot carry. JSON can smuggle in a NUL at any time."""
    return _NOT_STORABLE.sub("\ufffd", text) if "\x00" in text else text


def usage_of(frame: Frame) -> Usage | None:
    """The usage a frame reports; None when it reports none, or figures that cannot be."""
    raw = bytes(frame.usage)
    if raw == b"null":
        return None
    try:
        usage = _decode_usage(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    if not (0 <= usage.prompt_tokens <= _MOST_TOKENS and 0 <= usage.completion_tokens <= _MOST_TOKENS):
        return None
    return Usage(usage.prompt_tokens, usage.completion_tokens)


def error_codes_in_frame(frame: Frame) -> frozenset[str] | None:
    """The code and type of an error object inside the stream; None when there is no error."""
    raw = bytes(frame.error)
    if raw == b"null":
        return None
    try:
        return _codes(_decode_error(raw))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return frozenset()


def error_codes_in_body(body: bytes) -> frozenset[str]:
    """The code and type in the body of a refusal; empty when there are none to be found."""
    try:
        error = _decode_error_body(body).error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return frozenset()
    return _codes(error) if isinstance(error, _Error) else frozenset()


def param_in_body(body: bytes) -> str | None:
    """The member of the request that a refusal names; None when it names none."""
    try:
        error = _decode_error_body(body).error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    return error.param if isinstance(error, _Error) and isinstance(error.param, str) else None


def _codes(error: _Error) -> frozenset[str]:
    return frozenset(str(code) for code in (error.code, error.type) if code is not None)


def decode_model_ids(body: bytes, most: int = 1000) -> list[str]:
    """The ids in an answer to GET /v1/models, in its order, at most `most` of them.

    Raises:
        ModelGarbage: the body is no list of models.
    """
    try:
        models = _decode_models(body).data
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise ModelGarbage("The model endpoint did not list its models in OpenAI's format.") from None
    ids = dict.fromkeys(model.id for model in models if 0 < len(model.id) <= 200 and model.id.isprintable())
    return list(ids)[:most]

"""How the scripted upstream answers on the wire: whole, or wrong in every way a model endpoint has been seen to be.

An answer is an iterator of steps: bytes to write, a pause in seconds, or how it ends.
"""

import enum
import itertools
import json
from collections.abc import Callable, Iterable, Iterator
from http import HTTPStatus

from chatkeep.llm.model import Usage
from chatkeep.llm.script import Script


class End(enum.Enum):
    """What becomes of the connection after an answer."""

    KEEP = enum.auto()
    ABORT = enum.auto()
    HANG = enum.auto()


Step = bytes | float | End
Frames = Callable[[Script], Iterable[bytes]]

_HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
_LAST_CHUNK = b"0\r\n\r\n"
_DONE = b"data: [DONE]\n\n"
_CODES = {
    "no-credit": (429, "insufficient_quota"),
    "context": (400, "context_length_exceeded"),
    "401": (401, "invalid_api_key"),
    "404": (404, "model_not_found"),
    "429": (429, "rate_limit_exceeded"),
}
_MEBIBYTE = 1 << 20


def answer(script: Script, *, delay: float, include_usage: bool) -> Iterator[Step]:
    """The steps that answer with `script`; `delay` where the script sets none."""
    pause = delay if script.delay is None else script.delay
    fault = script.fault
    if fault is not None and (fault.isdigit() or fault in _CODES):
        return iter((refusal(fault), End.KEEP))
    if fault == "no-stream-options" and include_usage:
        return iter((document(b'{"error": {"message": "Unknown member: stream_options"}}', status=400), End.KEEP))
    if fault in _RAW:
        return _RAW[fault]()
    if fault in _BREAKING:
        tokens = list(script.tokens[: script.fault_after])
        return itertools.chain((_HEAD,), _paced(tokens, pause), _BREAKING[fault]())
    steps = itertools.chain(
        (_HEAD, *_before(fault)), _paced(script.tokens, pause), _ending(fault, script.usage, include_usage)
    )
    return _rewritten(fault, steps)


def whole_answer(script: Script) -> Iterator[Step]:
    """As one document, for who does not ask for a stream; of the faults, those that make it none."""
    fault = script.fault
    if fault is not None and (fault.isdigit() or fault in _CODES):
        return iter((refusal(fault), End.KEEP))
    if fault in _RAW and fault != "json":
        return _RAW[fault]()
    message: dict[str, object] = {"role": "assistant", "content": "".join(script.tokens)}
    if fault == "tools":
        call = {"id": "call_1", "type": "function", "function": {"name": "look", "arguments": "{}"}}
        message = {"role": "assistant", "content": None, "tool_calls": [call]}
    value = {
        "id": "chatcmpl-scripted",
        "object": "chat.completion",
        "created": 1_700_000_000,
        "model": "scripted",
        "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
        "usage": _usage(script.usage),
        "x_provider": {"unknown": [1.0, None]},
    }
    return iter((document(json.dumps(value).encode()), End.KEEP))


def refusal(fault: str) -> bytes:
    """A whole response with an error object. Its text quotes what a client must not pass on."""
    status, code = _CODES.get(fault, (int(fault) if fault.isdigit() else 500, "scripted"))
    error = {"message": "Key sk-secret at 10.9.8.7 may not send: the prompt", "type": "scripted_error", "code": code}
    extra = "Retry-After: 7\r\n" if status == 429 else ""
    return document(json.dumps({"error": error}).encode(), status=status, extra=extra)


def document(body: bytes, *, status: int = 200, content_type: str = "application/json", extra: str = "") -> bytes:
    """A whole response with a known length."""
    head = f"HTTP/1.1 {status} {HTTPStatus(status).phrase}\r\nContent-Type: {content_type}\r\n{extra}"
    return f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body


def chunk(data: bytes) -> bytes:
    """One chunk of the chunked coding (RFC 9112, section 7.1)."""
    return b"%x\r\n%b\r\n" % (len(data), data)


def frame(delta: dict[str, object], finish_reason: str | None = None, usage: Usage | None = None) -> bytes:
    """One event of a streamed answer, with what providers put into it."""
    value: dict[str, object] = {
        "id": "chatcmpl-scripted",
        "object": "chat.completion.chunk",
        "created": 1_700_000_000,
        "model": "scripted",
        "choices": [{"index": 0, "delta": delta, "finish_reason": finish_reason}] if usage is None else [],
        "usage": None if usage is None else _usage(usage),
    }
    return b"data: " + json.dumps(value, ensure_ascii=False).encode() + b"\n\n"


def _usage(usage: Usage) -> dict[str, int]:
    total = usage.prompt_tokens + usage.completion_tokens
    return {"prompt_tokens": usage.prompt_tokens, "completion_tokens": usage.completion_tokens, "total_tokens": total}


def _paced(tokens: Iterable[str], pause: float) -> Iterator[Step]:
    """Each distinct token is encoded once for an answer: for a benchmark the upstream must cost next to nothing."""
    encoded: dict[str, bytes] = {}
    for token in tokens:
        if pause:
            yield pause
        data = encoded.get(token)
        if data is None:
            data = chunk(frame({"content": token}))
            if len(encoded) < 1024:
                encoded[token] = data
        yield data


def _before(fault: str | None) -> tuple[bytes, ...]:
    """What comes before the text: a role, and with some models calls of tools or thoughts."""
    first = chunk(frame({"role": "assistant", "content": None}))
    if fault == "tools":
        call = {"index": 0, "id": "call_1", "type": "function", "function": {"name": "look", "arguments": "{}"}}
        return (first, chunk(frame({"tool_calls": [call]})))
    if fault == "reasoning":
        return (first, chunk(frame({"reasoning_content": "Hm.", "reasoning": "Hm."})), chunk(b": thinking\n\n"))
    if fault in {"bad-utf8", "bad-surrogate", "nul"}:
        bad = {"bad-utf8": b"\xff", "bad-surrogate": b"\\ud83d", "nul": b"\\u0000"}[fault]
        return (first, chunk(frame({"content": "<?>"}).replace(b"?", bad)))
    return (first,)


def _ending(fault: str | None, usage: Usage, include_usage: bool) -> Iterator[Step]:
    if fault == "unfinished":
        yield from (_LAST_CHUNK, End.KEEP)
        return
    yield chunk(frame({}, finish_reason="stop"))
    if fault == "negative-usage":
        usage = Usage(-5, -7)
    elif fault == "absurd-usage":
        usage = Usage(10**30, usage.completion_tokens)
    if fault == "no-end":
        yield End.HANG
    if include_usage:
        yield chunk(frame({}, usage=usage))
    if fault != "no-done":
        yield chunk(_DONE)
    if fault == "after-done":
        yield from itertools.repeat(chunk(b": still here\n\n"))
    yield from (_LAST_CHUNK, End.KEEP)


def _rewritten(fault: str | None, steps: Iterator[Step]) -> Iterator[Step]:
    """The same answer in another shape: byte by byte, or with the other line ends that the format allows."""
    for step in steps:
        if fault == "drip" and isinstance(step, bytes):
            for position in range(len(step)):
                yield from (step[position : position + 1], 0.0)
        elif fault == "crlf" and isinstance(step, bytes) and b"data: " in step:
            event = step.split(b"\r\n", 1)[1].removesuffix(b"\r\n")
            yield chunk(b": comment\r" + event.replace(b"\n", b"\r\n"))
        else:
            yield step


def _endless() -> Iterator[Step]:
    token = chunk(frame({"content": "on and on, "}))
    yield from itertools.repeat(token)


def _endless_line() -> Iterator[Step]:
    yield from itertools.chain((chunk(b"data: "),), itertools.repeat(chunk(b"x" * 65536)))


def _huge_frame() -> Iterator[Step]:
    yield from (chunk(frame({"content": "x" * (16 * _MEBIBYTE)})), _LAST_CHUNK, End.KEEP)


def _garbage() -> Iterator[Step]:
    yield from (chunk(b'data: {"choices": [<oops>\n\n'), chunk(_DONE), _LAST_CHUNK, End.KEEP)


def _error() -> Iterator[Step]:
    error = {"error": {"message": "Key sk-secret at 10.9.8.7 failed", "type": "server_error", "code": None}}
    yield from (chunk(b"data: " + json.dumps(error).encode() + b"\n\n"), _LAST_CHUNK, End.KEEP)


def _huge_header() -> Iterator[Step]:
    field = b"X-More: " + b"x" * 1000 + b"\r\n"
    yield from itertools.chain((b"HTTP/1.1 200 OK\r\n",), itertools.repeat(field))


def _json() -> Iterator[Step]:
    message = {"role": "assistant", "content": "All at once."}
    value = {"choices": [{"index": 0, "message": message, "finish_reason": "stop"}], "usage": _usage(Usage(3, 4))}
    yield from (document(json.dumps(value, indent=2).encode()), End.KEEP)


_BREAKING: dict[str, Callable[[], Iterator[Step]]] = {
    "break": lambda: iter((b"ff\r\ndata: {", End.ABORT)),
    "stall": lambda: iter((End.HANG,)),
    "garbage": _garbage,
    "error": _error,
    "endless": _endless,
    "endless-line": _endless_line,
    "huge-frame": _huge_frame,
    "second-response": lambda: iter((_LAST_CHUNK, document(b"{}"), End.KEEP)),
}
_RAW: dict[str, Callable[[], Iterator[Step]]] = {
    "close": lambda: iter((End.ABORT,)),
    "silent": lambda: iter((End.HANG,)),
    "not-http": lambda: iter((b"SSH-2.0-OpenSSH_9.9\r\n", End.HANG)),
    "huge-header": _huge_header,
    "html": lambda: iter((document(b"<!doctype html><p>Welcome", content_type="text/html"), End.KEEP)),
    "json": _json,
    "encoded": lambda: iter((document(b"\x1f\x8b", extra="Content-Encoding: gzip\r\n"), End.KEEP)),
    "redirect": lambda: iter((document(b"", status=307, extra="Location: http://10.9.8.7/v1\r\n"), End.KEEP)),
}

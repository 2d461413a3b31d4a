"""What the door refuses, beside what every route does, and what becomes of a model's failure there.

ChatkeepError
├─ RequestInvalid       400   not JSON, or a member that is not what it has to be; `param` names it
├─ ModelNotOffered      404   no model of this name
├─ TooManyCompletions   429   the user has as many open as anybody may
├─ NoPlaceFree          503   all places were taken, for as long as the request waited for its turn
├─ NotAccountable       503   the database does not take down what the answer may cost, so no model is asked
└─ Stopping             503   the server is about to stop
"""

import re
from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass, field
from typing import ClassVar, Self

from chatkeep.errors import ChatkeepError
from chatkeep.identity import AuthError
from chatkeep.llm.model import (
    ModelError,
    ModelNotConfigured,
    ModelPromptTooLong,
    ModelRateLimited,
    ModelRefused,
    ModelTimeout,
    ModelUnavailable,
)

# An endpoint's own code is passed on where it is plainly a word, and no key or address.
_WORD = re.compile(r"[a-z]{2,20}(_[a-z]{1,20}){1,4}")
_MEMBER = re.compile(r"([a-z_]{1,40})([.\[][a-z0-9_.\[\]]{0,60})?")
_STATUS_OF_REFUSAL = {400: 400, 404: 404, 413: 413, 415: 400, 422: 400}
_STATUS: Sequence[tuple[type[ModelError], int]] = (
    (ModelRateLimited, 429),
    (ModelTimeout, 504),
    (ModelUnavailable, 503),
    (ModelNotConfigured, 503),
)


class RequestInvalid(ChatkeepError):
    status = 400
    code = "invalid_request"
    title = "The request is not valid"

    def __init__(self, detail: str, param: str | None = None) -> None:
        super().__init__(detail)
        self.param = param


class ModelNotOffered(ChatkeepError):
    status = 404
    code = "model_not_found"
    title = "There is no such model"
    param = "model"

    def __init__(self, model: str) -> None:
        super().__init__(f"The model {model[:100]!r} is not on offer here. GET /v1/models lists those that are.")


class TooManyCompletions(ChatkeepError):
    status = 429
    code = "rate_limited"
    title = "Too many answers at once"
    headers: ClassVar[dict[str, str]] = {"Retry-After": "5"}

    def __init__(self, limit: int) -> None:
        super().__init__(f"You have {limit} answers under way. Let some of them end, and try again.")


class NoPlaceFree(ChatkeepError):
    status = 503
    code = "busy"
    title = "No place for another answer"
    headers: ClassVar[dict[str, str]] = {"Retry-After": "5"}

    def __init__(self) -> None:
        super().__init__("Others' answers, or your own, have taken all places for a while. Try again.")


class NotAccountable(ChatkeepError):
    status = 503
    code = "database_unavailable"
    title = "The server cannot answer at the moment"
    headers: ClassVar[dict[str, str]] = {"Retry-After": "5"}

    def __init__(self) -> None:
        super().__init__("The server's database does not answer. No model was asked. Try again in a few seconds.")


class Stopping(ChatkeepError):
    status = 503
    code = "draining"
    title = "The server is about to stop"
    headers: ClassVar[dict[str, str]] = {"Retry-After": "5"}

    def __init__(self) -> None:
        super().__init__("The server is being restarted. Try again in a few seconds.")


@dataclass(frozen=True, slots=True)
class Failure:
    """How a refusal is told, with a status of its own or, once an answer has begun, inside it."""

    status: int
    code: str
    message: str
    param: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, error: ChatkeepError | AuthError) -> Self:
        """One of our own refusals."""
        headers = getattr(error, "headers", {})
        return cls(error.status, error.code, error.detail, getattr(error, "param", None), headers)


def failure_of(error: ModelError, members: Container[str]) -> Failure:
    """What a model's failure is to OpenAI's clients. Of `members` of the request alone one may be named."""
    headers = {"Retry-After": str(max(1, round(error.retry_after or 5)))} if isinstance(error, ModelRateLimited) else {}
    return Failure(_status(error), _code(error), error.message, _param(error, members), headers)


def _status(error: ModelError) -> int:
    if isinstance(error, ModelPromptTooLong):
        return 400
    if isinstance(error, ModelRefused):
        # What the endpoint has against our key or account is not the caller's to mend.
        return _STATUS_OF_REFUSAL.get(error.status or 0, 502)
    return next((status for kind, status in _STATUS if isinstance(error, kind)), 502)


def _code(error: ModelError) -> str:
    if isinstance(error, ModelPromptTooLong):
        return "context_length_exceeded"
    if isinstance(error, ModelRateLimited):
        return "rate_limited"
    if isinstance(error, ModelRefused) and error.status == 404:
        return "model_not_found"
    if _status(error) < 500 and isinstance(error, ModelRefused) and _WORD.fullmatch(error.reason or ""):
        return str(error.reason)
    return error.code


def _param(error: ModelError, members: Container[str]) -> str | None:
    if isinstance(error, ModelPromptTooLong):
        return "messages"
    if not isinstance(error, ModelRefused) or error.param is None:
        return None
    match = _MEMBER.fullmatch(error.param)
    return error.param if match and match[1] in members else None

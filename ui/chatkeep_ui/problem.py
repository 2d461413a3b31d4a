"""What the API said when it refused: application/problem+json (RFC 9457) as typed errors.

ApiError
  ├─ Unreachable      no answer at all: refused, timed out, broke off
  └─ ApiRefused       an answer that is not the wanted one; has `status`, `code` and `detail`
       ├─ SignInEnded      401
       ├─ NotAllowed       403
       ├─ NotThere         404: not there and not yours are one answer
       ├─ TooMany          429; has `retry_after` in seconds
       └─ InvalidFields    422; has `fields`, field name -> what is wrong with it
"""

from collections.abc import Mapping
from typing import Any

import httpx


class ApiError(Exception):
    """The API did not do what it was asked; `str(error)` is a sentence for the person in front of the page."""


class Unreachable(ApiError):
    """No answer came."""

    def __init__(self) -> None:
        super().__init__("The server does not answer. It may be restarting: wait a moment, then try again.")


class ApiRefused(ApiError):
    """An answer came, and it was no."""

    def __init__(self, status: int, code: str, detail: str) -> None:
        super().__init__(detail)
        self.status = status
        self.code = code
        self.detail = detail


class SignInEnded(ApiRefused):
    """The access token is not, or no longer, accepted."""


class NotAllowed(ApiRefused):
    """This user may not."""


class NotThere(ApiRefused):
    """There is no such thing for this user."""


class TooMany(ApiRefused):
    """A limit was reached."""

    def __init__(self, status: int, code: str, detail: str, retry_after: int) -> None:
        super().__init__(status, code, f"{detail.rstrip('.')}. Try again in {spoken_seconds(retry_after)}.")
        self.retry_after = retry_after


class InvalidFields(ApiRefused):
    """Something typed was not acceptable."""

    def __init__(self, status: int, code: str, detail: str, fields: Mapping[str, str]) -> None:
        super().__init__(status, code, detail)
        self.fields = fields


def spoken_seconds(seconds: int) -> str:
    """`1 second`, `40 seconds`, `3 minutes`, `5 hours`, `12 days`: never less than it is."""
    if seconds > 48 * 3600:
        return f"{-(-seconds // 86_400)} days"
    if seconds > 2 * 3600:
        return f"{-(-seconds // 3600)} hours"
    if seconds >= 90:
        return f"{round(seconds / 60)} minutes"
    return "1 second" if seconds == 1 else f"{seconds} seconds"


def raise_for_problem(response: httpx.Response) -> None:
    """Raise the error that matches `response`, whose body must have been read.

    Raises:
        SignInEnded, NotAllowed, NotThere, TooMany, InvalidFields: see the module.
        ApiRefused: any other answer from 400 up, and redirects, which the API never sends.
    """
    if response.is_success:
        return
    problem = _problem(response)
    status, code = response.status_code, str(problem.get("code") or "unknown")
    detail = str(problem.get("detail") or problem.get("title") or f"The server answered {status}.")
    match status:
        case 401:
            raise SignInEnded(status, code, detail)
        case 403:
            raise NotAllowed(status, code, detail)
        case 404:
            raise NotThere(status, code, detail)
        case 429:
            raise TooMany(status, code, detail, _retry_after(response))
        case 422:
            raise InvalidFields(status, code, detail, _fields(problem))
        case _:
            raise ApiRefused(status, code, detail)


def _problem(response: httpx.Response) -> dict[str, Any]:
    try:
        body = response.json()
    except ValueError:
        return {}
    return body if isinstance(body, dict) else {}


def _retry_after(response: httpx.Response) -> int:
    value = response.headers.get("Retry-After", "")
    return max(1, int(value)) if value.isascii() and value.isdigit() else 60


def _fields(problem: dict[str, Any]) -> dict[str, str]:
    """Field name -> message, from `errors: [{loc: ["body", "email"], msg}]`; the last part of `loc` is the field."""
    fields: dict[str, str] = {}
    for error in problem.get("errors") or []:
        location = error.get("loc") or [error.get("field", "")]
        message = str(error.get("message") or error.get("msg") or "")
        fields.setdefault(str(location[-1]), message.removeprefix("Value error, "))
    return fields

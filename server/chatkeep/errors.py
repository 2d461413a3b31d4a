"""What can go wrong, as the server tells it: a stable `code`, an HTTP status and a sentence that says what to do.

Errors sit beside the code that raises them; this is only their root, so that one handler can render them all as
application/problem+json (RFC 9457).

    ChatkeepError
      ├─ NotFound               here             404: not there and not yours are one answer
      ├─ BodyTooLarge           ops/bodies.py    413
      ├─ HostNotAllowed         ops/hosts.py     403
      ├─ CursorInvalid          paging.py        422
      ├─ DatabaseAway           outages.py       503
      ├─ QuotaExceeded, RangeInvalid                                             limits/errors.py
      ├─ UnknownModel           llm/catalogue.py   422
      └─ GenerationRunning, IdempotencyKeyReused, LogGone, ...   chat/errors.py

What stops the server from starting is no answer to a request, and stands apart: `SettingsInvalid`, `DatabaseUnusable`,
`ServerUnusable`.
"""

from typing import ClassVar


class ChatkeepError(Exception):
    """The root of the tree. `detail` is shown to the caller: it holds no secret, no prompt, no path."""

    status: ClassVar[int] = 500
    code: ClassVar[str] = "internal_error"
    title: ClassVar[str] = "Something went wrong on our side"

    def __init__(self, detail: str) -> None:
        super().__init__(detail)
        self.detail = detail


class NotFound(ChatkeepError):
    """It does not exist, or it belongs to someone else: the answer is the same, to the byte."""

    status = 404
    code = "not_found"
    title = "Not Found"

    def __init__(self) -> None:
        super().__init__("There is nothing here that you can see.")

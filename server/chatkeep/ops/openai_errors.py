"""Refusals under /v1, in OpenAI's shape: its clients read no other, and raise the right exception by the status.

{"error": {"message": ..., "type": ..., "param": ..., "code": ...}}
"""

import json
from collections.abc import Mapping
from typing import Any

from starlette.responses import JSONResponse
from starlette.types import Scope

PREFIX = "/v1"

# The words their clients and tutorials switch on, where ours differ.
_CODES = {
    "not_signed_in": "invalid_api_key",
    "invalid_token": "invalid_api_key",
    "rate_limited": "rate_limit_exceeded",
    "quota_exceeded": "insufficient_quota",
}
_TYPES = {"insufficient_quota": "insufficient_quota", "rate_limit_exceeded": "requests"}


class OpenAIErrorResponse(JSONResponse):
    """One refusal."""

    def __init__(
        self,
        status: int,
        code: str | None,
        message: str,
        *,
        param: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        # 422 is FastAPI's; to their clients a request that is not valid is 400.
        status = 400 if status == 422 else status
        super().__init__(error_object(status, code, message, param), status, headers=dict(headers or {}))

    def render(self, content: Any) -> bytes:
        """Pure ASCII: what is echoed may hold a lone surrogate, which UTF-8 cannot carry."""
        return json.dumps(content, separators=(",", ":")).encode("ascii")


def error_object(status: int, code: str | None, message: str, param: str | None = None) -> dict[str, object]:
    """The body of a refusal, and in a stream that has begun the frame that ends it."""
    code = _CODES.get(code, code) if code else None
    kind = _TYPES.get(code or "", "server_error" if status >= 500 else "invalid_request_error")
    return {"error": {"message": message, "type": kind, "param": param, "code": code}}


def speaks_openai(scope: Scope) -> bool:
    """Whether whoever asks expects this shape."""
    path = str(scope["path"])
    return path == PREFIX or path.startswith(PREFIX + "/")

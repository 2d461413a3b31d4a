"""Every refusal as application/problem+json (RFC 9457), with a stable code and the request's id; under /v1 in OpenAI's
shape.
"""

import json
import logging
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, cast

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse
from starlette.types import Scope

from chatkeep.errors import ChatkeepError, NotFound
from chatkeep.ops.openai_errors import OpenAIErrorResponse, speaks_openai
from chatkeep.outages import AWAY, DatabaseAway

log = logging.getLogger(__name__)

# An answer is not larger than what was asked: a body of nothing but unknown names would come back many times its size.
_MAX_FIELDS = 20
_MAX_NAME_CHARACTERS = 100


class ProblemResponse(JSONResponse):
    """JSON with the media type of a problem."""

    media_type = "application/problem+json"

    def render(self, content: Any) -> bytes:
        """Pure ASCII: what is echoed may hold a lone surrogate, which UTF-8 cannot carry."""
        return json.dumps(content, separators=(",", ":")).encode("ascii")


def problem_response(scope: Scope, error: ChatkeepError, **extra: Any) -> JSONResponse:
    """Render one of our own errors."""
    headers = getattr(error, "headers", None)
    extra = {**getattr(error, "members", {}), **extra}
    if speaks_openai(scope):
        param = getattr(error, "param", None)
        return OpenAIErrorResponse(error.status, error.code, error.detail, param=param, headers=headers)
    return _problem(scope, error.status, error.code, error.title, error.detail, headers, extra)


def install(app: FastAPI) -> None:
    """Let `app` answer every error with a problem."""
    app.add_exception_handler(ChatkeepError, _on_chatkeep_error)
    app.add_exception_handler(RequestValidationError, _on_validation_error)
    app.add_exception_handler(HTTPException, _on_http_exception)
    for away in AWAY:
        app.add_exception_handler(away, _on_database_away)
    app.add_exception_handler(Exception, _on_unexpected)


def _problem(
    scope: Scope,
    status: int,
    code: str,
    title: str,
    detail: str,
    headers: dict[str, str] | None = None,
    extra: dict[str, Any] | None = None,
) -> JSONResponse:
    if speaks_openai(scope):
        return OpenAIErrorResponse(status, code, detail, headers=headers)
    body = {
        "type": "about:blank",
        "title": title,
        "status": status,
        "detail": detail,
        "code": code,
        "request_id": scope.get("state", {}).get("request_id"),
        **(extra or {}),
    }
    return ProblemResponse(body, status, headers=headers)


def _on_chatkeep_error(request: Request, error: Exception) -> JSONResponse:
    return problem_response(request.scope, cast(ChatkeepError, error))


def _on_database_away(request: Request, _: Exception) -> JSONResponse:
    return problem_response(request.scope, DatabaseAway())


def _on_validation_error(request: Request, error: Exception) -> JSONResponse:
    problems = cast(RequestValidationError, error).errors()
    if any(problem["loc"][:1] == ("path",) for problem in problems):
        # An id that cannot exist is an id that does not exist.
        return problem_response(request.scope, NotFound())
    if any(problem["type"] == "json_invalid" for problem in problems):
        return _problem(request.scope, 400, "malformed_json", "The body is not JSON", "Send well-formed JSON in UTF-8.")
    fields = [_field(problem) for problem in problems[:_MAX_FIELDS]]
    detail = "; ".join(f"{'.'.join(map(str, field['loc']))}: {field['message']}" for field in fields[:5])
    extra = {"errors": fields, "error_count": len(problems)}
    return _problem(request.scope, 422, "validation_failed", "The request is not valid", detail, None, extra)


def _field(problem: Mapping[str, Any]) -> dict[str, Any]:
    loc = [part[:_MAX_NAME_CHARACTERS] if isinstance(part, str) else part for part in problem["loc"]]
    return {"loc": loc, "message": problem["msg"], "type": problem["type"]}


def _on_http_exception(request: Request, error: Exception) -> JSONResponse:
    error = cast(HTTPException, error)
    if error.status_code == 404:
        return problem_response(request.scope, NotFound())
    phrase = HTTPStatus(error.status_code).phrase
    headers = dict(error.headers) if error.headers else None
    code = phrase.lower().replace(" ", "_").replace("'", "")
    return _problem(request.scope, error.status_code, code, phrase, str(error.detail), headers)


def _on_unexpected(request: Request, error: Exception) -> JSONResponse:
    """The stack goes to the log; the caller gets the request's id to quote."""
    log.error("unexpected error in %s %r", request.method, request.scope["path"], exc_info=error)
    detail = "The fault is ours and has been logged. Try again; if it stays, tell your administrator the request_id."
    response = _problem(request.scope, 500, "internal_error", "Something went wrong on our side", detail)
    # This answer is made outside of all middleware, that of the request's id too.
    response.headers["X-Request-ID"] = request.scope.get("state", {}).get("request_id", "")
    return response

"""Errors as application/problem+json (RFC 9457)."""

from collections.abc import Callable, Coroutine, Mapping, Sequence
from http import HTTPStatus
from typing import Any

from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import HTTPConnection, Request
from starlette.responses import JSONResponse, Response
from starlette.types import Receive, Scope, Send
from starlette.websockets import WebSocket
from typing_extensions import override

from authkeep.errors import AuthError, InvalidInput, RequestTooLarge
from authkeep.http.policy_first import PolicyFirst

# RFC 6749, section 5.1: answers that carry credentials must not stay in a cache; nor should these refusals.
NO_STORE = {"Cache-Control": "no-store"}
# A password of 1,024 characters, each of them escaped, is 12 KiB.
MAX_BODY = 32 * 1024


class ProblemResponse(JSONResponse):
    """JSON under the media type of RFC 9457."""

    media_type = "application/problem+json"


def problem_response(
    connection: HTTPConnection,
    status: int,
    code: str,
    detail: str,
    *,
    headers: Mapping[str, str] | None = None,
    errors: Sequence[Mapping[str, object]] = (),
) -> ProblemResponse:
    """One shape for every refusal; hosts may render their own errors with it.

    `request_id` is what the host put into `request.state.request_id`, or null. The type is always about:blank, hence
    the title is the status phrase (section 4.2.1); `code` is what clients switch on.
    """
    content: dict[str, object] = {
        "type": "about:blank",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": detail,
        "code": code,
        "request_id": getattr(connection.state, "request_id", None),
    }
    if errors:
        content["errors"] = list(errors)
    return ProblemResponse(content, status, headers=headers)


async def render_auth_error(request: Request | WebSocket, error: Exception) -> Response | None:
    """The handler for `AuthError`.

    A WebSocket is closed instead, before it opens or with 1008 (policy violation): it has no place for a body.
    """
    if not isinstance(error, AuthError):
        raise error
    if isinstance(request, WebSocket):
        await request.close(1008, error.code)
        return None
    headers = {**NO_STORE, **error.headers}
    return problem_response(request, error.status, error.code, error.detail, headers=headers, errors=error.errors)


class ProblemRoute(PolicyFirst):
    """authkeep's own routes: every refusal is problem+json, whatever the host does about its own."""

    @override
    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        # Before FastAPI's own limit, which answers in plain text. It stays, for bodies that lie about their length.
        if _announced_length(scope) > MAX_BODY:
            raise RequestTooLarge
        await super().handle(scope, receive, send)

    @override
    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()

        async def handle_or_explain(request: Request) -> Response:
            try:
                response = await handle(request)
            except RequestValidationError as error:
                raise _as_invalid_input(error) from None
            except HTTPException as error:
                if error.status_code == RequestTooLarge.status:
                    raise RequestTooLarge from None
                code = HTTPStatus(error.status_code).name.lower()
                return problem_response(request, error.status_code, code, str(error.detail), headers=error.headers)
            response.headers.update(NO_STORE)
            return response

        return handle_or_explain


def _announced_length(scope: Scope) -> int:
    declared = next((value for name, value in scope["headers"] if name == b"content-length"), b"0")
    try:
        # As leniently as the framework reads it (`+1`, ` 1`, `1_0`): what it would refuse has to be seen here first.
        return int(declared)
    except ValueError:
        return 0


def _as_invalid_input(error: RequestValidationError) -> InvalidInput:
    # Never `input` or `ctx`: they repeat what was sent, and what is sent here is mostly passwords.
    entries = [{"loc": list(item["loc"]), "msg": item["msg"], "type": item["type"]} for item in error.errors()]
    where = ", ".join(".".join(str(part) for part in entry["loc"][1:]) or "body" for entry in entries)
    return InvalidInput(f"Not valid: {where}.", errors=entries)

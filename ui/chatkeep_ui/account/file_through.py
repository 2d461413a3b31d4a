"""Files between the API and the browser, handed on as they come: they may be longer than what fits into memory."""

import contextlib
from collections.abc import AsyncIterator, Mapping
from http import HTTPStatus
from typing import Any

import httpx
from starlette.responses import Response, StreamingResponse

from chatkeep_ui.account.visit import Visit
from chatkeep_ui.problem import ApiRefused, Unreachable, raise_for_problem

# A file of years of chats takes a while to be taken in.
_IMPORT_TIMEOUT = httpx.Timeout(300.0, connect=5.0)
_KEPT = ("content-type", "content-disposition")


async def download(visit: Visit, path: str, filename: str, params: Mapping[str, str] | None = None) -> Response:
    """The API's file, to be saved; under `filename` where the API names none.

    Raises:
        SignInEnded, NotThere, TooMany, ApiRefused, Unreachable: as in `problem.py`.
    """
    stack = contextlib.AsyncExitStack()
    try:
        wanted = visit.requests.http.stream("GET", path, params=params, headers=_headers(visit))
        answer = await stack.enter_async_context(wanted)
    except httpx.HTTPError as error:
        raise Unreachable from error
    if not answer.is_success:
        async with stack:
            await answer.aread()
            raise_for_problem(answer)
            raise Unreachable

    async def chunks() -> AsyncIterator[bytes]:
        async with stack:
            async for chunk in answer.aiter_bytes():
                yield chunk

    kept = {name: answer.headers[name] for name in _KEPT if name in answer.headers}
    headers = {"content-disposition": f'attachment; filename="{filename}"', "cache-control": "no-store"} | kept
    return StreamingResponse(chunks(), headers=headers)


async def upload(visit: Visit, path: str) -> Any:
    """Hand the browser's form on, file and all, and return what the API says about it.

    Raises:
        SignInEnded, TooMany, InvalidFields, ApiRefused, Unreachable: as in `problem.py`.
    """
    if not brings_file(visit.request.headers):
        raise ApiRefused(HTTPStatus.UNPROCESSABLE_ENTITY, "no_file", "Choose a file first.")
    sent = {"content-type": visit.request.headers["content-type"]}
    try:
        answer = await visit.requests.http.post(
            path, content=visit.request.stream(), headers=sent | _headers(visit), timeout=_IMPORT_TIMEOUT
        )
    except httpx.HTTPError as error:
        raise Unreachable from error
    raise_for_problem(answer)
    return answer.json()


def brings_file(headers: Mapping[str, str]) -> bool:
    """Whether a form was sent with a file in it."""
    return headers.get("content-type", "").lower().startswith("multipart/form-data;")


def _headers(visit: Visit) -> dict[str, str]:
    return {**visit.caller.headers(), "Authorization": f"Bearer {visit.sign_in.access_token}"}

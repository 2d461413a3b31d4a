"""/manage/audit: what happened to accounts, for administrators; and the whole of it as a file."""

import contextlib
from collections.abc import AsyncIterator, Mapping

from starlette.responses import Response, StreamingResponse

from chatkeep_ui.account.area import AccountPage
from chatkeep_ui.account.visit import Visit
from chatkeep_ui.problem import Unreachable, raise_for_problem

_FILTERS = ("user_id", "action", "since", "until", "cursor")


async def _load(visit: Visit) -> Mapping[str, object]:
    asked = {name: visit.request.query_params.get(name, "")[:300] for name in _FILTERS}
    wanted = {"limit": "50"} | {name: value for name, value in asked.items() if value}
    page = await visit.ask("GET", "/admin/audit", params=wanted)
    return {"events": page["items"], "next_cursor": page["next_cursor"], "asked": asked}


async def _export(visit: Visit) -> Response:
    """The API's file, handed on as it comes: it may be longer than what fits into memory."""
    headers = {**visit.caller.headers(), "Authorization": f"Bearer {visit.sign_in.access_token}"}
    http = visit.requests.http
    stack = contextlib.AsyncExitStack()
    answer = await stack.enter_async_context(http.stream("GET", "/admin/audit/export", headers=headers))
    if not answer.is_success:
        async with stack:
            await answer.aread()
            raise_for_problem(answer)
            raise Unreachable

    async def lines() -> AsyncIterator[bytes]:
        async with stack:
            async for chunk in answer.aiter_bytes():
                yield chunk

    return StreamingResponse(
        lines(),
        media_type="application/jsonl",
        headers={"Content-Disposition": 'attachment; filename="audit.jsonl"', "Cache-Control": "no-store"},
    )


AUDIT = AccountPage("/manage/audit", "manage/audit.html", _load, {"export": _export}, confirm=True)

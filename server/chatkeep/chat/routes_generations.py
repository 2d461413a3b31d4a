"""/chat/send and /chat/generations: say something, watch the answer, come back to it, stop it."""

import re
from dataclasses import replace
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Header, Query, Request, Response
from fastapi.responses import JSONResponse
from starlette.types import Receive, Scope, Send

from chatkeep.chat.dependencies import ChatServices, ReadingDb, Services, WritingDb
from chatkeep.chat.errors import LogGone
from chatkeep.chat.event_stream import EventStream
from chatkeep.chat.generations import find_generation, request_stop
from chatkeep.chat.records import Generation
from chatkeep.chat.recovery import interrupt_if_stale
from chatkeep.chat.schemas import Accepted, SendRequest
from chatkeep.chat.send import NewMessage, send
from chatkeep.errors import NotFound
from chatkeep.identity import ChatOwner, OwnerId, PolicyFirst, ReadsDocuments, identity_of, owned, throttled
from chatkeep.limits.dependencies import CurrentPayer

router = APIRouter(prefix="/chat", route_class=PolicyFirst, tags=["chat"])

_SEQ = re.compile(r"[0-9]{1,18}")

_STREAM: dict[int | str, dict[str, Any]] = {
    200: {"content": {"text/event-stream": {}}, "description": "The events of the answer, from the first."}
}

BEGUN: dict[int | str, dict[str, Any]] = {
    **_STREAM,
    202: {"model": Accepted, "description": "With Prefer: respond-async."},
}


async def _new_message(
    body: SendRequest, services: Services, owner: ChatOwner, reads_documents: ReadsDocuments
) -> NewMessage:
    default = await services.default_for(owner, body.model)
    parent_id = str(body.parent_id) if body.parent_id else None
    documents = replace(body.documents, allowed=reads_documents)
    return NewMessage(str(body.session_id), body.message, parent_id, body.model, default, body.root, documents)


@router.post(
    "/send",
    response_class=Response,
    dependencies=[owned("session_id"), Depends(throttled("send"))],
    responses=BEGUN,
)
async def send_message(
    request: Request,
    owner: ChatOwner,
    new: Annotated[NewMessage, Depends(_new_message)],
    services: Services,
    payer: CurrentPayer,
    idempotency_key: Annotated[str | None, Header(min_length=1, max_length=255)] = None,
) -> Response:
    """Send a message; the answer streams back as server-sent events, and is written whether or not anybody watches."""
    watch = identity_of(request.scope).watch_login
    generation = await services.database.write(
        owner, lambda db: send(db, owner, new, idempotency_key, services.runner, watch, payer)
    )
    return begun(request, services, owner, generation)


@router.get(
    "/generations/{generation_id}/events",
    dependencies=[owned("generation_id")],
    response_class=Response,
    responses={**_STREAM, 204: {"description": "Ended, and you have read it all."}, 410: {"description": "Expired."}},
)
async def events(
    owner: ChatOwner,
    generation_id: UUID,
    services: Services,
    db: ReadingDb,
    after: Annotated[int, Query(ge=0, description="Continue behind this event.")] = 0,
    last_event_id: Annotated[str | None, Header(description="Likewise, and stronger: sent by EventSource.")] = None,
) -> Response:
    """Follow an answer from wherever you stopped, in any number of tabs."""
    generation = await find_generation(db, owner, str(generation_id))
    if generation is None:
        raise NotFound
    # Eighteen digits are more than any log has, and fewer than it takes to hurt.
    seq = int(last_event_id) if last_event_id and _SEQ.fullmatch(last_event_id) else after
    ended_at = services.runner.ended_at(generation)
    if ended_at is not None and seq >= ended_at:
        return Response(status_code=204)
    if not services.runner.is_readable(generation):
        raise LogGone
    services.streams.check(owner)
    return EventStream(services.following(owner, generation), seq)


@router.post(
    "/generations/{generation_id}/stop",
    status_code=202,
    response_class=Response,
    dependencies=[owned("generation_id")],
)
async def stop(owner: ChatOwner, generation_id: UUID, services: Services, db: WritingDb) -> None:
    """End an answer; what was written so far is kept. Stopping what has ended is not an error."""
    generation = await find_generation(db, owner, str(generation_id))
    if generation is None:
        raise NotFound
    if generation.state.is_running and not await interrupt_if_stale(db, owner, generation, services.runner.earshot):
        await request_stop(db, owner, generation.id, services.runner.now())
        db.on_commit(lambda: services.runner.stop(generation.id))


def begun(request: Request, services: ChatServices, owner: OwnerId, generation: Generation) -> Response:
    """The stream of an answer that has just begun, or where to find it if the request prefers not to wait."""
    if _prefers_no_stream(request):
        headers = {"Preference-Applied": "respond-async"}
        return JSONResponse(Accepted.of(generation).model_dump(), status_code=202, headers=headers)
    return _Following(services, owner, generation)


def _prefers_no_stream(request: Request) -> bool:
    """Whether a Prefer field, of which there may be several, asks for `respond-async` (RFC 7240, section 4.1)."""
    preferences = ",".join(request.headers.getlist("prefer")).lower().split(",")
    return any(preference.partition(";")[0].strip() == "respond-async" for preference in preferences)


class _Following(Response):
    """The stream of a generation that starts when the transaction is committed, which is after the route returns."""

    def __init__(self, services: ChatServices, owner: OwnerId, generation: Generation) -> None:
        super().__init__()
        self._services = services
        self._owner = owner
        self._generation = generation

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if not self._services.runner.is_readable(self._generation):
            # Only the retry of a send whose answer ended long ago comes here.
            raise LogGone
        await EventStream(self._services.following(self._owner, self._generation), 0)(scope, receive, send)

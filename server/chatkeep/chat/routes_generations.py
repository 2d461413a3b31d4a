"""/chat/send and /chat/generations: say something, watch the answer, come back to it, stop it."""

from datetime import UTC, datetime
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Header, Query, Request, Response
from fastapi.responses import JSONResponse

from chatkeep.chat.dependencies import ReadingDb, Services, WritingDb
from chatkeep.chat.errors import LogGone
from chatkeep.chat.event_stream import EventStream
from chatkeep.chat.generations import find_generation, request_stop
from chatkeep.chat.records import Generation
from chatkeep.chat.runner import GenerationRunner
from chatkeep.chat.schemas import Accepted, SendRequest
from chatkeep.chat.send import NewMessage, send
from chatkeep.errors import NotFound
from chatkeep.identity import CurrentOwner, identity_of, throttled

router = APIRouter(prefix="/chat", tags=["chat"])

_STREAM: dict[int | str, dict[str, Any]] = {
    200: {"content": {"text/event-stream": {}}, "description": "The events of the answer, from the first."}
}


async def _new_message(body: SendRequest, services: Services, _: CurrentOwner) -> NewMessage:
    """The model's endpoint is asked before a transaction is open, not within one."""
    if body.model is not None:
        await services.catalogue.check(body.model)
    parent_id = str(body.parent_id) if body.parent_id else None
    return NewMessage(str(body.session_id), body.message, parent_id, body.model)


@router.post(
    "/send",
    response_class=Response,
    dependencies=[Depends(throttled("send"))],
    responses={**_STREAM, 202: {"model": Accepted, "description": "With Prefer: respond-async."}},
)
async def send_message(
    request: Request,
    owner: CurrentOwner,
    new: Annotated[NewMessage, Depends(_new_message)],
    services: Services,
    db: WritingDb,
    idempotency_key: Annotated[str | None, Header(min_length=1, max_length=255)] = None,
    prefer: Annotated[str, Header()] = "",
) -> Response:
    """Send a message; the answer streams back as server-sent events, and is written whether or not anybody watches."""
    generation = await send(db, owner, new, idempotency_key, services.runner)
    if "respond-async" in (preference.strip().lower() for preference in prefer.split(",")):
        headers = {"Preference-Applied": "respond-async", **identity_of(request.scope).limit_headers()}
        return JSONResponse(Accepted.of(generation).model_dump(), status_code=202, headers=headers)
    return _Following(services.runner, generation)


@router.get(
    "/generations/{generation_id}/events",
    response_class=Response,
    responses={**_STREAM, 204: {"description": "Ended, and you have read it all."}, 410: {"description": "Expired."}},
)
async def events(
    owner: CurrentOwner,
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
    seq = int(last_event_id) if last_event_id and last_event_id.isascii() and last_event_id.isdigit() else after
    log = services.runner.find_log(generation.id)
    ended_at = log.last_seq if log and log.ended else generation.last_seq
    if ended_at is not None and seq >= ended_at:
        return Response(status_code=204)
    if log is None:
        raise LogGone
    return EventStream(log, min(seq, log.last_seq))


@router.post("/generations/{generation_id}/stop", status_code=202, response_class=Response)
async def stop(owner: CurrentOwner, generation_id: UUID, services: Services, db: WritingDb) -> None:
    """End an answer; what was written so far is kept. Stopping what has ended is not an error."""
    generation = await find_generation(db, owner, str(generation_id))
    if generation is None:
        raise NotFound
    if generation.state.is_running:
        await request_stop(db, owner, generation.id, datetime.now(UTC))
        db.on_commit(lambda: services.runner.stop(generation.id))


class _Following(Response):
    """The stream of a generation that starts when the transaction is committed, which is after the route returns."""

    def __init__(self, runner: GenerationRunner, generation: Generation) -> None:
        super().__init__()
        self._runner = runner
        self._generation = generation

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        log = self._runner.find_log(self._generation.id)
        if log is None:
            # Only the retry of a send whose answer ended long ago comes here.
            raise LogGone
        await EventStream(log, 0, identity_of(scope).limit_headers())(scope, receive, send)

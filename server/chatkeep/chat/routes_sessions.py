"""/chat/sessions and /chat/models: the conversations of the signed-in user, and what can answer in them."""

from datetime import UTC, datetime
from typing import Annotated, cast
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Response

from chatkeep.chat.bin import empty_bin, restore, throw_away
from chatkeep.chat.dependencies import CursorText, ReadingDb, Services, WritingDb
from chatkeep.chat.schemas import (
    EmptiedOut,
    ModelOut,
    ModelsOut,
    NewSession,
    Search,
    SessionOut,
    SessionPatch,
)
from chatkeep.chat.sessions import (
    SessionChanges,
    Shelf,
    change_session,
    create_session,
    get_session,
    list_sessions,
)
from chatkeep.identity import ChatOwner, PolicyFirst, owned
from chatkeep.paging import Cursor, Page, PageLimit

router = APIRouter(prefix="/chat", route_class=PolicyFirst, tags=["chat"])


async def _checked_new(body: NewSession, services: Services, _: ChatOwner) -> NewSession:
    """The endpoint is asked before a transaction is open, not within one."""
    if body.model is not None:
        await services.catalogue.check(body.model)
    return body


async def _checked_patch(body: SessionPatch, services: Services, _: ChatOwner) -> SessionPatch:
    if body.model is not None:
        await services.catalogue.check(body.model)
    return body


@router.post("/sessions", status_code=201)
async def create(
    owner: ChatOwner, body: Annotated[NewSession, Depends(_checked_new)], services: Services, db: WritingDb
) -> SessionOut:
    """Begin a conversation."""
    now = datetime.now(UTC)
    documents = body.documents
    if documents.use or documents.collection_ids:
        await services.runner.drawing_on.check(db, owner, documents.collection_ids)
    session = await create_session(db, owner, body.title, body.model, now, documents, temporary=body.temporary)
    return SessionOut.model_validate(session)


@router.get("/sessions")
async def list_mine(
    owner: ChatOwner,
    db: ReadingDb,
    q: Annotated[Search | None, Query(description="Look for this in titles and messages.")] = None,
    archived: Annotated[bool | None, Query(description="Those in the archive; else those that are not.")] = None,
    pinned: Annotated[bool | None, Query(description="Those that are pinned, or those that are not.")] = None,
    deleted: Annotated[bool, Query(description="Those in the bin.")] = False,
    limit: PageLimit = 50,
    cursor: CursorText = None,
) -> Page[SessionOut]:
    """Your conversations, the most recently used first. Who searches or looks into the bin sees the archive, too."""
    everywhere = deleted or bool(q and q.strip())
    shelf = Shelf(deleted, archived if archived is not None or everywhere else False, pinned)
    page = await list_sessions(db, owner, q, limit, Cursor.decode(cursor) if cursor else None, shelf)
    return Page(items=[SessionOut.model_validate(session) for session in page.items], next_cursor=page.next_cursor)


@router.get("/sessions/{session_id}", dependencies=[owned("session_id")])
async def get(owner: ChatOwner, session_id: UUID, db: ReadingDb) -> SessionOut:
    """One conversation."""
    return SessionOut.model_validate(await get_session(db, owner, str(session_id)))


@router.patch("/sessions/{session_id}", dependencies=[owned("session_id")])
async def change(
    owner: ChatOwner,
    session_id: UUID,
    body: Annotated[SessionPatch, Depends(_checked_patch)],
    services: Services,
    db: WritingDb,
) -> SessionOut:
    """Rename it, choose another model or documents for what follows, pin it, put it into the archive."""
    changes = cast(SessionChanges, body.model_dump(exclude_unset=True, mode="json"))
    if body.use_documents or body.collection_ids:
        # Somebody else's chat is to be a 404, whatever else is wrong.
        await get_session(db, owner, str(session_id))
        await services.runner.drawing_on.check(db, owner, changes.get("collection_ids"))
    return SessionOut.model_validate(await change_session(db, owner, str(session_id), changes, datetime.now(UTC)))


@router.delete("/sessions/{session_id}", dependencies=[owned("session_id")], status_code=204, response_class=Response)
async def delete(
    owner: ChatOwner,
    session_id: UUID,
    services: Services,
    db: WritingDb,
    forever: Annotated[bool, Query(description="Without the bin, or out of it.")] = False,
) -> None:
    """Put it into the bin for 30 days, with all its messages. An answer that is being written ends."""
    running = await throw_away(db, owner, str(session_id), datetime.now(UTC), forever=forever)
    if running is not None:
        db.on_commit(lambda: services.runner.stop(running.id))


@router.post("/sessions/{session_id}/restore", dependencies=[owned("session_id")])
async def take_back(owner: ChatOwner, session_id: UUID, db: WritingDb) -> SessionOut:
    """Take it out of the bin."""
    return SessionOut.model_validate(await restore(db, owner, str(session_id)))


@router.post("/bin/empty")
async def empty(owner: ChatOwner, services: Services) -> EmptiedOut:
    """Delete for good what is in the bin: the first 200, and `more` says whether to ask again."""
    deleted, more = await empty_bin(services.database, owner, datetime.now(UTC))
    return EmptiedOut(deleted=deleted, more=more)


@router.get("/models")
async def models(_: ChatOwner, services: Services) -> ModelsOut:
    """The models on offer, the default first."""
    offer = await services.catalogue.offer()
    items = [ModelOut.of(info, default=n == 0) for n, info in enumerate(offer.models)]
    items += [ModelOut.of(info, default=False) for info in services.catalogue.beside]
    error = {"code": offer.error.code, "message": offer.error.message} if offer.error else None
    return ModelsOut(items=items, error=error)

"""/chat/sessions/{id}/messages and what goes with a tree of them: branches, which one is on show, another answer."""

from dataclasses import replace
from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter, Depends, Header, Query, Request, Response

from chatkeep.chat.branches import find_leaf_id, get_newest_below, list_branch, with_siblings
from chatkeep.chat.dependencies import CursorText, ReadingDb, Services, WritingDb
from chatkeep.chat.messages import list_messages
from chatkeep.chat.routes_generations import BEGUN, begun
from chatkeep.chat.schemas import LeafRequest, MessageOut, RegenerateRequest, SessionOut
from chatkeep.chat.send import Again, regenerate
from chatkeep.chat.sessions import get_session, show_leaf
from chatkeep.identity import ChatOwner, PolicyFirst, ReadsDocuments, identity_of, owned, throttled
from chatkeep.limits.dependencies import CurrentPayer
from chatkeep.paging import Cursor, Page, PageLimit

router = APIRouter(prefix="/chat", route_class=PolicyFirst, tags=["chat"])

Branch = Annotated[
    UUID | Literal["current"] | None,
    Query(description="Only the path from the first message to this one; `current`: to the end of the branch on show."),
]


@router.get("/sessions/{session_id}/messages", dependencies=[owned("session_id")])
async def messages(
    owner: ChatOwner,
    session_id: UUID,
    db: ReadingDb,
    branch: Branch = None,
    order: Literal["asc", "desc"] = "asc",
    limit: PageLimit = 100,
    cursor: CursorText = None,
) -> Page[MessageOut]:
    """The messages of a conversation, oldest first, or newest first with `desc`: that is the quick way to open one."""
    session = await get_session(db, owner, str(session_id))
    place, newest_first = Cursor.decode(cursor) if cursor else None, order == "desc"
    if branch is None:
        page = await list_messages(db, owner, session.id, limit, place, newest_first=newest_first)
    else:
        leaf_id = await find_leaf_id(db, owner, session) if branch == "current" else str(branch)
        page = await list_branch(db, owner, session.id, leaf_id, limit, place, newest_first=newest_first)
    items = await with_siblings(db, owner, session.id, page.items)
    return Page(items=[MessageOut.model_validate(message) for message in items], next_cursor=page.next_cursor)


@router.put("/sessions/{session_id}/leaf", dependencies=[owned("session_id")])
async def show(owner: ChatOwner, session_id: UUID, body: LeafRequest, db: WritingDb) -> SessionOut:
    """Show the branch through this message, down to its newest descendant. What is sent next follows it."""
    await get_session(db, owner, str(session_id))
    leaf_id = await get_newest_below(db, owner, str(session_id), str(body.message_id))
    await show_leaf(db, owner, str(session_id), leaf_id)
    return SessionOut.model_validate(await get_session(db, owner, str(session_id)))


async def _again(
    message_id: UUID,
    body: RegenerateRequest,
    services: Services,
    owner: ChatOwner,
    reads_documents: ReadsDocuments,
) -> Again:
    default = await services.default_for(owner, body.model)
    return Again(str(message_id), body.model, default, replace(body.documents, allowed=reads_documents))


@router.post(
    "/messages/{message_id}/regenerate",
    response_class=Response,
    dependencies=[owned("message_id"), Depends(throttled("send"))],
    responses=BEGUN,
)
async def regenerate_answer(
    request: Request,
    owner: ChatOwner,
    again: Annotated[Again, Depends(_again)],
    services: Services,
    payer: CurrentPayer,
    idempotency_key: Annotated[str | None, Header(min_length=1, max_length=255)] = None,
) -> Response:
    """Answer the same question once more: a sibling of the answer, on show from now on. All else is as in send."""
    watch = identity_of(request.scope).watch_login
    generation = await services.database.write(
        owner, lambda db: regenerate(db, owner, again, idempotency_key, services.runner, watch, payer)
    )
    return begun(request, services, owner, generation)

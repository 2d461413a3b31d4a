"""/chat/messages/{id}/trace: how an answer came by its passages, for whoever it was written for."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Path

from chatkeep.chat.dependencies import ReadingDb
from chatkeep.chat.schemas import TraceOut
from chatkeep.chat.traces import find_trace
from chatkeep.errors import NotFound
from chatkeep.identity import ChatOwner, PolicyFirst, owned

router = APIRouter(prefix="/chat", route_class=PolicyFirst, tags=["chat"])


@router.get("/messages/{message_id}/trace", dependencies=[owned("message_id")])
async def trace(
    owner: ChatOwner, message_id: Annotated[UUID, Path(description="An answer that drew on documents.")], db: ReadingDb
) -> TraceOut:
    """What was searched for, what each way found, how long each step took, and what was left out and why."""
    found = await find_trace(db, owner, str(message_id))
    if found is None:
        raise NotFound
    return TraceOut.model_validate(found)

"""/chat/export, /chat/import and the export of one chat: leaving with everything, and coming from elsewhere."""

import asyncio
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from typing import Literal
from uuid import UUID

from fastapi import APIRouter, Depends, Request, Response
from fastapi.responses import StreamingResponse
from starlette.datastructures import Headers

from chatkeep.chat.branches import find_leaf_id
from chatkeep.chat.dependencies import ChatServices, ReadingDb, Services
from chatkeep.chat.errors import ImportInvalid
from chatkeep.chat.export import all_as_lines, as_json, as_markdown
from chatkeep.chat.form_file import file_of_form
from chatkeep.chat.import_formats import FileRefused, entries_of
from chatkeep.chat.importing import import_chats
from chatkeep.chat.schemas import ImportedOut
from chatkeep.chat.sessions import get_session
from chatkeep.chat.upload import read_upload
from chatkeep.identity import ChatOwner, OwnerId, PolicyFirst, identity_of, owned, throttled

router = APIRouter(prefix="/chat", route_class=PolicyFirst, tags=["chat"])

_ANY_JSON = {"schema": {"type": "object"}}


@router.get("/sessions/{session_id}/export", dependencies=[owned("session_id")], response_class=Response)
async def export(
    request: Request,
    owner: ChatOwner,
    session_id: UUID,
    services: Services,
    db: ReadingDb,
    format: Literal["json", "markdown"] = "json",  # noqa: A002 - the parameter's name on the wire
) -> Response:
    """One conversation as a file: JSON with all its branches, or the branch on show in Markdown."""
    services.streams.check(owner)
    session = await get_session(db, owner, str(session_id))
    if format == "json":
        pieces, kind, name = as_json(services.database, owner, session), "application/json", "chat.json"
    else:
        leaf_id = await find_leaf_id(db, owner, session)
        pieces = as_markdown(services.database, owner, session, leaf_id)
        kind, name = "text/markdown; charset=utf-8", "chat.md"
    return _file(request, services, owner, pieces, kind, name)


@router.get("/export", response_class=Response)
async def export_all(request: Request, owner: ChatOwner, services: Services) -> Response:
    """All your conversations as JSON lines, but for temporary ones and those in the bin."""
    services.streams.check(owner)
    pieces = all_as_lines(services.database, owner)
    return _file(request, services, owner, pieces, "application/jsonl", "chats.jsonl")


@router.post(
    "/import",
    dependencies=[Depends(throttled("import"))],
    openapi_extra={"requestBody": {"content": {"application/json": _ANY_JSON, "multipart/form-data": _ANY_JSON}}},
)
async def import_file(request: Request, owner: ChatOwner, services: Services) -> ImportedOut:
    """Take chats from a file: our own export, ChatGPT's conversations.json, or Open WebUI's export."""
    # A file lies in memory while it is read: few at a time, one of a user, and none that trickles in for ever.
    async with services.importing(owner) as room:
        body = await read_upload(request.stream())
        try:
            entries = entries_of(file_of_form(request.headers.get("content-type", ""), body))
        except FileRefused as refusal:
            raise ImportInvalid(str(refusal)) from None
        imported = await import_chats(services.database, owner, entries, datetime.now(UTC), room)
        return ImportedOut.model_validate(imported)


def _file(
    request: Request, services: ChatServices, owner: OwnerId, pieces: AsyncIterator[bytes], kind: str, name: str
) -> Response:
    watch = identity_of(request.scope).watch_login
    headers = Headers({"content-disposition": f'attachment; filename="{name}"', "x-content-type-options": "nosniff"})
    return StreamingResponse(_counted(services, owner, pieces, watch), media_type=kind, headers=headers)


async def _counted(
    services: ChatServices,
    owner: OwnerId,
    pieces: AsyncIterator[bytes],
    watch_login: Callable[[Callable[[], None]], Callable[[], None]],
) -> AsyncIterator[bytes]:
    """Until the end, or that of the login: a file that was cut off says so where its next line would be."""
    ended = asyncio.Event()
    forget_login = watch_login(ended.set)
    try:
        with services.streams.counted(owner):
            async for piece in pieces:
                if ended.is_set():
                    yield b'\n{"incomplete": "login_ended"}\n'
                    return
                yield piece
    finally:
        forget_login()

"""/documents: upload files, see how far they have come, read what was made of them, delete them."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Annotated, Any
from urllib.parse import quote
from uuid import UUID

from fastapi import APIRouter, Depends, Path, Query, Request, Response
from fastapi.responses import StreamingResponse

from chatkeep.errors import NotFound
from chatkeep.identity import DocumentsOwner, OwnerId, PolicyFirst, ending_with_login, owned_document, throttled
from chatkeep.paging import Cursor, Page, PageLimit
from chatkeep.rag.dependencies import CursorText, DocumentServices, ReadingDb, Services, WritingDb
from chatkeep.rag.documents import (
    Shelf,
    cancel_document,
    get_chunk,
    get_document,
    list_documents,
    retry_document,
    stored_bytes,
)
from chatkeep.rag.erasure import delete_document
from chatkeep.rag.follow import HEADERS, progress_events, stream_ended
from chatkeep.rag.records import Document, Status
from chatkeep.rag.schemas import ChunkOut, DocumentOut, DocumentsOut, StorageOut
from chatkeep.rag.tenants import tenant_of

router = APIRouter(prefix="/documents", route_class=PolicyFirst, tags=["documents"])

_OWNED = owned_document("document_id")
_FORM: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["file"],
                    "properties": {
                        "collection_id": {"type": "string", "format": "uuid"},
                        "file": {"type": "array", "items": {"type": "string", "format": "binary"}},
                    },
                }
            }
        },
    }
}
# Nothing in a file that somebody uploaded runs in this server's name, whatever a browser makes of it.
_INERT = {
    "x-content-type-options": "nosniff",
    "content-security-policy": "sandbox; default-src 'none'",
    "cross-origin-resource-policy": "same-origin",
    "cache-control": "private, no-store",
}


@router.post("", status_code=202, dependencies=[Depends(throttled("upload"))], openapi_extra=_FORM)
async def upload(request: Request, owner: DocumentsOwner, services: Services) -> DocumentsOut:
    """Upload files, as your own or into a collection: the field collection_id, best before the files. A file that is
    there already is not taken twice; the answer names the one that is.
    """
    async with services.uploading(owner) as received:
        await received.receive(request.stream(), request.headers.get("content-type", ""))
        documents = await received.queue(datetime.now(UTC))
    services.ingester.wake()
    return DocumentsOut(items=[DocumentOut.of(document) for document in documents])


@router.get("")
async def list_mine(
    owner: DocumentsOwner,
    db: ReadingDb,
    collection_id: Annotated[UUID | None, Query(description="Those of this collection.")] = None,
    personal: Annotated[bool, Query(description="Your own, which are in no collection.")] = False,
    status: Annotated[Status | None, Query(description="Those in this state.")] = None,
    limit: PageLimit = 50,
    cursor: CursorText = None,
) -> Page[DocumentOut]:
    """The documents that you can see, the newest first."""
    shelf = Shelf(str(collection_id) if collection_id else None, personal, status)
    page = await list_documents(db, owner, limit, Cursor.decode(cursor) if cursor else None, shelf)
    return Page(items=[DocumentOut.of(document) for document in page.items], next_cursor=page.next_cursor)


@router.get("/storage")
async def storage(owner: DocumentsOwner, services: Services, db: ReadingDb) -> StorageOut:
    """How much room your documents take, wherever you uploaded them, and how much they may."""
    return StorageOut(used_bytes=await stored_bytes(db, owner), limit_bytes=services.room.owner)


@router.get("/{document_id}", dependencies=[_OWNED])
async def get(owner: DocumentsOwner, document_id: UUID, db: ReadingDb) -> DocumentOut:
    """One document."""
    return DocumentOut.of(await get_document(db, owner, str(document_id)))


@router.delete("/{document_id}", dependencies=[_OWNED], status_code=204, response_class=Response)
async def delete(owner: DocumentsOwner, document_id: UUID, services: Services, db: WritingDb) -> None:
    """Delete it with all that was made of it. It is found no more from now on."""
    await delete_document(db, owner, str(document_id), datetime.now(UTC))
    db.on_commit(services.eraser.wake)


# As an upload: it costs as much, and may be paid for by the token.
@router.post("/{document_id}/retry", dependencies=[_OWNED, Depends(throttled("upload"))], status_code=202)
async def retry(owner: DocumentsOwner, document_id: UUID, services: Services, db: WritingDb) -> DocumentOut:
    """Read one anew that has failed."""
    document = await retry_document(db, owner, str(document_id), datetime.now(UTC))
    db.on_commit(services.ingester.wake)
    return DocumentOut.of(document)


@router.post("/{document_id}/cancel", dependencies=[_OWNED], status_code=202)
async def cancel(owner: DocumentsOwner, document_id: UUID, db: WritingDb) -> DocumentOut:
    """Stop reading it; it can be retried. Cancelling what has ended is not an error."""
    return DocumentOut.of(await cancel_document(db, owner, str(document_id), datetime.now(UTC)))


@router.get("/{document_id}/chunks/{n}", dependencies=[_OWNED])
async def chunk(
    owner: DocumentsOwner, document_id: UUID, n: Annotated[int, Path(ge=1, le=2**31 - 1)], db: ReadingDb
) -> ChunkOut:
    """One passage, as it is cited."""
    return ChunkOut.of(await get_chunk(db, owner, str(document_id), n))


@router.get("/{document_id}/content", dependencies=[_OWNED], response_class=Response)
async def content(
    request: Request, owner: DocumentsOwner, document_id: UUID, services: Services, db: ReadingDb
) -> Response:
    """The original, to be saved: no browser shows it within this site."""
    services.check_followers(owner)
    document = await get_document(db, owner, str(document_id))
    if not services.blobs.path(tenant_of(document), document.id).is_file():
        raise NotFound
    headers = {
        **_INERT,
        "content-length": str(document.size),
        "content-disposition": f"attachment; filename*=UTF-8''{quote(document.filename, safe='')}",
    }
    pieces = _original(services, owner, document)
    body = ending_with_login(request, pieces)
    return StreamingResponse(body, media_type="application/octet-stream", headers=headers)


@router.get(
    "/{document_id}/events",
    dependencies=[_OWNED],
    response_class=Response,
    responses={
        200: {"content": {"text/event-stream": {}}, "description": "Progress, until it is ready or has failed."}
    },
)
async def events(
    request: Request, owner: DocumentsOwner, document_id: UUID, services: Services, db: ReadingDb
) -> Response:
    """Follow how it is read."""
    services.check_followers(owner)
    await get_document(db, owner, str(document_id))
    frames = _counted(
        services, owner, progress_events(services.database, owner, str(document_id), lambda: services.ingester.draining)
    )
    body = ending_with_login(request, frames, last=stream_ended(str(document_id)))
    return StreamingResponse(body, media_type="text/event-stream", headers=HEADERS)


def _original(services: DocumentServices, owner: OwnerId, document: Document) -> AsyncIterator[bytes]:
    return _counted(services, owner, services.blobs.read(tenant_of(document), document.id))


async def _counted(services: DocumentServices, owner: OwnerId, pieces: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    with services.following(owner):
        async for piece in pieces:
            yield piece

"""/collections: knowledge bases, and who they are shared with."""

from datetime import UTC, datetime
from typing import Annotated, cast
from uuid import UUID

from fastapi import APIRouter, Depends, Path, Request, Response

from chatkeep.identity import DocumentsOwner, PolicyFirst, emails_of, find_owner, owned_document, throttled
from chatkeep.paging import Cursor, Page, PageLimit
from chatkeep.rag.collections import (
    CollectionChanges,
    change_collection,
    create_collection,
    get_collection,
    list_collections,
)
from chatkeep.rag.dependencies import CursorText, ReadingDb, Services, WritingDb
from chatkeep.rag.erasure import delete_collection
from chatkeep.rag.members import list_members, share, unshare
from chatkeep.rag.records import EVERYONE, Role
from chatkeep.rag.schemas import (
    EVERYONE_NAME,
    CollectionOut,
    CollectionPatch,
    Invitation,
    MemberOut,
    MemberRole,
    NewCollection,
)

router = APIRouter(prefix="/collections", route_class=PolicyFirst, tags=["documents"])

_OWNED = owned_document("collection_id")
_Member = Annotated[
    str,
    Path(pattern=r"^(everyone|[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12})$", description="A user's id, or everyone."),
]


@router.post("", status_code=201)
async def create(owner: DocumentsOwner, body: NewCollection, db: WritingDb) -> CollectionOut:
    """Begin a collection, which nobody else sees until you share it."""
    created = await create_collection(db, owner, body.name, body.description, datetime.now(UTC))
    return CollectionOut.model_validate(created)


@router.get("")
async def list_mine(
    owner: DocumentsOwner, db: ReadingDb, limit: PageLimit = 50, cursor: CursorText = None
) -> Page[CollectionOut]:
    """The collections that are open to you, with your role in each, the newest first."""
    page = await list_collections(db, owner, limit, Cursor.decode(cursor) if cursor else None)
    return Page(items=[CollectionOut.model_validate(one) for one in page.items], next_cursor=page.next_cursor)


@router.get("/{collection_id}", dependencies=[_OWNED])
async def get(owner: DocumentsOwner, collection_id: UUID, db: ReadingDb) -> CollectionOut:
    """One collection."""
    return CollectionOut.model_validate(await get_collection(db, owner, str(collection_id)))


@router.patch("/{collection_id}", dependencies=[_OWNED])
async def change(owner: DocumentsOwner, collection_id: UUID, body: CollectionPatch, db: WritingDb) -> CollectionOut:
    """Rename it, describe it anew. For its owner."""
    changes = cast(CollectionChanges, body.model_dump(exclude_none=True))
    changed = await change_collection(db, owner, str(collection_id), changes, datetime.now(UTC))
    return CollectionOut.model_validate(changed)


@router.delete("/{collection_id}", dependencies=[_OWNED], status_code=204, response_class=Response)
async def delete(owner: DocumentsOwner, collection_id: UUID, services: Services, db: WritingDb) -> None:
    """Delete it with all documents in it. For its owner."""
    await delete_collection(db, owner, str(collection_id), datetime.now(UTC))
    db.on_commit(services.eraser.wake)


@router.get("/{collection_id}/members", dependencies=[_OWNED])
async def members(
    request: Request,
    owner: DocumentsOwner,
    collection_id: UUID,
    db: ReadingDb,
    limit: PageLimit = 50,
    cursor: CursorText = None,
) -> Page[MemberOut]:
    """Whom it is shared with. For its owner."""
    page = await list_members(db, owner, str(collection_id), limit, Cursor.decode(cursor) if cursor else None)
    emails = await emails_of(request, [member.member for member in page.items])
    items = [MemberOut.of(member, emails.get(member.member)) for member in page.items]
    return Page(items=items, next_cursor=page.next_cursor)


@router.post(
    "/{collection_id}/members",
    dependencies=[_OWNED, Depends(throttled("share"))],
    status_code=202,
    response_class=Response,
)
async def invite(
    request: Request, owner: DocumentsOwner, collection_id: UUID, body: Invitation, services: Services
) -> None:
    """Share it with whoever has an account with this address. Whether anybody has is not said here. For its owner."""
    member = await find_owner(request, body.email)
    async with services.database.writing(owner) as db:
        # For nobody too, so that who may not share learns nothing either.
        await share(db, owner, str(collection_id), member or owner, Role(body.role), datetime.now(UTC))


@router.put(
    "/{collection_id}/members/{user_id}",
    dependencies=[_OWNED, Depends(throttled("share"))],
    status_code=204,
    response_class=Response,
)
async def put_member(
    request: Request, owner: DocumentsOwner, collection_id: UUID, user_id: _Member, body: MemberRole, services: Services
) -> None:
    """Share it with a user or with everyone, or change what they may do. Everyone can only read. For its owner."""
    member = EVERYONE if user_id == EVERYONE_NAME else user_id
    if member != EVERYONE and not await emails_of(request, [member]):
        member = owner
    async with services.database.writing(owner) as db:
        await share(db, owner, str(collection_id), member, Role(body.role), datetime.now(UTC))


@router.delete("/{collection_id}/members/{user_id}", dependencies=[_OWNED], status_code=204, response_class=Response)
async def remove_member(owner: DocumentsOwner, collection_id: UUID, user_id: _Member, db: WritingDb) -> None:
    """Take somebody out, or leave it yourself: it bites on the next request."""
    await unshare(db, owner, str(collection_id), EVERYONE if user_id == EVERYONE_NAME else user_id)

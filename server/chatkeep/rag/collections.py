"""Collections in SQL. Every function takes the owner first: who asks, whosever collection it is."""

import dataclasses
from datetime import datetime
from typing import Any, TypedDict

from sqlalchemy import ColumnElement, RowMapping, Select, and_, case, delete, func, insert, literal, or_, select, update
from uuid_utils.compat import uuid7

from chatkeep.db import Db
from chatkeep.errors import NotFound
from chatkeep.identity import OwnerId
from chatkeep.paging import Cursor, Page
from chatkeep.rag.access import readable_collections
from chatkeep.rag.errors import CollectionsFull, NotTheOwner, ReadOnly
from chatkeep.rag.records import EVERYONE, Collection, Role
from chatkeep.rag.tables import collection_members, collections

MOST_COLLECTIONS = 1_000


class CollectionChanges(TypedDict, total=False):
    """What may be changed; a name that is absent stays as it is."""

    name: str
    description: str


async def create_collection(db: Db, owner: OwnerId, name: str, description: str, now: datetime) -> Collection:
    """Begin a collection, which nobody else sees yet.

    Raises:
        CollectionsFull
    """
    count = select(func.count()).select_from(collections).where(collections.c.owner == owner)
    if (await db.execute(count)).scalar_one() >= MOST_COLLECTIONS:
        raise CollectionsFull(MOST_COLLECTIONS)
    collection = Collection(str(uuid7()), name, description, Role.OWNER, now, now)
    values = dataclasses.asdict(collection)
    del values["role"]
    await db.execute(insert(collections).values(owner=owner, **values))
    return collection


async def find_collection(db: Db, owner: OwnerId, collection_id: str) -> Collection | None:
    """One that is open to `owner`, or None."""
    row = (await db.execute(_readable(owner).where(collections.c.id == collection_id))).mappings().first()
    return _collection(row) if row else None


async def get_collection(db: Db, owner: OwnerId, collection_id: str) -> Collection:
    """One that is open to `owner`.

    Raises:
        NotFound: not there, or not open to them.
    """
    found = await find_collection(db, owner, collection_id)
    if found is None:
        raise NotFound
    return found


async def get_writable(db: Db, owner: OwnerId, collection_id: str) -> Collection:
    """One that `owner` may add documents to, and delete them from.

    Raises:
        NotFound: not there, or not open to them.
        ReadOnly
    """
    found = await get_collection(db, owner, collection_id)
    if not found.role.may_write:
        raise ReadOnly
    return found


async def get_owned(db: Db, owner: OwnerId, collection_id: str) -> Collection:
    """One that is the owner's.

    Raises:
        NotFound: not there, or not open to them.
        NotTheOwner
    """
    found = await get_collection(db, owner, collection_id)
    if found.role is not Role.OWNER:
        raise NotTheOwner
    return found


async def lock_owned(db: Db, owner: OwnerId, collection_id: str) -> Collection:
    """As `get_owned`; whoever else wants to change who is in it waits until this transaction ends.

    Raises:
        NotFound, NotTheOwner
    """
    await db.execute(select(collections.c.id).where(_own(owner, collection_id)).with_for_update())
    return await get_owned(db, owner, collection_id)


async def list_collections(db: Db, owner: OwnerId, limit: int, cursor: Cursor | None) -> Page[Collection]:
    """Those that are open to `owner`, the newest first."""
    statement = _readable(owner)
    if cursor is not None:
        statement = statement.where(_before(cursor))
    statement = statement.order_by(collections.c.created_at.desc(), collections.c.id.desc()).limit(limit + 1)
    found = [_collection(row) for row in (await db.execute(statement)).mappings()]
    items, more = found[:limit], len(found) > limit
    return Page(items=items, next_cursor=Cursor(items[-1].created_at, items[-1].id).encode() if more else None)


async def change_collection(
    db: Db, owner: OwnerId, collection_id: str, changes: CollectionChanges, now: datetime
) -> Collection:
    """Rename it, describe it anew.

    Raises:
        NotFound, NotTheOwner
    """
    await get_owned(db, owner, collection_id)
    values: dict[str, Any] = {**changes, "updated_at": now}
    await db.execute(update(collections).where(_own(owner, collection_id)).values(values))
    return await get_owned(db, owner, collection_id)


async def delete_rows_of_collection(db: Db, owner: OwnerId, collection_id: str) -> None:
    """The rows alone, those of its documents among them; `erasure` knows what else has to go.

    Raises:
        NotFound, NotTheOwner
    """
    await get_owned(db, owner, collection_id)
    await db.execute(delete(collections).where(_own(owner, collection_id)))


def _readable(owner: OwnerId) -> Select[Any]:
    """The collections open to `owner`, with the best role that they have in each."""
    is_editor = select(literal(1)).where(
        collection_members.c.collection_id == collections.c.id,
        collection_members.c.member.in_((owner, EVERYONE)),
        collection_members.c.role == Role.EDITOR,
    )
    role = case(
        (collections.c.owner == owner, Role.OWNER.value),
        (is_editor.exists(), Role.EDITOR.value),
        else_=Role.READER.value,
    )
    return select(collections, role.label("role")).where(collections.c.id.in_(readable_collections(owner)))


def _own(owner: OwnerId, collection_id: str) -> ColumnElement[bool]:
    return and_(collections.c.owner == owner, collections.c.id == collection_id)


def _before(cursor: Cursor) -> ColumnElement[bool]:
    same = and_(collections.c.created_at == cursor.moment, collections.c.id < cursor.id)
    return or_(collections.c.created_at < cursor.moment, same)


def _collection(row: RowMapping) -> Collection:
    names = ("id", "name", "description", "created_at", "updated_at")
    return Collection(role=Role(row["role"]), **{name: row[name] for name in names})

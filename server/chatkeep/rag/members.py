"""Who a collection is shared with: by its owner, with persons or with everyone. Whoever is in it can leave."""

from datetime import datetime

from sqlalchemy import ColumnElement, and_, delete, func, insert, select, update

from chatkeep.db import Db
from chatkeep.identity import OwnerId
from chatkeep.paging import Cursor, Page
from chatkeep.rag.collections import get_collection, get_owned, lock_owned
from chatkeep.rag.errors import MembersFull, NotTheOwner
from chatkeep.rag.records import EVERYONE, Member, Role
from chatkeep.rag.tables import collection_members

MOST_MEMBERS = 1_000
# A cursor holds a UUID. `EVERYONE` comes before all users' ids, and so does this one, which nobody has.
_AFTER_EVERYONE = "00000000-0000-0000-0000-000000000000"


async def share(db: Db, owner: OwnerId, collection_id: str, member: str, role: Role, now: datetime) -> None:
    """Let `member`, a user's id or `EVERYONE`, into the owner's collection, or change their role. Everyone only reads.

    Raises:
        NotFound, NotTheOwner, MembersFull
    """
    await lock_owned(db, owner, collection_id)
    if member == owner:
        return
    role = Role.READER if member == EVERYONE else role
    this = _this(collection_id, member)
    if (await db.execute(update(collection_members).where(this).values(role=role.value))).rowcount:
        return
    count = select(func.count()).where(collection_members.c.collection_id == collection_id)
    if (await db.execute(count)).scalar_one() >= MOST_MEMBERS:
        raise MembersFull(MOST_MEMBERS)
    values = {"collection_id": collection_id, "owner": owner, "member": member, "role": role.value, "created_at": now}
    await db.execute(insert(collection_members).values(values))


async def unshare(db: Db, owner: OwnerId, collection_id: str, member: str) -> None:
    """Take `member` out: the collection's owner may do so to anybody, and anybody to themselves. Without effect for one
    who is not in it.

    Raises:
        NotFound: not there, or not open to `owner`.
        NotTheOwner
    """
    collection = await get_collection(db, owner, collection_id)
    if collection.role is not Role.OWNER and member != owner:
        raise NotTheOwner
    await db.execute(delete(collection_members).where(_this(collection_id, member)))


async def list_members(db: Db, owner: OwnerId, collection_id: str, limit: int, cursor: Cursor | None) -> Page[Member]:
    """Whom the owner has shared it with, in the order of their ids.

    Raises:
        NotFound, NotTheOwner
    """
    await get_owned(db, owner, collection_id)
    statement = select(collection_members).where(collection_members.c.collection_id == collection_id)
    if cursor is not None:
        statement = statement.where(collection_members.c.member > cursor.id)
    statement = statement.order_by(collection_members.c.member).limit(limit + 1)
    found = [Member(row.member, Role(row.role), row.created_at) for row in (await db.execute(statement)).all()]
    items, more = found[:limit], len(found) > limit
    last = items[-1].member if more else ""
    cursor_id = _AFTER_EVERYONE if last == EVERYONE else last
    return Page(items=items, next_cursor=Cursor(items[-1].created_at, cursor_id).encode() if more else None)


async def forget_member(db: Db, member: OwnerId) -> None:
    """Take somebody who is no more out of every collection."""
    await db.execute(delete(collection_members).where(collection_members.c.member == member))


def _this(collection_id: str, member: str) -> ColumnElement[bool]:
    return and_(collection_members.c.collection_id == collection_id, collection_members.c.member == member)

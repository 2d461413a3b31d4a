"""The tree of a session. A branch is the path from the first message to a leaf; siblings answer the same message.

An id is always greater than its parent's: a UUIDv7, minted later or made so by `messages.add_message`. So the ids of a
branch are in its order, and walking up ends, whatever the rows say.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from sqlalchemy import CTE, ColumnElement, Select, func, literal, select, union_all

from chatkeep.chat.messages import find_newest_id, read_page
from chatkeep.chat.records import ChatSession, Message, Siblings
from chatkeep.chat.tables import messages
from chatkeep.db import Db
from chatkeep.errors import NotFound
from chatkeep.identity import OwnerId
from chatkeep.paging import Cursor, Page

_ID = messages.c.id.type


async def find_leaf_id(db: Db, owner: OwnerId, session: ChatSession) -> str | None:
    """The end of the branch on show; None while there is no message."""
    return session.leaf_id or await find_newest_id(db, owner, session.id)


async def get_newest_below(db: Db, owner: OwnerId, session_id: str, message_id: str) -> str:
    """The newest message among `message_id` and all that descends from it; costs as much as there is below it.

    Raises:
        NotFound: there is no such message in this session of the owner.
    """
    top = _of_session(owner, session_id, messages.c.id).where(messages.c.id == message_id)
    below = top.cte("below", recursive=True)
    down = _of_session(owner, session_id, messages.c.id).join(below, messages.c.parent_id == below.c.id)
    below = below.union_all(down.where(messages.c.id > below.c.id))
    newest = (await db.execute(select(below.c.id).order_by(below.c.id.desc()).limit(1))).scalar()
    if newest is None:
        raise NotFound
    return str(newest)


async def list_branch(
    db: Db,
    owner: OwnerId,
    session_id: str,
    leaf_id: str | None,
    limit: int,
    cursor: Cursor | None,
    *,
    newest_first: bool,
) -> Page[Message]:
    """The messages from the first one to `leaf_id`, and no others.

    Newest first costs what the page holds; oldest first has to walk up the whole branch to know where it begins.
    """
    if leaf_id is None:
        return Page(items=[])
    if not newest_first:
        path = _path(owner, session_id, leaf_id)
        wanted = select(path.c.id).order_by(path.c.id)
        wanted = wanted.where(path.c.id > cursor.id) if cursor is not None else wanted
    else:
        # A page goes on above the last message of the one before, which is on it, too, and is left out.
        path = _path(owner, session_id, cursor.id if cursor is not None else leaf_id, steps=limit + 1)
        wanted = select(path.c.id).order_by(path.c.id.desc())
        wanted = wanted.where(path.c.id < cursor.id) if cursor is not None else wanted
    return await read_page(db, owner, session_id, wanted.limit(limit + 1), limit, newest_first=newest_first)


async def with_siblings(db: Db, owner: OwnerId, session_id: str, items: Sequence[Message]) -> list[Message]:
    """The same messages, each with its place among its siblings; one query for all of them."""
    if not items:
        return []
    parents = {message.parent_id for message in items}
    # By parent alone, whose children are all in its session: asked for both, SQLite would walk through the session.
    among = [_ranked(messages.c.owner == owner, messages.c.parent_id.in_(sorted(parents - {None}, key=str)))]
    if None in parents:
        roots = (messages.c.session_id == session_id, messages.c.parent_id.is_(None))
        among.append(_ranked(messages.c.owner == owner, *roots))
    ranked = union_all(*among).subquery()
    wanted = select(ranked).where(ranked.c.id.in_([message.id for message in items]))
    siblings = {row.id: Siblings(*row[1:]) for row in await db.execute(wanted)}
    # What has been deleted since `items` were read is left out.
    return [replace(message, siblings=siblings[message.id]) for message in items if message.id in siblings]


def _path(owner: OwnerId, session_id: str, leaf_id: str, steps: int | None = None) -> CTE:
    """From `leaf_id` up, `steps` parents far, or to the first message."""
    here = _of_session(owner, session_id, messages.c.id, messages.c.parent_id, literal(0).label("step"))
    path = here.where(messages.c.id == leaf_id).cte("path", recursive=True)
    # Not by a join, for which SQLite, once it has statistics, first reads the ids of all messages.
    above = select(messages.c.parent_id).where(messages.c.owner == owner, messages.c.id == path.c.parent_id)
    up = select(path.c.parent_id, above.scalar_subquery(), path.c.step + 1).where(path.c.parent_id < path.c.id)
    return path.union_all(up.where(path.c.step < steps) if steps is not None else up)


def _ranked(*which: ColumnElement[bool]) -> Select[Any]:
    id_, parent_id = messages.c.id, messages.c.parent_id
    in_order: dict[str, Any] = {"partition_by": parent_id, "order_by": id_}
    return select(
        id_,
        func.row_number().over(**in_order),
        func.count().over(partition_by=parent_id),
        func.lag(id_, type_=_ID).over(**in_order),
        func.lead(id_, type_=_ID).over(**in_order),
    ).where(*which)


def _of_session(owner: OwnerId, session_id: str, *columns: Any) -> Select[Any]:
    return select(*columns).where(messages.c.owner == owner, messages.c.session_id == session_id)

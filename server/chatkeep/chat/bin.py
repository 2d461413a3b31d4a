"""The bin: a chat that was deleted can be brought back for a while. What is due to go, goes by the clock."""

import asyncio
import logging
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from sqlalchemy import ColumnElement, Update, and_, or_, select, update

from chatkeep.chat.generations import find_running, request_stop
from chatkeep.chat.records import ChatSession, Generation
from chatkeep.chat.sessions import delete_session, get_session, lock_session
from chatkeep.chat.tables import chat_sessions
from chatkeep.db import Database, Db
from chatkeep.identity import OwnerId
from chatkeep.limits.ledger import prune_records
from chatkeep.row_security import EVERYBODY

log = logging.getLogger(__name__)

KEEP_DELETED = timedelta(days=30)
# Of what was used, single answers: for looking into a complaint. The sums of each day stay for good.
KEEP_RECORDS = timedelta(days=90)
PURGE_SECONDS = 60.0
_AT_ONCE = 100
# A request that empties the bin ends after so many, and says if there are more.
MOST_EMPTIED = 200


async def throw_away(
    db: Db, owner: OwnerId, session_id: str, now: datetime, *, forever: bool = False
) -> Generation | None:
    """Put the session into the bin; `forever`, or where it was temporary, delete it, be it in the bin already.

    Returns:
        What is being written into it, and should end.

    Raises:
        NotFound: not there, or not the owner's.
    """
    if forever:
        running = await find_running(db, owner, session_id)
        await delete_session(db, owner, session_id)
        return running
    session = await lock_session(db, owner, session_id)
    running = await find_running(db, owner, session_id)
    if session.expires_at is not None:
        await delete_session(db, owner, session_id)
    else:
        await db.execute(_this(owner, session_id).values(deleted_at=now))
        if running is not None:
            # For the instance that writes it, if that is another one.
            await request_stop(db, owner, running.id, now)
    return running


async def restore(db: Db, owner: OwnerId, session_id: str) -> ChatSession:
    """Take the session out of the bin; where it is not in it, nothing changes.

    Raises:
        NotFound: not there any more, or not the owner's.
    """
    await db.execute(_this(owner, session_id).values(deleted_at=None))
    return await get_session(db, owner, session_id)


async def empty_bin(database: Database, owner: OwnerId, now: datetime) -> tuple[int, bool]:
    """Delete what the owner has in the bin at this moment; returns how many, and whether there are more."""
    binned = chat_sessions.c.deleted_at <= now
    mine = select(chat_sessions.c.id).where(chat_sessions.c.owner == owner, binned).limit(MOST_EMPTIED + 1)
    async with database.reading(owner) as db:
        found = (await db.execute(mine)).scalars().all()
    for session_id in found[:MOST_EMPTIED]:
        await _delete_if(database, owner, session_id, binned)
    return len(found[:MOST_EMPTIED]), len(found) > MOST_EMPTIED


async def purge(database: Database, now: datetime) -> int:
    """Delete what has been in the bin for long enough, and temporary chats whose time is over; returns how many."""
    columns = select(chat_sessions.c.owner, chat_sessions.c.id)
    async with database.reading(EVERYBODY) as db:
        wanted = [columns.where(*due).limit(_AT_ONCE) for due in _due(now)]
        found = [row for statement in wanted for row in (await db.execute(statement)).all()]
    due = or_(*(and_(*conditions) for conditions in _due(now)))
    for owner, session_id in found:
        await _delete_if(database, OwnerId(owner), session_id, due)
    return len(found)


async def keep_purging(database: Database) -> None:
    """For the life of the process."""
    while True:
        try:
            while await purge(database, datetime.now(UTC)):
                pass
            while await _prune(database, datetime.now(UTC) - KEEP_RECORDS):
                pass
        except Exception:  # a database that is away for a while must not end all purging after it
            log.exception("what is due to be deleted could not be; it will be tried again")
        await asyncio.sleep(PURGE_SECONDS)


async def _prune(database: Database, before: datetime) -> int:
    async with database.writing(EVERYBODY) as db:
        return await prune_records(db, before)


async def _delete_if(database: Database, owner: OwnerId, session_id: str, condition: ColumnElement[bool]) -> None:
    """In a transaction of its own: whoever wants to write waits for one chat to go, and not for all. What has been
    brought back, or was written to, since it was found is asked for once more, under the lock.
    """
    this = select(chat_sessions.c.id).where(chat_sessions.c.owner == owner, chat_sessions.c.id == session_id, condition)
    async with database.writing(owner) as db:
        if (await db.execute(this.with_for_update())).first() is not None:
            await delete_session(db, owner, session_id)


def _due(now: datetime) -> tuple[Sequence[ColumnElement[bool]], ...]:
    """What is true of the sessions that are to go: in the bin for long enough, or temporary and over."""
    deleted_at, expires_at = chat_sessions.c.deleted_at, chat_sessions.c.expires_at
    return (deleted_at.is_not(None), deleted_at <= now - KEEP_DELETED), (expires_at.is_not(None), expires_at <= now)


def _this(owner: OwnerId, session_id: str) -> Update:
    return update(chat_sessions).where(chat_sessions.c.owner == owner, chat_sessions.c.id == session_id)

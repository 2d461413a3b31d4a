"""What a process that died left behind: answers that claim to be written, and are written by nobody."""

from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import datetime, timedelta

from chatkeep.chat.event_feed import EventFeed
from chatkeep.chat.event_log import EventLog
from chatkeep.chat.generations import (
    BEYOND_WHAT_WAS_LOST,
    Stale,
    find_checkpoint,
    find_running,
    interrupt_generation,
    list_stale,
)
from chatkeep.chat.messages import set_status, write_reasonings, write_texts
from chatkeep.chat.mirrors import catch_up
from chatkeep.chat.records import Generation, State
from chatkeep.db import Database, Db
from chatkeep.identity import OwnerId
from chatkeep.row_security import EVERYBODY

# Runners give a sign of life every second, by the one clock that all instances have: the database's.
STALE_AFTER = timedelta(seconds=10)
# The timers of all instances come before a request that happens to look: they also ask the feed for what was written.
_STALE_FOR_A_REQUEST = timedelta(seconds=20)
_ANSWERS_WITHIN = timedelta(seconds=2)
# The reason in the terminal event.
CRASH = "crash"


@dataclass(slots=True)
class Earshot:
    """Since when the database has answered this process without a break.

    While it is away nobody's sign of life arrives: once it is back, each gets the time to give one, and is not taken
    for dead by whoever looks first.
    """

    now: Callable[[], datetime]
    since: datetime | None = None

    def lose(self) -> bool:
        """The database does not answer. Returns whether it did until now."""
        had, self.since = self.since, None
        return had is not None

    def hear(self, asked_at: datetime) -> None:
        """It has answered what it was asked at that moment."""
        answered_at = self.now()
        if self.since is None or answered_at - asked_at > _ANSWERS_WITHIN:
            self.since = answered_at

    def covers(self, silence: timedelta) -> bool:
        """Whether a sign of life would have arrived, for so long now."""
        return self.since is not None and self.since <= self.now() - silence


async def recover(
    database: Database,
    now: datetime,
    alive: Collection[str],
    feed: EventFeed | None = None,
    *,
    earshot: Earshot | None,
) -> int:
    """Interrupt what has given no sign of life for a while and is not among `alive`; returns how many.

    Without `earshot` there is nothing to wait for: no other process could be alive.

    The text stays as the last checkpoint left it, or goes on as far as the feed has brought it to others.
    """
    before = now if earshot is None else now - STALE_AFTER
    async with database.reading(EVERYBODY) as db:
        found = [stale for stale in await list_stale(db, before) if stale.id not in alive]
    if earshot is not None:
        earshot.hear(asked_at=now)
    if not found or (earshot is not None and not earshot.covers(STALE_AFTER)):
        return 0
    recalled = {stale.id: await _recall(database, feed, stale) for stale in found} if feed else {}
    count = 0
    async with database.writing(EVERYBODY) as db:
        for stale in found:
            event_log = recalled.get(stale.id)
            if event_log is not None and feed is not None:
                count += await _interrupt_recalled(db, stale, event_log, feed, now)
            elif await interrupt_generation(db, stale.id, CRASH, now):
                await set_status(db, stale.owner, stale.message_id, State.INTERRUPTED)
                count += 1
    return count


async def _recall(database: Database, feed: EventFeed, stale: Stale) -> EventLog | None:
    async with database.reading(EVERYBODY) as db:
        checkpoint = await find_checkpoint(db, stale.id)
    if checkpoint is None:
        return None
    event_log = EventLog(stale.id)
    catch_up(event_log, checkpoint)
    await feed.recall(stale.owner, event_log)
    return None if event_log.ended else event_log


async def _interrupt_recalled(db: Db, stale: Stale, event_log: EventLog, feed: EventFeed, now: datetime) -> bool:
    last_seq = event_log.last_seq + BEYOND_WHAT_WAS_LOST
    if not await interrupt_generation(db, stale.id, CRASH, now, last_seq=last_seq):
        return False
    await write_texts(db, {stale.message_id: event_log.text})
    if event_log.reasoning:
        await write_reasonings(db, {stale.message_id: event_log.reasoning})
    await set_status(db, stale.owner, stale.message_id, State.INTERRUPTED)

    def tell() -> None:
        feed.publish(stale.owner, event_log)
        event_log.restart(last_seq - 1, event_log.opening, event_log.text, event_log.reasoning)
        event_log.append("generation.interrupted", {"reason": CRASH})

    db.on_commit(tell)
    return True


async def find_living(db: Db, owner: OwnerId, session_id: str, earshot: Earshot) -> Generation | None:
    """The generation that is writing into the owner's session, or None; one that only claims to is interrupted."""
    generation = await find_running(db, owner, session_id)
    return None if generation and await interrupt_if_stale(db, owner, generation, earshot) else generation


async def interrupt_if_stale(db: Db, owner: OwnerId, generation: Generation, earshot: Earshot) -> bool:
    """Whether the generation was without a runner, and is interrupted now."""
    if not generation.state.is_running or not earshot.covers(_STALE_FOR_A_REQUEST):
        return False
    now = earshot.now()
    if generation.heartbeat_at > now - _STALE_FOR_A_REQUEST:
        return False
    if await interrupt_generation(db, generation.id, CRASH, now):
        await set_status(db, owner, generation.message_id, State.INTERRUPTED)
    return True

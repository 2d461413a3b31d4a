"""Logs of answers that other processes write, or wrote: whoever comes here to follow one finds it here.

SQL is what is believed: a mirror stands where the last checkpoint stands, and ends when SQL says so. A feed of the
events themselves, where there is one, makes it quick and exact.
"""

import asyncio
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from chatkeep.chat.event_feed import EventFeed
from chatkeep.chat.event_log import EventLog
from chatkeep.chat.generations import Checkpoint, find_checkpoint, list_seqs
from chatkeep.chat.records import Generation
from chatkeep.db import Database
from chatkeep.identity import OwnerId
from chatkeep.outages import AWAY
from chatkeep.row_security import EVERYBODY

log = logging.getLogger(__name__)

LOOK_SECONDS = 1.0
# Without a feed each look tells the whole text anew, so a long one is looked at less often; its end is told at once.
_CHARACTERS_PER_SECOND = 65_536
_MOST_SECONDS = 8.0


@dataclass(slots=True)
class Mirror:
    """One of them. `stood_at` is where it was at the last look: a feed that brings nothing is not waited for.

    `due_at` is when it is worth reading again, by the loop's clock: a long text is read and told as a whole.
    """

    owner: OwnerId
    log: EventLog
    followers: int = 0
    stood_at: int | None = None
    due_at: float = 0.0


@dataclass(slots=True)
class Mirrors:
    """All of this process: one look at SQL a second serves them all, and none is held longer than it is followed."""

    database: Database
    feed: EventFeed | None = None
    _mirrors: dict[str, Mirror] = field(default_factory=dict)
    _wanted: asyncio.Event = field(default_factory=asyncio.Event)

    @contextmanager
    def following(self, owner: OwnerId, generation: Generation) -> Iterator[EventLog]:
        """The log of a generation that the caller has found to be the owner's, kept up while the block lasts."""
        mirror = self._mirrors.get(generation.id)
        if mirror is None:
            mirror = self._mirrors[generation.id] = Mirror(owner, EventLog(generation.id))
            if self.feed is not None:
                self.feed.follow(owner, mirror.log)
            self._wanted.set()
        mirror.followers += 1
        try:
            yield mirror.log
        finally:
            mirror.followers -= 1

    def leave(self) -> None:
        """Send all followers away: this process goes, and the answers go on elsewhere."""
        for mirror in self._mirrors.values():
            if not mirror.log.ended:
                mirror.log.leave()

    async def keep_up(self) -> None:
        """For as long as the process lives."""
        while True:
            await self._wanted.wait()
            self._wanted.clear()
            try:
                await self._look()
            except AWAY:
                log.debug("the database does not answer; mirrors stand where they are")
            except Exception:  # whatever it is, it must not end all looks after it
                log.exception("could not look at what other processes write; it will be tried again")
            if self._mirrors:
                await asyncio.sleep(LOOK_SECONDS)
                self._wanted.set()

    async def _look(self) -> None:
        for generation_id in [key for key, mirror in self._mirrors.items() if not mirror.followers]:
            mirror = self._mirrors.pop(generation_id)
            if self.feed is not None:
                self.feed.unfollow(mirror.owner, mirror.log)
        lagging = await self._list_lagging()
        if not lagging:
            return
        async with self.database.reading(EVERYBODY) as db:
            for generation_id, mirror in lagging.items():
                _catch_up(mirror, await find_checkpoint(db, generation_id))

    async def _list_lagging(self) -> dict[str, Mirror]:
        mirrors = {key: mirror for key, mirror in self._mirrors.items() if not mirror.log.ended}
        if not mirrors:
            return {}
        async with self.database.reading(EVERYBODY) as db:
            seqs = await list_seqs(db, list(mirrors))
        now = asyncio.get_running_loop().time()
        behind = {key: mirror for key, mirror in mirrors.items() if _is_behind(mirror, seqs.get(key), now)}
        lagging = {key: mirror for key, mirror in behind.items() if not self._is_fed(mirror)}
        for mirror in behind.values():
            mirror.stood_at = mirror.log.last_seq
        return lagging

    def _is_fed(self, mirror: Mirror) -> bool:
        return self.feed is not None and mirror.stood_at != mirror.log.last_seq


def _is_behind(mirror: Mirror, found: tuple[int, bool] | None, now: float) -> bool:
    if found is None:
        # What is not there any more has an end to be told.
        return True
    seq, is_running = found
    return seq > mirror.log.last_seq and (now >= mirror.due_at or not is_running)


def _catch_up(mirror: Mirror, checkpoint: Checkpoint | None) -> None:
    try:
        if checkpoint is None:
            # Deleted with its chat: that counts as a stop.
            mirror.log.append("generation.stopped")
        else:
            catch_up(mirror.log, checkpoint)
            length = len(checkpoint.text) + len(checkpoint.reasoning)
            seconds = min(length / _CHARACTERS_PER_SECOND, _MOST_SECONDS)
            mirror.due_at = asyncio.get_running_loop().time() + (seconds if seconds > LOOK_SECONDS else 0.0)
    except Exception:  # whatever is wrong with this one, the others are told
        log.exception("what is written of generation %s could not be mirrored", mirror.log.generation_id)


def catch_up(event_log: EventLog, checkpoint: Checkpoint) -> None:
    """Bring a mirror to where SQL is, if it is not there yet."""
    generation = checkpoint.generation
    last_seq = generation.last_seq or 0
    if generation.state.is_running:
        if last_seq > event_log.last_seq:
            event_log.restart(last_seq, checkpoint.opening, checkpoint.text, checkpoint.reasoning)
        return
    before_the_end = last_seq - (2 if checkpoint.usage else 1)
    if before_the_end > event_log.last_seq:
        event_log.restart(before_the_end, checkpoint.opening, checkpoint.text, checkpoint.reasoning)
    if checkpoint.usage and event_log.last_seq == before_the_end:
        event_log.append("usage", dict(checkpoint.usage))
    event_log.append(f"generation.{generation.state}", generation.ending)

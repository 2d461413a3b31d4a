"""Logs of answers that other processes write, or wrote: whoever comes here to follow one finds it here.

SQL is what is believed: a mirror stands where the last checkpoint stands, and ends when SQL says so. A feed of the
events themselves, where there is one, makes it quick and exact.
"""

import asyncio
import logging
import math
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


@dataclass(slots=True)
class Mirror:
    """One of them. `stood_at` is where it was at the last look: a feed that brings nothing is not waited for."""

    owner: OwnerId
    log: EventLog
    followers: int = 0
    stood_at: int | None = None


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
                checkpoint = await find_checkpoint(db, generation_id)
                if checkpoint is None:
                    # Deleted with its chat: that counts as a stop.
                    mirror.log.append("generation.stopped")
                else:
                    catch_up(mirror.log, checkpoint)

    async def _list_lagging(self) -> dict[str, Mirror]:
        mirrors = {key: mirror for key, mirror in self._mirrors.items() if not mirror.log.ended}
        if not mirrors:
            return {}
        async with self.database.reading(EVERYBODY) as db:
            seqs = await list_seqs(db, list(mirrors))
        # What is not there any more has an end to be told.
        behind = {key: mirror for key, mirror in mirrors.items() if seqs.get(key, math.inf) > mirror.log.last_seq}
        lagging = {key: mirror for key, mirror in behind.items() if not self._is_fed(mirror)}
        for mirror in behind.values():
            mirror.stood_at = mirror.log.last_seq
        return lagging

    def _is_fed(self, mirror: Mirror) -> bool:
        return self.feed is not None and mirror.stood_at != mirror.log.last_seq


def catch_up(event_log: EventLog, checkpoint: Checkpoint) -> None:
    """Bring a mirror to where SQL is, if it is not there yet."""
    generation = checkpoint.generation
    last_seq = generation.last_seq or 0
    if generation.state.is_running:
        if last_seq > event_log.last_seq:
            event_log.restart(last_seq, generation.opening, checkpoint.text, checkpoint.reasoning)
        return
    before_the_end = last_seq - (2 if checkpoint.usage else 1)
    if before_the_end > event_log.last_seq:
        event_log.restart(before_the_end, generation.opening, checkpoint.text, checkpoint.reasoning)
    if checkpoint.usage and event_log.last_seq == before_the_end:
        event_log.append("usage", dict(checkpoint.usage))
    event_log.append(f"generation.{generation.state}", generation.ending)

"""Generations belong to the server: the runner holds them for the life of the process, and connections only look on."""

import asyncio
import logging
from collections.abc import Iterator
from contextlib import AsyncExitStack, contextmanager
from datetime import datetime, timedelta

from chatkeep.chat.accounting import Accounting
from chatkeep.chat.answering import Answering, Equipment
from chatkeep.chat.checkpoints import Checkpoints
from chatkeep.chat.drawing_on import DrawingOn
from chatkeep.chat.event_feed import EventFeed
from chatkeep.chat.event_log import EventLog
from chatkeep.chat.mirrors import Mirrors
from chatkeep.chat.records import LOGIN_ENDED, Generation, State
from chatkeep.chat.recovery import Earshot, recover
from chatkeep.chat.titling import Titling, Untitled
from chatkeep.db import Database, DatabaseClock
from chatkeep.identity import OwnerId, WatchLogin
from chatkeep.limits.turns import Turns
from chatkeep.llm.model import ChatModel
from chatkeep.outages import AWAY

log = logging.getLogger(__name__)

RECOVERY_SECONDS = 5.0
# At the end: beyond this a database that does not answer is no reason to stay.
SAVE_SECONDS = 8.0
_LOOK_FOR_HURRY_SECONDS = 0.25
_LOOK_FOR_SILENCE_SECONDS = 1.0
# Where nobody says otherwise.
ANSWERS_AT_ONCE = 256
# An ended log stays for those who reload; after that the message itself is the record.
KEEP_ENDED_LOG_SECONDS = 300.0
MAX_ENDED_LOG_BYTES = 64 * 1024 * 1024


class GenerationRunner:
    """Runs generations, keeps their logs, saves their text. Opened and closed by the application's lifespan."""

    def __init__(  # noqa: PLR0913 - the composition root alone calls it, and names them
        self,
        database: Database,
        chat_model: ChatModel,
        accounting: Accounting,
        *,
        clock: DatabaseClock | None = None,
        turns: Turns | None = None,
        feed: EventFeed | None = None,
        titling: Titling | None = None,
        drawing_on: DrawingOn | None = None,
        drain_seconds: float = 0.0,
    ) -> None:
        self._database = database
        self.accounting = accounting
        self._clock = clock or DatabaseClock(database)
        self._now = self._clock.now
        turns = turns or Turns(ANSWERS_AT_ONCE, ANSWERS_AT_ONCE)
        self.drawing_on = drawing_on or DrawingOn(accounting.catalogue)
        self._equipment = Equipment(database, chat_model, accounting, turns, self._now, self.drawing_on)
        self.earshot = Earshot(self._now)
        self._working: dict[str, Answering] = {}
        self._checkpoints = Checkpoints(database, self._working, self._now)
        self._logs: dict[str, EventLog] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._clockwork: list[asyncio.Task[None]] = []
        self._feed = feed
        self._feeding = AsyncExitStack()
        self._mirrors = Mirrors(database, feed)
        self._titling = titling
        self._drain_seconds = drain_seconds
        self.draining = False
        self.hurried = False

    def now(self) -> datetime:
        """By the clock that signs of life are told by."""
        return self._now()

    async def open(self) -> None:
        """Recover what a former process left, and set checkpoints and heartbeats going."""
        await self._clock.compare()
        if self._feed is not None:
            await self._feeding.enter_async_context(self._feed.running(self._stop_here))
        # With SQLite there is no other process: whatever claims to run at the start does not.
        await self.recover(everything=self._database.is_sqlite)
        # Tasks of their own, so that a database that hangs does not silence the heartbeats.
        self._clockwork = [
            asyncio.create_task(self._keep_checkpointing(), name="generation-checkpoints"),
            asyncio.create_task(self._keep_beating(), name="generation-heartbeats"),
            asyncio.create_task(self._mirrors.keep_up(), name="generation-mirrors"),
        ]

    async def drain(self) -> None:
        """Take nothing new, let what runs end for a while (unless `hurried`), and interrupt the rest, with its text."""
        self.draining = True
        if self._titling is not None:
            self._titling.stop()
        deadline = asyncio.get_running_loop().time() + self._drain_seconds
        while self._tasks and not self.hurried and (left := deadline - asyncio.get_running_loop().time()) > 0:
            await asyncio.wait(self._tasks, timeout=min(left, _LOOK_FOR_HURRY_SECONDS))
        await self._interrupt_all()

    async def _interrupt_all(self) -> None:
        for answering in self._working.values():
            answering.cancel(State.INTERRUPTED, "shutdown")
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=SAVE_SECONDS)
        self._mirrors.leave()
        for event_log in self._logs.values():
            if not event_log.ended:
                event_log.leave()

    async def aclose(self) -> None:
        """Interrupt what runs, and stop the clockwork."""
        self.draining = True
        await self._interrupt_all()
        if self._titling is not None:
            await self._titling.aclose()
        await self._feeding.aclose()
        for task in self._clockwork:
            task.cancel()
        if self._clockwork:
            await asyncio.wait(self._clockwork)

    def start(
        self, owner: OwnerId, generation: Generation, watch_login: WatchLogin, untitled: Untitled | None = None
    ) -> None:
        """Begin; to be called once the generation's row is committed. It ends with the login that asked for it.

        Args:
            untitled: the chat, where the answer may bring it a title.
        """
        answering = self._working[generation.id] = Answering(self._equipment, owner, generation)
        self._logs[generation.id] = answering.log
        if self.draining:
            # Accepted just before the drain began, and committed just after.
            answering.cancel(State.INTERRUPTED, "shutdown")
        if self._feed is not None:
            self._feed.publish(owner, answering.log)
        task = answering.start()
        self._tasks.add(task)
        task.add_done_callback(lambda done: self._on_done(answering, done))
        forget_login = watch_login(lambda: answering.cancel(State.INTERRUPTED, LOGIN_ENDED))
        task.add_done_callback(lambda _: forget_login())
        if untitled is not None and self._titling is not None:
            titling = self._titling
            task.add_done_callback(lambda _: _have_titled(titling, owner, untitled, answering, watch_login))

    def find_log(self, generation_id: str) -> EventLog | None:
        """The log of a generation that runs here or ended here a short while ago."""
        return self._logs.get(generation_id)

    def ended_at(self, generation: Generation) -> int | None:
        """The number of its last event; None while there may be more."""
        if event_log := self.find_log(generation.id):
            return event_log.last_seq if event_log.ended else None
        return None if generation.state.is_running else generation.last_seq

    def is_readable(self, generation: Generation) -> bool:
        """Whether its events can be followed here: it runs, wherever that is, or it ended a short while ago."""
        if generation.state.is_running or generation.id in self._logs:
            return True
        kept_since = self._now() - timedelta(seconds=KEEP_ENDED_LOG_SECONDS)
        return generation.finished_at is not None and generation.finished_at > kept_since

    @contextmanager
    def following(self, owner: OwnerId, generation: Generation) -> Iterator[EventLog]:
        """The log of a generation that the caller has found to be the owner's; to be followed within the block."""
        if event_log := self.find_log(generation.id):
            yield event_log
        else:
            with self._mirrors.following(owner, generation) as event_log:
                yield event_log

    def stop(self, generation_id: str) -> None:
        """End a generation that has a mark in SQL, wherever it runs; what was written so far is kept.

        Its process finds the mark at the next checkpoint. If there is a feed, it need not wait for that.
        """
        if not self._stop_here(generation_id) and self._feed is not None:
            self._feed.stop(generation_id)

    def _stop_here(self, generation_id: str) -> bool:
        answering = self._working.get(generation_id)
        if answering is not None:
            answering.cancel(State.STOPPED)
        return answering is not None

    async def recover(self, *, everything: bool) -> int:
        """Interrupt what nobody is writing; with `everything`, without waiting for a sign of life."""
        await self._clock.compare()
        now = self._now()
        earshot = None if everything else self.earshot
        count = await recover(self._database, now, self._working.keys(), self._feed, earshot=earshot)
        await self.accounting.settle_left(self._database, self._working.keys(), now, everything=everything)
        return count

    def _on_done(self, answering: Answering, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        self._working.pop(answering.generation.id, None)

    async def _keep_checkpointing(self) -> None:
        loop = asyncio.get_running_loop()
        next_recovery = loop.time() + RECOVERY_SECONDS
        while True:
            try:
                await self._checkpoints.go_round()
                if loop.time() >= next_recovery:
                    next_recovery = loop.time() + RECOVERY_SECONDS
                    await self.recover(everything=False)
            except AWAY:
                if self.earshot.lose():
                    log.warning("the database does not answer; answers go on, and will be saved when it does")
            except Exception:  # whatever it is, it must not end all checkpoints after it
                log.exception("recovery failed; it will be tried again")

    async def _checkpoint(self) -> None:
        """Of all that is being written, now."""
        await self._checkpoints.save(list(self._working.values()))

    async def _keep_beating(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(_LOOK_FOR_SILENCE_SECONDS)
            for answering in self._working.values():
                if answering.is_writing:
                    answering.beat()
            self._forget_ended_logs(loop.time())

    def _forget_ended_logs(self, now: float) -> None:
        kept_bytes = 0
        # The newest first: when memory is short it is the oldest that go.
        for generation_id, event_log in reversed(list(self._logs.items())):
            if event_log.ended:
                kept_bytes += event_log.size
                if now - event_log.last_append >= KEEP_ENDED_LOG_SECONDS or kept_bytes > MAX_ENDED_LOG_BYTES:
                    del self._logs[generation_id]


def _have_titled(
    titling: Titling, owner: OwnerId, untitled: Untitled, answering: Answering, watch_login: WatchLogin
) -> None:
    if answering.completed and answering.model is not None:
        titling.begin(owner, untitled, answering.log.text, answering.model, watch_login)

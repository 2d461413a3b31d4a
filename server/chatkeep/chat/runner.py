"""Generations belong to the server: the runner holds them for the life of the process, and connections only look on.

start ──> generation.created ──> message.delta … ──> usage ──> one terminal event
│ once a second: text and seq to SQL, heartbeat, "was a stop asked for?"
"""

import asyncio
import logging
from collections.abc import Callable
from contextlib import aclosing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from chatkeep.chat.catalogue import ModelCatalogue
from chatkeep.chat.event_log import EventLog
from chatkeep.chat.generations import beat, finish_generation, list_stale
from chatkeep.chat.messages import find_message, list_path, write_answer, write_texts
from chatkeep.chat.prompt import build_prompt
from chatkeep.chat.records import Generation, State
from chatkeep.db import Database
from chatkeep.identity import OwnerId
from chatkeep.llm.model import ChatModel, ModelError, Usage

log = logging.getLogger(__name__)

CHECKPOINT_SECONDS = 1.0
HEARTBEAT_SECONDS = 15.0
# An ended log stays for those who reload; after that the message itself is the record.
KEEP_ENDED_LOG_SECONDS = 300.0
MAX_ENDED_LOG_BYTES = 64 * 1024 * 1024
STALE_AFTER = timedelta(seconds=30)
MAX_CONTEXT_MESSAGES = 400


@dataclass(slots=True)
class Running:
    """A generation at work: its log, its task, and what has been learnt so far."""

    owner: OwnerId
    generation: Generation
    log: EventLog
    task: asyncio.Task[None] | None = None
    model: str | None = None
    usage: Usage | None = None
    finish_reason: str | None = None
    ending: State | None = None
    reason: str = ""
    saved_seq: int = 0
    began: bool = False


class GenerationRunner:
    """Runs generations, keeps their logs, saves their text. Created and closed by the application's lifespan."""

    def __init__(
        self,
        database: Database,
        chat_model: ChatModel,
        catalogue: ModelCatalogue,
        context_tokens: int,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._database = database
        self._chat_model = chat_model
        self._catalogue = catalogue
        self._context_tokens = context_tokens
        self._now = now
        self._running: dict[str, Running] = {}
        self._logs: dict[str, EventLog] = {}
        self._wheel: asyncio.Task[None] | None = None
        self.draining = False

    async def open(self) -> None:
        """Recover what a former process left, and set the wheel of checkpoints and heartbeats going."""
        await self.recover(everything=self._database.is_sqlite)
        self._wheel = asyncio.create_task(self._turn_wheel(), name="generation-wheel")

    async def drain(self, reason: str = "shutdown") -> None:
        """Take nothing new, and end every running generation as interrupted, with its text."""
        self.draining = True
        tasks = [running.task for running in self._running.values() if running.task is not None]
        for running in list(self._running.values()):
            self._cancel(running, State.INTERRUPTED, reason)
        if tasks:
            await asyncio.wait(tasks)

    async def aclose(self) -> None:
        """Drain, and stop the wheel."""
        await self.drain()
        if self._wheel is not None:
            self._wheel.cancel()
            await asyncio.wait([self._wheel])

    def start(self, owner: OwnerId, generation: Generation) -> None:
        """Begin; to be called once the generation's row is committed."""
        event_log = self._logs[generation.id] = EventLog(generation.id)
        event_log.append(
            "generation.created",
            {
                "session_id": generation.session_id,
                "user_message_id": generation.user_message_id,
                "message_id": generation.message_id,
                "model": generation.model,
            },
        )
        running = self._running[generation.id] = Running(owner, generation, event_log, model=generation.model)
        running.task = asyncio.create_task(self._run(running), name=f"generation-{generation.id}")

    def find_log(self, generation_id: str) -> EventLog | None:
        """The log of a generation that runs here or ended here a short while ago."""
        return self._logs.get(generation_id)

    def stop(self, generation_id: str) -> None:
        """End a generation that runs here; what was written so far is kept. Without effect on any other."""
        running = self._running.get(generation_id)
        if running is not None:
            self._cancel(running, State.STOPPED, "")

    async def recover(self, *, everything: bool) -> int:
        """Mark generations without a living runner as interrupted; returns how many.

        With SQLite there is no other process: at start, whatever claims to run does not.
        """
        before = self._now() if everything else self._now() - STALE_AFTER
        async with self._database.writing() as db:
            stale = [item for item in await list_stale(db, before) if item.id not in self._running]
            for item in stale:
                message = await find_message(db, item.owner, item.message_id)
                if message is not None:
                    await write_answer(db, item.owner, item.message_id, message.content, State.INTERRUPTED)
                await finish_generation(db, item.id, State.INTERRUPTED, self._now())
        return len(stale)

    def _cancel(self, running: Running, ending: State, reason: str) -> None:
        if running.ending is None and running.task is not None:
            running.ending, running.reason = ending, reason
            # A task that is cancelled before its first step never runs at all, and would never reach its end.
            if running.began:
                running.task.cancel()

    async def _run(self, running: Running) -> None:
        """The life of one generation: whatever happens, it reaches a final state and a terminal event."""
        error: ModelError | None = None
        running.began = True
        try:
            if running.ending is None:
                await self._answer(running)
        except asyncio.CancelledError:
            running.ending = running.ending or State.INTERRUPTED
        except ModelError as model_error:
            error = model_error
        except Exception:  # whatever breaks in here must not leave the generation running for ever
            log.exception("generation %s failed", running.generation.id)
            error = ModelError("The answer could not be written because of a fault in the server.")
        await self._finish(running, error)

    async def _answer(self, running: Running) -> None:
        generation = running.generation
        if running.model is None:
            running.model = await self._catalogue.default()
        async with self._database.reading() as db:
            path = await list_path(
                db, running.owner, generation.session_id, generation.user_message_id, MAX_CONTEXT_MESSAGES
            )
        prompt = build_prompt(path, self._context_tokens)
        async with aclosing(self._chat_model.stream(running.model, prompt)) as chunks:
            async for chunk in chunks:
                if chunk.text:
                    running.log.append_text(chunk.text)
                running.usage = chunk.usage or running.usage
                running.finish_reason = chunk.finish_reason or running.finish_reason

    async def _finish(self, running: Running, error: ModelError | None) -> None:
        # From here on the ending is decided: a stop or a drain that comes now finds it so, and cancels nothing.
        state = running.ending = running.ending or (State.FAILED if error else State.COMPLETED)
        event_log = running.log
        usage = _usage_fields(running.usage)
        failure = None
        if state is State.FAILED and error is not None:
            failure = {"code": error.code, "message": error.message, "retryable": error.retryable}
        try:
            await self._save(running, state, event_log.last_seq + (2 if usage else 1), usage, failure)
        except Exception:  # the database is away: followers still get their end, and recovery repairs the row later
            log.exception("generation %s ended but could not be saved", running.generation.id)
        if usage:
            event_log.append("usage", usage)
        match state:
            case State.COMPLETED:
                event_log.append("generation.completed", {"finish_reason": running.finish_reason or "stop"})
            case State.FAILED:
                event_log.append("generation.failed", failure)
            case State.STOPPED:
                event_log.append("generation.stopped")
            case _:
                event_log.append("generation.interrupted", {"reason": running.reason or "shutdown"})
        self._running.pop(running.generation.id, None)

    async def _save(
        self,
        running: Running,
        state: State,
        last_seq: int,
        usage: dict[str, int] | None,
        failure: dict[str, object] | None,
    ) -> None:
        generation = running.generation
        async with self._database.writing() as db:
            if await finish_generation(db, generation.id, state, self._now(), last_seq=last_seq, model=running.model):
                await write_answer(
                    db,
                    running.owner,
                    generation.message_id,
                    running.log.text,
                    state,
                    running.model,
                    usage,
                    failure,
                )

    async def _turn_wheel(self) -> None:
        """One task for all generations: checkpoints, heartbeats, forgetting, recovery."""
        loop = asyncio.get_running_loop()
        next_recovery = loop.time() + STALE_AFTER.total_seconds()
        while True:
            await asyncio.sleep(CHECKPOINT_SECONDS)
            try:
                await self._checkpoint_all()
                if loop.time() >= next_recovery:
                    next_recovery = loop.time() + STALE_AFTER.total_seconds()
                    await self.recover(everything=False)
            except Exception:  # a database that is away for a while must not end all checkpoints after it
                log.exception("checkpoint failed; it will be tried again")
            self._beat_and_forget(loop.time())

    async def _checkpoint_all(self) -> None:
        working = {key: running for key, running in self._running.items() if not running.log.ended}
        if not working:
            return
        async with self._database.writing() as db:
            going = await beat(db, list(working), self._now())
            changed = [working[key] for key in going if working[key].log.last_seq != working[key].saved_seq]
            # Taken at one moment, before the write: what is appended meanwhile belongs to the next checkpoint.
            seqs = [running.log.last_seq for running in changed]
            if changed:
                await write_texts(db, {running.generation.message_id: running.log.text for running in changed})
        for running, seq in zip(changed, seqs, strict=True):
            running.saved_seq = seq
        for key, stop_requested in going.items():
            if stop_requested:
                self.stop(key)

    def _beat_and_forget(self, now: float) -> None:
        kept_bytes = 0
        # The newest first: when memory is short it is the oldest ended logs that go.
        for generation_id, event_log in reversed(list(self._logs.items())):
            silence = now - event_log.last_append
            if not event_log.ended:
                if silence >= HEARTBEAT_SECONDS:
                    event_log.append("heartbeat")
                continue
            kept_bytes += event_log.size
            if silence >= KEEP_ENDED_LOG_SECONDS or kept_bytes > MAX_ENDED_LOG_BYTES:
                del self._logs[generation_id]


def _usage_fields(usage: Usage | None) -> dict[str, int] | None:
    return {"prompt_tokens": usage.prompt_tokens, "completion_tokens": usage.completion_tokens} if usage else None

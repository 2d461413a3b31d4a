"""One generation at work: from the prompt to its final state, whatever happens on the way.

generation.created ──> (retrieval.completed ──>) (reasoning.delta … ──>) message.delta … ──> usage ──> one terminal
event, once SQL holds the same
"""

import asyncio
import logging
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from datetime import datetime
from functools import partial

from chatkeep.chat.accounting import Accounting, estimate_prompt, mark_turns
from chatkeep.chat.drawing_on import DrawingOn, Grounds
from chatkeep.chat.event_log import EventLog
from chatkeep.chat.generations import Ending, find_generation, finish_generation
from chatkeep.chat.messages import write_answer, write_reasonings, write_sources
from chatkeep.chat.records import Generation, State
from chatkeep.chat.traces import write_retrieval
from chatkeep.db import Database, Db
from chatkeep.errors import ChatkeepError
from chatkeep.identity import OwnerId
from chatkeep.limits.quotas import Outcome
from chatkeep.limits.tokens import Tokens
from chatkeep.limits.turns import Turns
from chatkeep.llm.model import ChatModel, Chunk, ModelError, PromptMessage, Usage
from chatkeep.outages import AWAY
from chatkeep.rag import quotes
from chatkeep.settings_quotas import MICROS

log = logging.getLogger(__name__)

_HEARTBEAT_SECONDS = 15.0
_AGAIN_SECONDS = 1.0
# Of HTTP: what is refused so is no fault of the question.
_MAY_WORK_LATER = 500


@dataclass(frozen=True, slots=True)
class Equipment:
    """What every answering needs, the same for all of them."""

    database: Database
    chat_model: ChatModel
    accounting: Accounting
    turns: Turns
    now: Callable[[], datetime]
    drawing_on: DrawingOn


class Answering:
    """A generation that runs in this process. `log` is what its followers see."""

    def __init__(self, equipment: Equipment, owner: OwnerId, generation: Generation) -> None:
        self._equipment = equipment
        self._owner = owner
        self.generation = generation
        self.log = EventLog(generation.id)
        self.checkpointed_seq = 0
        self.checkpointed_reasoning_length = 0
        # Whether it has come to its end by itself, and SQL says so.
        self.completed = False
        # Whether it waits for its turn, and whether SQL has been told so; the checkpoints tell it.
        self.waits = False
        self.told_to_wait = False
        self._task: asyncio.Task[None] | None = None
        self._began = False
        self._ending: State | None = None
        self._reason = "shutdown"
        self._failure: dict[str, object] | None = None
        self.model = generation.model
        self._grounds: Grounds | None = None
        self._usage: Usage | None = None
        self._provider: str | None = None
        self._prompt_tokens = 0
        self._finish_reason = "stop"

    @property
    def is_writing(self) -> bool:
        """Whether more text may come."""
        return self._ending is None

    def start(self) -> asyncio.Task[None]:
        """Begin; to be called once the generation's row is committed."""
        self.log.append("generation.created", self.generation.opening)
        self._task = asyncio.create_task(self._run(), name=f"generation-{self.generation.id}")
        return self._task

    def cancel(self, ending: State, reason: str = "") -> None:
        """End it so; what was written is kept. Without effect when its ending is decided already."""
        if self._ending is not None:
            return
        self._ending, self._reason = ending, reason
        # A task that is cancelled before its first step never runs at all, and would never reach its end.
        if self._began and self._task is not None:
            self._task.cancel()

    def beat(self) -> None:
        """After a while of silence say that there is somebody."""
        if asyncio.get_running_loop().time() - self.log.last_append >= _HEARTBEAT_SECONDS:
            self.log.append("heartbeat")

    async def _run(self) -> None:
        self._began = True
        try:
            if self._ending is None:
                await self._answer()
        except asyncio.CancelledError:
            self._ending = self._ending or State.INTERRUPTED
        except ModelError as error:
            self._fail(error.code, error.message, retryable=error.retryable)
        except ChatkeepError as refusal:
            self._fail(refusal.code, refusal.detail, retryable=refusal.status >= _MAY_WORK_LATER)
        except Exception:  # whatever breaks in here must not leave the generation running for ever
            log.exception("generation %s failed", self.generation.id)
            message = "The answer could not be written because of a fault in the server."
            self._fail(ModelError.code, message, retryable=True)
        # From here on the ending is decided: a stop or a drain that comes now finds it so, and cancels nothing.
        self._ending = self._ending or State.COMPLETED
        await self._tell_end(self._ending)

    async def _answer(self) -> None:
        equipment = self._equipment
        if self.model is None:
            self.model = await equipment.accounting.catalogue.default()
        known = equipment.accounting.catalogue.find_known(self.model)
        lane = (known.id, known.slots) if known else (self.model, None)
        async with equipment.turns.turn(self._owner, self._wait, *lane):
            await self._ask(self.model)

    def _wait(self, position: int) -> None:
        self.waits = True
        self.log.append("generation.queued", {"position": position})

    async def _ask(self, model: str) -> None:
        equipment = self._equipment
        self.waits = False
        prompt: Sequence[PromptMessage] = await self._read_prompt()
        if self.generation.documents is not None:
            prompt = await self._find_passages(prompt)
        self._prompt_tokens = estimate_prompt(prompt)
        if model == quotes.MODEL:
            await self._hear(equipment.drawing_on.quote(self._grounds))
        else:
            await self._hear(equipment.chat_model.stream(model, prompt))

    async def _hear(self, answer: AsyncGenerator[Chunk, None]) -> None:
        checked = self._grounds.checked if self._grounds else None
        try:
            async with aclosing(answer) as chunks:
                async for chunk in chunks:
                    if chunk.reasoning:
                        self.log.append_reasoning(chunk.reasoning)
                    if text := checked.feed(chunk.text) if checked else chunk.text:
                        self.log.append_text(text)
                    self._usage = chunk.usage or self._usage
                    self._provider = chunk.provider or self._provider
                    self._finish_reason = chunk.finish_reason or self._finish_reason
        finally:
            # However it ends, what was held back to be checked is part of it.
            if checked and (text := checked.end()):
                self.log.append_text(text)

    async def _find_passages(self, prompt: Sequence[PromptMessage]) -> Sequence[PromptMessage]:
        """The prompt with what was found."""
        while self._grounds is None:
            try:
                self._grounds = await self._look(prompt)
            except AWAY:
                await asyncio.sleep(_AGAIN_SECONDS)
        self.log.append_sources(self._grounds.sources)
        return self._grounds.prompt

    async def _look(self, prompt: Sequence[PromptMessage]) -> Grounds:
        """What is found is written down before it is told: whoever comes later is told the same."""
        equipment, owner, message_id = self._equipment, self._owner, self.generation.message_id
        context_tokens, now = equipment.accounting.context_tokens, equipment.now()
        grounds = await equipment.drawing_on.find(owner, self.generation, prompt, context_tokens)
        citable, trace = grounds.citable, grounds.told
        await equipment.database.write(owner, lambda db: write_retrieval(db, owner, message_id, citable, trace, now))
        return grounds

    async def _read_prompt(self) -> list[PromptMessage]:
        """What the model is asked. A database that is away is waited for: it is no reason to give an answer up."""
        database, accounting = self._equipment.database, self._equipment.accounting
        while True:
            try:
                if self.told_to_wait:
                    await database.write(self._owner, lambda db: mark_turns(db, [self.generation], State.RUNNING))
                return await database.read(
                    self._owner, lambda db: accounting.prompt_for(db, self._owner, self.generation)
                )
            except AWAY:
                await asyncio.sleep(_AGAIN_SECONDS)

    def _fail(self, code: str, message: str, *, retryable: bool) -> None:
        if self._ending is None:
            self._ending = State.FAILED
            self._failure = {"code": code, "message": message, "retryable": retryable}

    async def _tell_end(self, decided: State) -> None:
        """Not before SQL holds it: in an outage somebody else may find this generation dead, and write that down."""
        while (ending := await self._save(decided)) is None:
            await asyncio.sleep(_AGAIN_SECONDS)
            self.beat()
        if usage := self._usage_fields():
            self.log.append("usage", usage)
        self.log.append(f"generation.{ending.state}", ending.fields)
        self.completed = ending.state is State.COMPLETED

    async def _save(self, decided: State) -> Ending | None:
        """Write the ending down, or learn which one somebody else wrote first; None while the database is away."""
        last_seq = self.log.last_seq + (2 if self._usage else 1)
        ending = Ending(decided, self._fields_of(decided), last_seq, self.model)
        try:
            write = partial(self._write_ending, ending=ending, outcome=self._outcome(decided))
            return await self._equipment.database.write(self._owner, write)
        except AWAY:
            # The checkpoints say so in the log, once and for all answers.
            return None
        except Exception:  # whatever keeps it from being saved now, there is only trying again
            log.exception("generation %s ended and could not be saved yet", self.generation.id)
            return None

    async def _write_ending(self, db: Db, ending: Ending, outcome: Outcome) -> Ending:
        now = self._equipment.now()
        won = await finish_generation(db, self.generation.id, ending, now)
        # Even so: whoever was first may not have known how much was written.
        await self._equipment.accounting.quotas.settle(db, self._owner, self.generation.id, outcome, now)
        if won:
            await self._write_answer(db, ending.state)
            return ending
        row = await find_generation(db, self._owner, self.generation.id)
        if row is None:
            # Deleted with its chat: that counts as a stop.
            return Ending(State.STOPPED, {}, ending.last_seq, None)
        return Ending(row.state, row.ending or {}, ending.last_seq, row.model)

    def _outcome(self, ending: State) -> Outcome:
        usage, written = self._usage, sum(len(text.encode()) for text in (self.log.text, self.log.reasoning))
        # An endpoint that fails before it has said anything has given nothing.
        prompt_tokens = 0 if ending is State.FAILED and not written else self._prompt_tokens
        reported = Tokens(usage.prompt_tokens, usage.completion_tokens) if usage else None
        known_as = self._equipment.accounting.known_as(self.model)
        return Outcome(reported, written, prompt_tokens, known_as, self._provider)

    async def _write_answer(self, db: Db, status: State) -> None:
        usage = self._usage_fields()
        message_id = self.generation.message_id
        await write_answer(db, self._owner, message_id, self.log.text, status, self.model, usage, self._failure)
        if self._grounds is not None:
            await write_sources(db, self._owner, message_id, self._grounds.cited)
        if self.log.reasoning:
            await write_reasonings(db, {message_id: self.log.reasoning})

    def _fields_of(self, ending: State) -> dict[str, object]:
        match ending:
            case State.COMPLETED:
                return {"finish_reason": self._finish_reason}
            case State.FAILED:
                return self._failure or {}
            case State.INTERRUPTED:
                return {"reason": self._reason}
            case _:
                return {}

    def _usage_fields(self) -> dict[str, float] | None:
        if self._usage is None:
            return None
        tokens = Tokens(self._usage.prompt_tokens, self._usage.completion_tokens)
        fields: dict[str, float] = {"prompt_tokens": tokens.prompt, "completion_tokens": tokens.completion}
        accounting = self._equipment.accounting
        prices, model = accounting.quotas.prices, accounting.known_as(self.model)
        if prices.find(model) is not None:
            fields["cost"] = prices.cost_micros(model, tokens) / MICROS
        return fields

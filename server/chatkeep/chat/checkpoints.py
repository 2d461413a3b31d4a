"""Checkpoints: what is being written is saved while it is, so that a crash loses a second or two of it.

They go round: a slice of the answers at a time, in a short transaction, and the slices spread over the round. All at
once would hold the event loop and the one writer for as long as it takes, every second.
"""

import asyncio
import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Self

from chatkeep.chat.accounting import mark_turns
from chatkeep.chat.answering import Answering
from chatkeep.chat.generations import beat
from chatkeep.chat.messages import write_reasonings, write_texts
from chatkeep.chat.records import Generation, State
from chatkeep.db import Database, Db
from chatkeep.outages import AWAY
from chatkeep.row_security import EVERYBODY

log = logging.getLogger(__name__)

ROUND_SECONDS = 1.0
# Where there are many answers a round may take longer, up to this; it is what a crash can cost.
LONGEST_ROUND_SECONDS = 2.0
_MANY = 2000
# Of one slice: some milliseconds of the event loop.
_ANSWERS = 200
_CHARACTERS = 1024 * 1024


class Checkpoints:
    """Of all answers that `working` holds, by generation id, while they are being written."""

    def __init__(self, database: Database, working: Mapping[str, Answering], now: Callable[[], datetime]) -> None:
        self._database = database
        self._working = working
        self._now = now

    async def go_round(self) -> None:
        """Save all of them once, in the course of a second or two.

        Raises:
            Exception: one of `AWAY`: there is nowhere to save them to.
        """
        slices = list(_slices(list(self._working.values())))
        seconds = min(max(ROUND_SECONDS, ROUND_SECONDS * len(self._working) / _MANY), LONGEST_ROUND_SECONDS)
        for answerings in slices:
            await asyncio.sleep(seconds / len(slices))
            try:
                await self.save(answerings)
            except AWAY:
                raise
            except Exception:  # whatever is wrong with one slice must not keep the others from being saved
                log.exception("checkpoint failed; it will be tried again")

    async def save(self, answerings: Sequence[Answering]) -> None:
        """A sign of life of each, and the text of those that have more of it."""
        writing = [answering for answering in answerings if answering.is_writing]
        if not writing:
            return
        # At one moment, before the write: what is appended meanwhile belongs to the next checkpoint.
        taken = [_Taken.of(answering) for answering in writing]
        waiting = [answering for answering in writing if answering.waits and not answering.told_to_wait]
        # Known to be told before it is: whoever gets their turn meanwhile has to take it back.
        for answering in waiting:
            answering.told_to_wait = True
        now, queued = self._now(), [answering.generation for answering in waiting]
        going = await self._database.write(EVERYBODY, lambda db: _write(db, taken, queued, now))
        for answering, saved in zip(writing, taken, strict=True):
            answering.checkpointed_seq = saved.seq
            answering.checkpointed_reasoning_length = saved.reasoning_length
            # Somebody asked for a stop; or the row is gone or ended by another process, and nobody waits for more.
            if going.get(saved.id, True):
                answering.cancel(State.STOPPED)


@dataclass(frozen=True, slots=True)
class _Taken:
    """An answer as it stood at one moment; None: as SQL has it already."""

    id: str
    message_id: str
    seq: int
    text: str | None
    reasoning: str | None
    reasoning_length: int

    @classmethod
    def of(cls, answering: Answering) -> Self:
        event_log = answering.log
        changed = event_log.last_seq != answering.checkpointed_seq
        # Thoughts end before the text begins: they are written while they grow, and not with all that follows.
        thinking = event_log.reasoning_length != answering.checkpointed_reasoning_length
        return cls(
            answering.generation.id,
            answering.generation.message_id,
            event_log.last_seq,
            event_log.text if changed else None,
            event_log.reasoning if thinking else None,
            event_log.reasoning_length,
        )


async def _write(db: Db, taken: Sequence[_Taken], queued: Sequence[Generation], now: datetime) -> dict[str, bool]:
    """Returns what `beat` does."""
    going = await beat(db, {answer.id: answer.seq for answer in taken}, now)
    if waiting := [generation for generation in queued if generation.id in going]:
        await mark_turns(db, waiting, State.QUEUED)
    lasting = [answer for answer in taken if answer.id in going]
    if texts := {answer.message_id: answer.text for answer in lasting if answer.text is not None}:
        await write_texts(db, texts)
    if thoughts := {answer.message_id: answer.reasoning for answer in lasting if answer.reasoning is not None}:
        await write_reasonings(db, thoughts)
    return going


def _slices(answerings: Sequence[Answering]) -> Iterator[Sequence[Answering]]:
    """Together all of them; at least one slice, so that a round without answers takes its time too."""
    start = characters = 0
    for index, answering in enumerate(answerings):
        length = answering.log.text_length + answering.log.reasoning_length
        characters += length
        if index - start >= _ANSWERS or characters > _CHARACTERS:
            yield answerings[start:index]
            start, characters = index, length
    yield answerings[start:]

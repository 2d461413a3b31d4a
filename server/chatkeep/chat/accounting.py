"""What answers cost their owners: reserved with the message, settled with the ending, and never forgotten.

An answer that ends here is settled in the transaction that writes its ending. All others, whose process died or whose
chat is gone, are found by their reservations: whatever holds a quota and runs nowhere is settled by what SQL has of it.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from chatkeep.chat.generations import find_generation, list_running_ids, set_states
from chatkeep.chat.messages import find_message, list_path, set_statuses
from chatkeep.chat.prompt import build_prompt, estimate_tokens, passage_tokens
from chatkeep.chat.records import Generation, Message, State
from chatkeep.db import Database, Db
from chatkeep.identity import OwnerId
from chatkeep.limits.ledger import Kind, Record, list_held, list_held_ids, mark_waiting
from chatkeep.limits.quotas import Claim, Outcome, Payer, Quotas
from chatkeep.llm.catalogue import ModelCatalogue
from chatkeep.llm.model import PromptMessage
from chatkeep.row_security import EVERYBODY

# More than any context holds: what is beyond it cannot reach the model.
_MAX_BYTES_PER_CONTEXT_TOKEN = 8
# Held of a quota for an answer. A context may be a thousand times as large, and would hold all there is.
_MOST_HELD_TOKENS = 4096
# Nothing tells whether these are still being written, but none lasts as long as this.
_LOST_AFTER: dict[Kind, timedelta] = {"completions": timedelta(hours=2), "title": timedelta(minutes=2)}


@dataclass(frozen=True, slots=True)
class Accounting:
    """The chats' side of the quotas. `context_tokens` bounds prompts; `catalogue` knows models by all their names."""

    quotas: Quotas
    catalogue: ModelCatalogue
    context_tokens: int

    async def prompt_for(self, db: Db, owner: OwnerId, generation: Generation) -> list[PromptMessage]:
        """What the generation's model is asked; there is room for passages where it draws on documents."""
        max_bytes = self.context_tokens * _MAX_BYTES_PER_CONTEXT_TOKEN
        path = await list_path(db, owner, generation.session_id, generation.user_message_id, max_bytes)
        return build_prompt(path, self.context_tokens - self._for_passages(generation))

    def _for_passages(self, generation: Generation) -> int:
        return passage_tokens(self.context_tokens) if generation.documents is not None else 0

    async def reserve(self, db: Db, owner: OwnerId, generation: Generation, payer: Payer, now: datetime) -> None:
        """Hold what the answer may use, in the transaction that has just written its question.

        Raises:
            QuotaExceeded: there is not as much left; nothing of the transaction may stay.
        """
        prompt_tokens = at_most = 0
        if self.quotas.need_estimate(payer.role):
            prompt_tokens = estimate_prompt(await self.prompt_for(db, owner, generation))
            prompt_tokens += self._for_passages(generation)
            at_most = min(self.context_tokens, _MOST_HELD_TOKENS)
        claim = Claim(generation.id, self.known_as(generation.model), prompt_tokens, at_most)
        await self.quotas.reserve(db, owner, payer, claim, now)

    def known_as(self, model: str | None) -> str | None:
        """Under another of its names a model is no other model, and has no other quota and no other price."""
        known = self.catalogue.find_known(model)
        return known.id if known else model

    async def settle_left(
        self, database: Database, alive: Collection[str], now: datetime, *, everything: bool = False
    ) -> None:
        """Settle what holds a quota and is written nowhere. With `everything` no other process can be writing."""
        living = frozenset(alive)
        lost_before = {kind: now if everything else now - lasts for kind, lasts in _LOST_AFTER.items()}
        left = await database.read(EVERYBODY, lambda db: _list_left(db, living, now, lost_before))
        for record in left:
            # One by one: who settles several at once, beside others who do, may wait for them while they wait.
            async with database.writing(record.owner) as db:
                outcome = await self._outcome_left(db, record)
                await self.quotas.settle(db, record.owner, record.id, outcome, now)

    async def _outcome_left(self, db: Db, record: Record) -> Outcome:
        """What an answer that nobody ended has used, as far as can be told."""
        if not record.was_asked:
            return Outcome(prompt_tokens=0)
        generation = await find_generation(db, record.owner, record.id)
        answer = await find_message(db, record.owner, generation.message_id) if generation else None
        if generation is None or answer is None:
            return Outcome()
        prompt = await self.prompt_for(db, record.owner, generation)
        return Outcome(None, written_bytes(answer), estimate_prompt(prompt), generation.model)


async def _list_left(
    db: Db, living: Collection[str], now: datetime, lost_before: Mapping[Kind, datetime]
) -> list[Record]:
    held = set(await list_held_ids(db, "chat", now))
    # Asked second, so that what begins in between is not taken for dead.
    ended = held.difference(living, await list_running_ids(db))
    # Hardly ever is there any: the records of thousands that run need not be read for it.
    left = [record for record in await list_held(db, "chat", now) if record.id in ended] if ended else []
    for kind, before in lost_before.items():
        left += await list_held(db, kind, before)
    return left


def estimate_prompt(prompt: Sequence[PromptMessage]) -> int:
    """Its tokens, on the high side."""
    return sum(estimate_tokens(message.content) for message in prompt)


def written_bytes(answer: Message) -> int:
    """What a model wrote into it."""
    return len(answer.content.encode()) + len((answer.reasoning or "").encode())


async def mark_turns(db: Db, waiting: Sequence[Generation], state: State) -> None:
    """Say of generations that they wait for their turn, `queued`, or that they have it, `running`."""
    await set_states(db, [generation.id for generation in waiting], state)
    await set_statuses(db, [generation.message_id for generation in waiting], state)
    await mark_waiting(db, [generation.id for generation in waiting], waiting=state is State.QUEUED)

"""Generations in SQL: one row per run of a model. A conditional update lets exactly one finaliser win."""

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import RowMapping, bindparam, func, insert, select, update
from sqlalchemy.exc import IntegrityError

from chatkeep.chat.errors import GenerationRunning, IdempotencyKeyReused
from chatkeep.chat.json_map import JsonMap, encode_map
from chatkeep.chat.records import Generation, State
from chatkeep.chat.tables import RUNNING_STATES, generations, messages
from chatkeep.db import Db
from chatkeep.identity import OwnerId
from chatkeep.prepared import Prepared

_IDS_PER_STATEMENT = 500
# Whatever every answer needs is put together once: that costs more than the database's part in running it.
_ADD = Prepared(insert(generations))
_MINE = select(generations).where(generations.c.owner == bindparam("of_owner"))
_FIND = Prepared(_MINE.where(generations.c.id == bindparam("of_id")))
_BY_KEY = Prepared(_MINE.where(generations.c.idempotency_key == bindparam("of_key")))
_RUNNING = Prepared(
    _MINE.where(generations.c.session_id == bindparam("of_session"), generations.c.state.in_(RUNNING_STATES))
)
_END = update(generations).where(generations.c.id == bindparam("generation"), generations.c.state.in_(RUNNING_STATES))
_FINISH = Prepared(_END)
_BEATING = JsonMap("beating", generations.c.id.type, generations.c.last_seq.type)
_BEAT = Prepared(
    update(generations)
    .where(generations.c.id == _BEATING.key, generations.c.state.in_(RUNNING_STATES))
    .values(heartbeat_at=bindparam("now"), last_seq=_BEATING.value)
    .returning(generations.c.id, generations.c.stop_requested_at)
)
_FIELDS = tuple(field.name for field in dataclasses.fields(Generation))
# A process that died may have told its followers of events that SQL has never heard of: no number is given out twice.
BEYOND_WHAT_WAS_LOST = 1_000_000


@dataclass(frozen=True, slots=True)
class Stale:
    """A generation whose runner is gone."""

    owner: OwnerId
    id: str
    message_id: str


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """What SQL holds of an answer: its text as of event `generation.last_seq`, and all of it once it has ended."""

    generation: Generation
    text: str
    reasoning: str
    usage: dict[str, int] | None
    citations: list[dict[str, Any]]

    @property
    def opening(self) -> dict[str, Any]:
        """What a snapshot says beside the text."""
        return self.generation.opening | ({"sources": self.citations} if self.citations else {})


async def add_generation(db: Db, owner: OwnerId, generation: Generation, now: datetime) -> None:
    """Begin a run.

    Raises:
        GenerationRunning: the session has one already.
        IdempotencyKeyReused: a request with the same key to another session got here first.
    """
    row = {name: getattr(generation, name) for name in _FIELDS} | {"state": generation.state.value}
    try:
        await db.execute(_ADD, {"owner": owner, "created_at": now, **row})
    except IntegrityError as error:
        # The last resort: senders to one session queue for its row, but a key can come with two sessions at once.
        if _violates(error, "uq_generations_idempotency", "generations.idempotency_key"):
            raise IdempotencyKeyReused from None
        if _violates(error, "uq_generations_running", "generations.session_id"):
            raise GenerationRunning from None
        raise


async def find_generation(db: Db, owner: OwnerId, generation_id: str) -> Generation | None:
    """The owner's generation, or None."""
    row = (await db.execute(_FIND, {"of_owner": owner, "of_id": generation_id})).mappings().first()
    return _generation(row) if row else None


async def find_by_key(db: Db, owner: OwnerId, idempotency_key: str) -> Generation | None:
    """The owner's generation that was begun with this Idempotency-Key, or None."""
    row = (await db.execute(_BY_KEY, {"of_owner": owner, "of_key": idempotency_key})).mappings().first()
    return _generation(row) if row else None


async def find_running(db: Db, owner: OwnerId, session_id: str) -> Generation | None:
    """The generation that is writing into the owner's session, or None."""
    row = (await db.execute(_RUNNING, {"of_owner": owner, "of_session": session_id})).mappings().first()
    return _generation(row) if row else None


async def lock_generations(db: Db, session_id: str) -> None:
    """Take their rows before anything else of the session: the order in which checkpoints take them, too."""
    await db.execute(select(generations.c.id).where(generations.c.session_id == session_id).with_for_update())


async def request_stop(db: Db, owner: OwnerId, generation_id: str, now: datetime) -> None:
    """Leave a mark that the runner finds at its next checkpoint, wherever it runs."""
    await db.execute(
        update(generations)
        .where(generations.c.owner == owner, generations.c.id == generation_id)
        .values(stop_requested_at=now)
    )


async def beat(db: Db, seqs: Mapping[str, int], now: datetime) -> dict[str, bool]:
    """Say "still alive" for all of them at once, and which event the text of each reaches to, in the transaction that
    writes the texts. Locks their rows until it ends.

    Returns:
        The ids that may go on, each with whether somebody asked it to stop; what has ended is not among them.
    """
    found = (await db.execute(_BEAT, {"beating": encode_map(seqs), "now": now})).all()
    return {row.id: row.stop_requested_at is not None for row in found}


async def list_seqs(db: Db, generation_ids: Sequence[str]) -> dict[str, tuple[int, bool]]:
    """How far each of them has come, as SQL knows it, and whether it runs; what is deleted is not among them."""
    found: dict[str, tuple[int, bool]] = {}
    for start in range(0, len(generation_ids), _IDS_PER_STATEMENT):
        statement = select(generations.c.id, generations.c.last_seq, generations.c.state).where(
            generations.c.id.in_(generation_ids[start : start + _IDS_PER_STATEMENT])
        )
        rows = (await db.execute(statement)).all()
        found |= {row.id: (row.last_seq or 0, State(row.state).is_running) for row in rows}
    return found


async def find_checkpoint(db: Db, generation_id: str) -> Checkpoint | None:
    """What SQL holds of an answer, for a mirror whose owner has been asked for already."""
    statement = (
        select(generations, messages.c.content, messages.c.reasoning, messages.c.usage, messages.c.citations)
        .join(messages, messages.c.id == generations.c.message_id)
        .where(generations.c.id == generation_id)
    )
    row = (await db.execute(statement)).mappings().first()
    if row is None:
        return None
    return Checkpoint(_generation(row), row["content"], row["reasoning"] or "", row["usage"], row["citations"])


@dataclass(frozen=True, slots=True)
class Ending:
    """How a generation ended: its state, what its terminal event says, and that event's number."""

    state: State
    fields: dict[str, Any]
    last_seq: int
    model: str | None


async def finish_generation(db: Db, generation_id: str, ending: Ending, now: datetime) -> bool:
    """Move a running generation to a final state; False if somebody else was first (or the session is deleted)."""
    values = {
        "state": ending.state.value,
        "ending": ending.fields,
        "last_seq": ending.last_seq,
        "model": ending.model,
        "heartbeat_at": now,
        "finished_at": now,
    }
    return bool((await db.execute(_FINISH, {"generation": generation_id, **values})).rowcount)


async def interrupt_generation(
    db: Db, generation_id: str, reason: str, now: datetime, *, last_seq: int | None = None
) -> bool:
    """End a generation that nobody writes any more; False if somebody else was first.

    Its terminal event has the number `last_seq`, and else one that nobody has been told before.
    """
    values = {
        "state": State.INTERRUPTED.value,
        "ending": {"reason": reason},
        "heartbeat_at": now,
        "finished_at": now,
    }
    beyond = func.coalesce(generations.c.last_seq, 0) + BEYOND_WHAT_WAS_LOST
    statement = _END.values(last_seq=last_seq or beyond)
    return bool((await db.execute(statement, {"generation": generation_id, **values})).rowcount)


async def set_states(db: Db, generation_ids: Sequence[str], state: State) -> None:
    """Change whether they wait or run; the runner's own, so no owner is asked. What has ended stays as it is."""
    for start in range(0, len(generation_ids), _IDS_PER_STATEMENT):
        ids = generation_ids[start : start + _IDS_PER_STATEMENT]
        statement = update(generations).where(generations.c.id.in_(ids), generations.c.state.in_(RUNNING_STATES))
        await db.execute(statement.values(state=state.value))


async def list_running_ids(db: Db) -> Sequence[str]:
    """Of everything that waits or runs; for recovery, across owners."""
    statement = select(generations.c.id).where(generations.c.state.in_(RUNNING_STATES))
    ids: Sequence[str] = (await db.execute(statement)).scalars().all()
    return ids


async def list_stale(db: Db, before: datetime) -> list[Stale]:
    """Generations that claim to run and have given no sign of life since `before`; for recovery, across owners."""
    statement = select(generations.c.owner, generations.c.id, generations.c.message_id).where(
        generations.c.state.in_(RUNNING_STATES), generations.c.heartbeat_at < before
    )
    rows = (await db.execute(statement)).all()
    return [Stale(OwnerId(row.owner), row.id, row.message_id) for row in rows]


def _violates(error: IntegrityError, constraint: str, columns: str) -> bool:
    """PostgreSQL names the constraint, SQLite its columns."""
    words = str(error.orig)
    return constraint in words or (columns in words and "UNIQUE" in words)


def _generation(row: RowMapping) -> Generation:
    fields = {name: row[name] for name in _FIELDS}
    return Generation(**fields | {"state": State(row["state"])})

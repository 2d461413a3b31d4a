"""The journey of a message: accepted once, written down, and only then answered."""

import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime

import msgspec
from uuid_utils.compat import uuid7

from chatkeep.chat.errors import Draining, GenerationRunning, IdempotencyKeyReused, ParentNotAnswerable
from chatkeep.chat.generations import add_generation, find_by_key
from chatkeep.chat.messages import Turn, add_message, find_last_message, find_message
from chatkeep.chat.records import Generation, Message, State
from chatkeep.chat.recovery import find_living
from chatkeep.chat.runner import GenerationRunner
from chatkeep.chat.sessions import lock_session, touch_session
from chatkeep.db import Db
from chatkeep.identity import OwnerId, WatchLogin


@dataclass(frozen=True, slots=True)
class NewMessage:
    """What a person sends. Without `parent_id` it follows the newest message of the session.

    `default_model` is what answers where neither the message nor its session names one; None: not known just now.
    """

    session_id: str
    text: str
    parent_id: str | None = None
    model: str | None = None
    default_model: str | None = None

    def digest(self) -> str:
        """Tells a retry from another request under the same Idempotency-Key."""
        fields = (self.session_id, self.text, self.parent_id, self.model)
        return hashlib.sha256(msgspec.json.encode(fields)).hexdigest()


async def send(
    db: Db,
    owner: OwnerId,
    new: NewMessage,
    idempotency_key: str | None,
    runner: GenerationRunner,
    watch_login: WatchLogin,
) -> Generation:
    """Write the message and the row of its answer; the generation starts when they are committed.

    It ends when `watch_login` tells that the login it was asked for under has.

    Raises:
        NotFound: the session is not there, or not the owner's.
        GenerationRunning: the session is being answered.
        IdempotencyKeyReused: the key came before with another request.
        ParentNotAnswerable, Draining: see `chat.errors`.
    """
    session = await lock_session(db, owner, new.session_id)
    if idempotency_key is not None:
        earlier = await find_by_key(db, owner, idempotency_key)
        if earlier is not None:
            if earlier.request_digest != new.digest():
                raise IdempotencyKeyReused
            return earlier
    if runner.draining:
        raise Draining
    now = datetime.now(UTC)
    if await find_living(db, owner, session.id, now):
        raise GenerationRunning
    model = new.model or session.model or new.default_model
    generation = await _write(db, owner, new, model, idempotency_key, now)
    db.on_commit(lambda: runner.start(owner, generation, watch_login))
    return generation


async def _write(
    db: Db, owner: OwnerId, new: NewMessage, model: str | None, idempotency_key: str | None, now: datetime
) -> Generation:
    parent = await _parent(db, owner, new)
    parent_id = parent.id if parent else None
    question = await add_message(db, owner, new.session_id, Turn("user", new.text, parent_id), now)
    empty = Turn("assistant", "", question.id, State.RUNNING, model)
    answer = await add_message(db, owner, new.session_id, empty, now)
    generation = Generation(
        id=str(uuid7()),
        session_id=new.session_id,
        user_message_id=question.id,
        message_id=answer.id,
        state=State.RUNNING,
        model=model,
        last_seq=None,
        heartbeat_at=now,
        idempotency_key=idempotency_key,
        request_digest=new.digest(),
    )
    await add_generation(db, owner, generation, now)
    await touch_session(db, owner, new.session_id, new.text, now)
    return generation


async def _parent(db: Db, owner: OwnerId, new: NewMessage) -> Message | None:
    if new.parent_id is None:
        return await find_last_message(db, owner, new.session_id)
    parent = await find_message(db, owner, new.parent_id)
    # Not there, someone else's, and out of another session of one's own are one answer.
    if parent is None or parent.session_id != new.session_id or parent.role != "assistant":
        raise ParentNotAnswerable
    return parent

"""The journey of a message: accepted once, written down, and only then answered; or of a question answered anew."""

import hashlib
from dataclasses import dataclass

import msgspec
from uuid_utils.compat import uuid7

from chatkeep.chat.branches import find_leaf_id
from chatkeep.chat.document_choice import AS_THE_CHAT_SAYS, DocumentChoice
from chatkeep.chat.errors import (
    Draining,
    GenerationRunning,
    IdempotencyKeyReused,
    NotAnswerable,
    ParentNotAnswerable,
)
from chatkeep.chat.generations import add_generation, find_by_key
from chatkeep.chat.messages import Turn, add_message, find_message, find_newest_id
from chatkeep.chat.records import ChatSession, Generation, Message, State
from chatkeep.chat.recovery import find_living
from chatkeep.chat.runner import GenerationRunner
from chatkeep.chat.sessions import lock_session, touch_session
from chatkeep.chat.titling import find_untitled
from chatkeep.db import Db
from chatkeep.errors import NotFound
from chatkeep.identity import OwnerId, WatchLogin
from chatkeep.limits.quotas import Payer

_USER = Payer()


@dataclass(frozen=True, slots=True)
class NewMessage:
    """What a person sends. It follows `parent_id`, or nothing where it is to be a `root`, or else the branch on show.

    `default_model` is what answers where neither the message nor its session names one; None: not known just now.
    """

    session_id: str
    text: str
    parent_id: str | None = None
    model: str | None = None
    default_model: str | None = None
    root: bool = False
    documents: DocumentChoice = AS_THE_CHAT_SAYS

    def digest(self) -> str:
        """Tells a retry from another request under the same Idempotency-Key."""
        return _digest(self.documents, self.session_id, self.text, self.parent_id, self.model, self.root)


@dataclass(frozen=True, slots=True)
class Again:
    """A question, or any answer to it, that is to be answered once more; models as in `NewMessage`."""

    message_id: str
    model: str | None = None
    default_model: str | None = None
    documents: DocumentChoice = AS_THE_CHAT_SAYS

    def digest(self) -> str:
        """Tells a retry from another request under the same Idempotency-Key."""
        return _digest(self.documents, "again", self.message_id, self.model)


async def send(
    db: Db,
    owner: OwnerId,
    new: NewMessage,
    idempotency_key: str | None,
    runner: GenerationRunner,
    watch_login: WatchLogin,
    payer: Payer = _USER,
) -> Generation:
    """Write the message and the row of its answer; the generation starts when they are committed.

    It ends when `watch_login` tells that the login it was asked for under has.

    Raises:
        NotFound: the session is not there, or not the owner's.
        GenerationRunning: the session is being answered.
        IdempotencyKeyReused: the key came before with another request.
        ParentNotAnswerable, Draining: see `chat.errors`.
        QuotaExceeded: the payer has used up what they may.
    """
    session = await lock_session(db, owner, new.session_id)
    if earlier := await _find_earlier(db, owner, idempotency_key, new.digest()):
        return earlier
    await _refuse_if_busy(db, owner, session, runner)
    parent_id = await _find_parent_id(db, owner, session, new)
    now = runner.now()
    goes_on_at_the_end = parent_id is not None and session.leaf_id is None and new.parent_id is None
    newest_id = parent_id if goes_on_at_the_end else await find_newest_id(db, owner, session.id)
    question = await add_message(db, owner, session.id, Turn("user", new.text, parent_id), now, newest_id)
    generation = await _begin_answer(db, owner, session, question, new, idempotency_key, runner)
    await runner.accounting.reserve(db, owner, generation, payer, now)
    untitled = find_untitled(session, question, payer)
    db.on_commit(lambda: runner.start(owner, generation, watch_login, untitled))
    return generation


async def regenerate(
    db: Db,
    owner: OwnerId,
    again: Again,
    idempotency_key: str | None,
    runner: GenerationRunner,
    watch_login: WatchLogin,
    payer: Payer = _USER,
) -> Generation:
    """Write the row of another answer to the same question; all else as in `send`.

    Raises:
        NotFound: the message is not there, or not the owner's.
        NotAnswerable: nothing was asked there.
        GenerationRunning, IdempotencyKeyReused, Draining, QuotaExceeded: as in `send`.
    """
    message = await find_message(db, owner, again.message_id)
    if message is None:
        raise NotFound
    session = await lock_session(db, owner, message.session_id)
    if earlier := await _find_earlier(db, owner, idempotency_key, again.digest()):
        return earlier
    await _refuse_if_busy(db, owner, session, runner)
    question = await _find_question(db, owner, message)
    if question is None:
        raise NotAnswerable
    newest_id = await find_newest_id(db, owner, session.id)
    generation = await _begin_answer(db, owner, session, question, again, idempotency_key, runner, newest_id)
    await runner.accounting.reserve(db, owner, generation, payer, generation.heartbeat_at)
    untitled = find_untitled(session, question, payer)
    db.on_commit(lambda: runner.start(owner, generation, watch_login, untitled))
    return generation


async def _find_earlier(db: Db, owner: OwnerId, idempotency_key: str | None, digest: str) -> Generation | None:
    """What an earlier request with this key has begun."""
    earlier = await find_by_key(db, owner, idempotency_key) if idempotency_key is not None else None
    if earlier is not None and earlier.request_digest != digest:
        raise IdempotencyKeyReused
    return earlier


async def _refuse_if_busy(db: Db, owner: OwnerId, session: ChatSession, runner: GenerationRunner) -> None:
    if runner.draining:
        raise Draining
    if await find_living(db, owner, session.id, runner.earshot):
        raise GenerationRunning


async def _begin_answer(
    db: Db,
    owner: OwnerId,
    session: ChatSession,
    question: Message,
    asked: NewMessage | Again,
    idempotency_key: str | None,
    runner: GenerationRunner,
    newest_id: str | None = None,
) -> Generation:
    now = runner.now()
    documents = asked.documents.within(session)
    model = asked.model or session.model or asked.default_model
    if documents is not None:
        await runner.drawing_on.check(db, owner, documents["collection_ids"])
        model = asked.model or session.model or runner.drawing_on.default_model(asked.default_model)
    empty = Turn("assistant", "", question.id, State.RUNNING, model)
    answer = await add_message(db, owner, session.id, empty, now, newest_id)
    generation = Generation(
        id=str(uuid7()),
        session_id=session.id,
        user_message_id=question.id,
        message_id=answer.id,
        state=State.RUNNING,
        model=model,
        last_seq=None,
        heartbeat_at=now,
        idempotency_key=idempotency_key,
        request_digest=asked.digest(),
        documents=documents,
    )
    await add_generation(db, owner, generation, now)
    await touch_session(db, owner, session.id, question.content, now)
    return generation


async def _find_parent_id(db: Db, owner: OwnerId, session: ChatSession, new: NewMessage) -> str | None:
    if new.root:
        return None
    if new.parent_id is None:
        return await find_leaf_id(db, owner, session)
    parent = await find_message(db, owner, new.parent_id)
    # Not there, someone else's, and out of another session of one's own are one answer.
    if parent is None or parent.session_id != session.id or parent.role != "assistant":
        raise ParentNotAnswerable
    return parent.id


async def _find_question(db: Db, owner: OwnerId, message: Message) -> Message | None:
    """The user's message itself, or the one that the answer answers."""
    if message.role == "user":
        return message
    parent = await find_message(db, owner, message.parent_id) if message.parent_id else None
    return parent if parent is not None and parent.role == "user" else None


def _digest(documents: DocumentChoice, *fields: object) -> str:
    if documents.use is not None or documents.collection_ids is not None:
        fields = (*fields, documents.use, documents.collection_ids)
    return hashlib.sha256(msgspec.json.encode(fields)).hexdigest()

"""Titles by the model: asked for after the answer that a chat began with, and never in anybody's way.

    the answer has ended ──> a place is free? ──> reserve ──> ask, for a short while ──> settle, and write the title

Whatever goes wrong on the way, the chat keeps the first words that it is called by.
"""

import asyncio
import logging
from collections.abc import Sequence
from contextlib import aclosing, suppress
from dataclasses import dataclass
from datetime import UTC, datetime

from uuid_utils.compat import uuid7

from chatkeep.chat.accounting import Accounting, estimate_prompt
from chatkeep.chat.records import ChatSession, Message
from chatkeep.chat.sessions import give_title, lock_session, title_from
from chatkeep.chat.title_text import MOST_OF_EACH, is_enough, title_in, title_prompt
from chatkeep.db import Database
from chatkeep.errors import NotFound
from chatkeep.identity import OwnerId, WatchLogin
from chatkeep.limits.errors import QuotaExceeded
from chatkeep.limits.quotas import Claim, Outcome, Payer
from chatkeep.limits.tokens import Tokens
from chatkeep.limits.turns import NoTurn, Turns
from chatkeep.llm.model import ChatModel, ModelError, PromptMessage, Usage
from chatkeep.outages import AWAY

log = logging.getLogger(__name__)

TITLE_SECONDS = 20.0
# In all, and of these one owner's; one more is left out, not put off.
AT_ONCE = 8
AT_ONCE_PER_OWNER = 2
# At the end of the process: what is not settled by then is found by its reservation.
_SAVE_SECONDS = 4.0
_HELD_TOKENS = 24


@dataclass(frozen=True, slots=True)
class Untitled:
    """A chat that is called by the first words of the question that is being answered; `question` is cut."""

    session_id: str
    words: str
    question: str
    payer: Payer


def find_untitled(session: ChatSession, question: Message, payer: Payer) -> Untitled | None:
    """The chat, if its title may come from the answer to this question; a temporary one is not worth the asking."""
    words = title_from(question.content)
    if session.titled_by is not None or session.expires_at is not None or session.title not in (None, words):
        return None
    # Not the payer as they are: whoever wants to be told what is left of their quota has had their answer by then.
    payer = Payer(payer.role, payer.api_key_id)
    return Untitled(session.id, words, question.content[:MOST_OF_EACH], payer)


@dataclass(frozen=True, slots=True)
class _Wanted:
    """A title, and who is asked for it in which words."""

    untitled: Untitled
    model: str
    prompt: Sequence[PromptMessage]


@dataclass(slots=True)
class _Heard:
    """What a model has said so far, and what it thought aloud before; `ended` if there is no need of more."""

    text: str = ""
    thought: str = ""
    usage: Usage | None = None
    provider: str | None = None
    ended: bool = False
    failed: bool = False

    @property
    def title(self) -> str | None:
        """None as long as more of it may come."""
        return title_in(self.text) if self.ended else None

    def outcome(self, model: str | None) -> Outcome:
        """For the bill. An endpoint that fails before it has said anything has given nothing."""
        written = len(self.text.encode()) + len(self.thought.encode())
        reported = Tokens(self.usage.prompt_tokens, self.usage.completion_tokens) if self.usage else None
        return Outcome(reported, written, 0 if self.failed and not written else None, model, self.provider)


class Titling:
    """Opened and closed with the runner of the answers, whose `turns` it takes part in.

    `model` writes all titles; None: the one that gave the answer, unless that is the built-in one, which is too small.
    """

    def __init__(
        self, database: Database, chat_model: ChatModel, accounting: Accounting, turns: Turns, model: str | None = None
    ) -> None:
        self._database = database
        self._chat_model = chat_model
        self._accounting = accounting
        self._turns = turns
        self._model = model
        self._tasks: dict[asyncio.Task[None], OwnerId] = {}
        self._stopped = False

    def begin(self, owner: OwnerId, untitled: Untitled, answer: str, answered_by: str, watch_login: WatchLogin) -> None:
        """Ask for a title, unless that would keep anything waiting. It ends with the login that the answer was for."""
        model = self._model or answered_by
        known = self._accounting.catalogue.find_known(model)
        too_small = known is not None and known.builtin and self._model is None
        if self._stopped or too_small or self._is_busy(owner):
            return
        wanted = _Wanted(untitled, model, title_prompt(untitled.question, answer))
        task = asyncio.create_task(self._take_turn(owner, wanted), name=f"title-{untitled.session_id}")
        self._tasks[task] = owner
        task.add_done_callback(self._on_done)
        forget_login = watch_login(lambda: _cancel(task))
        task.add_done_callback(lambda _: forget_login())

    def stop(self) -> None:
        """Ask for no more, and end what is being asked."""
        if not self._stopped:
            self._stopped = True
            for task in self._tasks:
                task.cancel()

    async def aclose(self) -> None:
        """Stop, and wait until what was used is written down."""
        self.stop()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=_SAVE_SECONDS)

    def _is_busy(self, owner: OwnerId) -> bool:
        return len(self._tasks) >= AT_ONCE or list(self._tasks.values()).count(owner) >= AT_ONCE_PER_OWNER

    def _on_done(self, task: asyncio.Task[None]) -> None:
        del self._tasks[task]
        error = None if task.cancelled() else task.exception()
        # Of a database that is away others speak; what is held there is found by its reservation.
        if error is not None and not isinstance(error, AWAY):
            log.error("a title could not be written", exc_info=error)

    async def _take_turn(self, owner: OwnerId, wanted: _Wanted) -> None:
        known = self._accounting.catalogue.find_known(wanted.model)
        name, slots = (known.id, known.slots) if known else (wanted.model, None)
        claim = Claim(str(uuid7()), name, estimate_prompt(wanted.prompt), _HELD_TOKENS, kind="title")
        with suppress(NoTurn):
            async with self._turns.turn(owner, model=name, slots=slots, patience=0):
                if await self._reserve(owner, wanted.untitled, claim):
                    await self._ask(owner, wanted, claim)

    async def _reserve(self, owner: OwnerId, untitled: Untitled, claim: Claim) -> bool:
        """Whether the title is still to be given, and its owner has the quota for it."""
        try:
            async with self._database.writing(owner) as db:
                session = await lock_session(db, owner, untitled.session_id)
                if (session.titled_by, session.title) != (None, untitled.words):
                    return False
                await self._accounting.quotas.reserve(db, owner, untitled.payer, claim, datetime.now(UTC))
        except (NotFound, QuotaExceeded):
            return False
        return True

    async def _ask(self, owner: OwnerId, wanted: _Wanted, claim: Claim) -> None:
        heard = _Heard()
        try:
            async with asyncio.timeout(TITLE_SECONDS):
                await self._hear(wanted, heard)
        except ModelError as error:
            heard.failed = True
            log.warning("no title: %s", error.code)
        except TimeoutError:
            log.warning("no title: none within %d seconds", TITLE_SECONDS)
        finally:
            await self._write_down(owner, wanted.untitled, claim, heard)

    async def _hear(self, wanted: _Wanted, heard: _Heard) -> None:
        async with aclosing(self._chat_model.stream(wanted.model, wanted.prompt)) as chunks:
            async for chunk in chunks:
                heard.text += chunk.text
                heard.thought += chunk.reasoning
                heard.usage = chunk.usage or heard.usage
                heard.provider = chunk.provider or heard.provider
                if is_enough(heard.text, len(heard.thought)):
                    break
        heard.ended = True

    async def _write_down(self, owner: OwnerId, untitled: Untitled, claim: Claim, heard: _Heard) -> None:
        async with self._database.writing(owner) as db:
            if heard.title is not None:
                await give_title(db, owner, untitled.session_id, heard.title, untitled.words)
            outcome = heard.outcome(claim.model)
            await self._accounting.quotas.settle(db, owner, claim.id, outcome, datetime.now(UTC))


def _cancel(task: asyncio.Task[None]) -> None:
    task.cancel()

"""Quotas: reserved before a model is asked, settled with what was produced, on every ending.

    reserve ──> the model is asked ──> settle

A reservation holds the prompt and as much of the answer as is left, so parallel requests cannot use the same remainder:
whatever is used beyond a limit is what one answer ran over its reservation.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from chatkeep.db import Db
from chatkeep.identity import OwnerId, Role
from chatkeep.limits.errors import QuotaExceeded
from chatkeep.limits.ledger import Kind, Record, Used, add_record, find_held, list_used, lock_usage, settle_record
from chatkeep.limits.prices import Prices
from chatkeep.limits.standing import Standing
from chatkeep.limits.tokens import Tokens, bounded
from chatkeep.settings_quotas import Quantity, QuotaLimit


def _nobody(_: Sequence[Standing]) -> None:
    pass


@dataclass(frozen=True, slots=True)
class Payer:
    """Whose quotas hold, by role; which API key asked, if one did; and who is told what is left when it is reserved."""

    role: Role = Role.USER
    api_key_id: str | None = None
    tell: Callable[[Sequence[Standing]], None] = _nobody


@dataclass(frozen=True, slots=True)
class Claim:
    """What an answer will use: of the prompt an estimate, of the answer what the model writes at most.

    Attributes:
        id: the generation's, or one of its own; `settle` takes it.
        model: None while nobody knows which one it will be.
    """

    id: str
    model: str | None
    prompt_tokens: int
    at_most_completion: int
    kind: Kind = "chat"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What an answer has come to.

    Attributes:
        reported: by the endpoint; None, or figures that cannot be: the estimates count instead.
        produced_bytes: of text, in UTF-8, reasoning included.
        prompt_tokens: the estimate of what the model was sent, where that is better known now than at `reserve`; 0 when
            it was never asked.
        model: which one it was, where nobody knew.
    """

    reported: Tokens | None = None
    produced_bytes: int = 0
    prompt_tokens: int | None = None
    model: str | None = None
    provider: str | None = None


class Quotas:
    """The limits of each role, and the prices that cost is counted by."""

    def __init__(self, limits: Mapping[Role, Sequence[QuotaLimit]] | None = None, prices: Prices | None = None) -> None:
        self._limits = limits or {}
        self.prices = prices or Prices()

    def need_estimate(self, role: Role) -> bool:
        """Whether a claim's tokens matter before they are used; else they may be left at zero, and nothing be read."""
        return any(limit.quantity in ("tokens", "cost") for limit in self._limits.get(role, ()))

    async def reserve(self, db: Db, owner: OwnerId, payer: Payer, claim: Claim, now: datetime) -> None:
        """Hold what the claim asks for, in the transaction that accepts the request, or refuse it.

        To be called once for each request: whoever recognizes a retry does not come here.

        Raises:
            QuotaExceeded: a limit is used up.
        """
        claim = replace(
            claim, prompt_tokens=bounded(claim.prompt_tokens), at_most_completion=bounded(claim.at_most_completion)
        )
        standings: Sequence[Standing] = ()
        if self._limits.get(payer.role):
            await lock_usage(db, owner)
            standings = [s for s in await self.standings(db, owner, payer.role, now) if _concerns(s.limit, claim.model)]
        if exceeded := [s for s in standings if s.remaining < self._least(claim)[s.limit.quantity]]:
            raise QuotaExceeded(exceeded)
        # As much as is left, so that this question may be answered and no other one may use the same remainder.
        most = self._most(claim)
        held = {q: min([most[q], *(s.remaining for s in standings if s.limit.quantity == q)]) for q in most}
        tokens = Tokens(claim.prompt_tokens, held["tokens"] - claim.prompt_tokens)
        record = Record(owner, claim.id, claim.kind, claim.model, claim.prompt_tokens, now, was_asked=True)
        await add_record(db, owner, record, tokens, held["cost"], payer.api_key_id)
        payer.tell([replace(s, used=s.used + held[s.limit.quantity]) for s in standings])

    async def settle(self, db: Db, owner: OwnerId, claim_id: str, outcome: Outcome, now: datetime) -> None:
        """Put what was used in place of what was held, in the transaction that ends the answer. A second call does
        nothing: whoever ends the answer first has settled it.
        """
        record = await find_held(db, owner, claim_id)
        if record is None:
            return
        record = replace(record, model=record.model or outcome.model)
        estimate = record.prompt_tokens if outcome.prompt_tokens is None else outcome.prompt_tokens
        tokens = Tokens.billed(outcome.reported, estimate, outcome.produced_bytes)
        cost = self.prices.cost_micros(record.model, tokens)
        await settle_record(db, owner, record, tokens, cost, now, outcome.provider)

    async def standings(self, db: Db, owner: OwnerId, role: Role, now: datetime) -> list[Standing]:
        """How things stand with every limit of that role."""
        limits = self._limits.get(role, ())
        used = await list_used(db, owner, now) if limits else []
        return [_standing(limit, used, now) for limit in limits]

    def _most(self, claim: Claim) -> dict[Quantity, int]:
        """What the answer may use if it becomes as long as it can."""
        tokens = Tokens(claim.prompt_tokens, claim.at_most_completion)
        cost = self.prices.cost_micros(claim.model, tokens)
        requests = 0 if claim.kind == "title" else 1
        return {"requests": requests, "tokens": tokens.total, "cost": cost, "concurrent": requests}

    def _least(self, claim: Claim) -> dict[Quantity, int]:
        """What it uses in any case: the prompt, and the first token of the answer."""
        return self._most(replace(claim, at_most_completion=min(1, claim.at_most_completion)))


def _concerns(limit: QuotaLimit, model: str | None) -> bool:
    return limit.model is None or limit.model == model


def _standing(limit: QuotaLimit, used: Sequence[Used], now: datetime) -> Standing:
    held = sum(_counted(limit, each) for each in used if each.is_held)
    total = sum(_counted(limit, each) for each in used)
    # A request is a request, however it ends.
    return Standing(limit, total, now, 0 if limit.quantity == "requests" else held)


def _counted(limit: QuotaLimit, used: Used) -> int:
    """How much of `used` the limit counts."""
    if limit.model is not None and limit.model != used.model:
        return 0
    if limit.quantity == "concurrent":
        return used.requests if used.is_held else 0
    if used.period == "before" or (limit.window == "day" and used.period != "day"):
        return 0
    return {"requests": used.requests, "tokens": used.tokens, "cost": used.cost_micros}[limit.quantity]

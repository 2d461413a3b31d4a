"""Whatever the order in which answers begin, end and end again: what is counted is what was used."""

import asyncio
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test
from sqlalchemy import ColumnElement, Table, func, select
from uuid_utils.compat import uuid7

from chatkeep.db import Database, Db
from chatkeep.identity import OwnerId, Role
from chatkeep.limits.errors import QuotaExceeded
from chatkeep.limits.ledger import list_used
from chatkeep.limits.prices import Prices
from chatkeep.limits.quotas import Claim, Outcome, Payer, Quotas
from chatkeep.limits.standing import Standing
from chatkeep.limits.tables import usage_days, usage_records
from chatkeep.limits.tokens import Tokens
from chatkeep.migrations.schema import upgrade
from chatkeep.settings_quotas import parse_quota

MOST = 60
LIMITS = "12 requests/day, 200 tokens/day, 350 tokens/month, 0.002 cost/month, 3 concurrent, 90 tokens/day of b"
PRICES = Prices({"a": (Decimal(3), Decimal("7.5"))})
SUMMED = ("prompt_tokens", "completion_tokens", "cost_micros")


class QuotaMachine(RuleBasedStateMachine):
    """One owner, whose answers never exceed what they claimed at most."""

    def __init__(self, runner: asyncio.Runner, database: Database) -> None:
        super().__init__()
        self._runner, self._database = runner, database
        self._quotas = Quotas({Role.USER: parse_quota(LIMITS)}, PRICES)
        self._owner = OwnerId(str(uuid7()))
        self._now = datetime(2026, 11, 29, 20, tzinfo=UTC)
        self._running: dict[str, Claim] = {}
        self._ended: list[str] = []

    def _run(self, coroutine: Any) -> Any:
        return self._runner.run(coroutine)

    @initialize()
    def begin(self) -> None:
        self._ended.append(str(uuid7()))

    @rule(prompt=st.integers(0, 30), most=st.integers(1, 30), model=st.sampled_from(["a", "b"]))
    def ask(self, prompt: int, most: int, model: str) -> None:
        claim = Claim(str(uuid7()), model, prompt, most)

        async def reserve() -> None:
            async with self._database.writing(self._owner) as db:
                await self._quotas.reserve(db, self._owner, Payer(), claim, self._now)

        try:
            self._run(reserve())
        except QuotaExceeded:
            return
        self._running[claim.id] = claim

    async def _settle(self, claim_id: str, outcome: Outcome) -> None:
        async with self._database.writing(self._owner) as db:
            await self._quotas.settle(db, self._owner, claim_id, outcome, self._now)

    @rule(data=st.data(), reports=st.booleans())
    def end(self, data: st.DataObject, reports: bool) -> None:
        if not self._running:
            return
        claim = self._running.pop(data.draw(st.sampled_from(sorted(self._running))))
        completion = data.draw(st.integers(0, claim.at_most_completion))
        reported = Tokens(claim.prompt_tokens, completion) if reports else None
        self._run(self._settle(claim.id, Outcome(reported, produced_bytes=completion * 3)))
        self._ended.append(claim.id)

    @rule(data=st.data())
    def end_again(self, data: st.DataObject) -> None:
        before = self._run(self._look())
        self._run(self._settle(data.draw(st.sampled_from(self._ended)), Outcome(Tokens(9, 9))))
        assert self._run(self._look()) == before

    @rule(hours=st.integers(1, 9))
    def time_passes(self, hours: int) -> None:
        self._now += timedelta(hours=hours)

    @invariant()
    def it_adds_up(self) -> None:
        settled, days, running, standings = self._run(self._look())
        assert settled == days
        assert running == len(self._running) <= 3
        for standing in standings:
            over = {"tokens": MOST, "cost": MOST * 8}.get(standing.limit.quantity, 0)
            assert standing.used <= standing.limit.amount + over, standing

    async def _look(self) -> tuple[list[int], list[int], int, list[Standing]]:
        async with self._database.reading(self._owner) as db:
            settled = await _sums(db, self._owner, usage_records, usage_records.c.state == "settled")
            days = await _sums(db, self._owner, usage_days)
            running = sum(used.requests for used in await list_used(db, self._owner, self._now) if used.is_held)
            return settled, days, running, await self._quotas.standings(db, self._owner, Role.USER, self._now)


async def _sums(db: Db, owner: OwnerId, table: Table, *conditions: ColumnElement[bool]) -> list[int]:
    sums = [func.coalesce(func.sum(table.c[name]), 0) for name in SUMMED]
    return list(map(int, (await db.execute(select(*sums).where(table.c.owner == owner, *conditions))).one()))


def test_quotas_add_up_in_every_order(database_url: str) -> None:
    with asyncio.Runner() as runner:
        database = Database(database_url)
        runner.run(upgrade(database))
        few = settings(
            max_examples=10,
            stateful_step_count=20,
            deadline=None,
            suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
        )
        run_state_machine_as_test(lambda: QuotaMachine(runner, database), settings=few)  # type: ignore[arg-type]  # any factory
        runner.run(database.aclose())

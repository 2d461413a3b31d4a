"""Quotas: what is reserved, what is settled, and what those try who want more than is theirs."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from sqlalchemy import func, select
from uuid_utils.compat import uuid7

from chatkeep.db import Database
from chatkeep.identity import OwnerId, Role
from chatkeep.limits.errors import QuotaExceeded
from chatkeep.limits.ledger import delete_usage_of, list_held, prune_records
from chatkeep.limits.prices import Prices
from chatkeep.limits.quotas import Claim, Outcome, Payer, Quotas
from chatkeep.limits.standing import Standing
from chatkeep.limits.tables import usage_days, usage_records
from chatkeep.limits.tokens import Tokens
from chatkeep.row_security import EVERYBODY
from chatkeep.settings_quotas import parse_quota

NOON = datetime(2026, 11, 25, 12, tzinfo=UTC)


def quotas_of(text: str, prices: Prices | None = None) -> Quotas:
    return Quotas({Role.USER: parse_quota(text)}, prices)


def claim(prompt_tokens: int = 0, at_most: int = 0, model: str | None = "m") -> Claim:
    return Claim(str(uuid7()), model, prompt_tokens, at_most)


async def reserve(
    database: Database, owner: OwnerId, quotas: Quotas, wanted: Claim | None = None, now: datetime = NOON
) -> Claim:
    wanted = wanted or claim()
    async with database.writing(owner) as db:
        await quotas.reserve(db, owner, Payer(), wanted, now)
    return wanted


async def settle(
    database: Database, owner: OwnerId, quotas: Quotas, done: Claim, outcome: Outcome, now: datetime = NOON
) -> None:
    async with database.writing(owner) as db:
        await quotas.settle(db, owner, done.id, outcome, now)


async def used(database: Database, owner: OwnerId, quotas: Quotas, now: datetime = NOON) -> list[int]:
    async with database.reading(owner) as db:
        return [standing.used for standing in await quotas.standings(db, owner, Role.USER, now)]


async def test_parallel_requests_at_the_quotas_edge_cannot_all_take_the_last_one(
    database: Database, alice: OwnerId
) -> None:
    quotas = quotas_of("3 requests/day, 100 tokens/day")

    async def attempt() -> bool:
        try:
            await reserve(database, alice, quotas, claim(10, 1000))
        except QuotaExceeded:
            return False
        return True

    await reserve(database, alice, quotas, claim(10, 20))
    assert sorted(await asyncio.gather(*(attempt() for _ in range(6)))) == [False] * 5 + [True]
    assert await used(database, alice, quotas) == [2, 100]


async def test_another_users_quota_is_untouched(database: Database, alice: OwnerId, bob: OwnerId) -> None:
    quotas = quotas_of("1 requests/day")
    await reserve(database, alice, quotas)
    await reserve(database, bob, quotas)
    with pytest.raises(QuotaExceeded):
        await reserve(database, alice, quotas)


async def test_another_users_reservation_cannot_be_settled(database: Database, alice: OwnerId, bob: OwnerId) -> None:
    quotas = quotas_of("100 tokens/day")
    hers = await reserve(database, alice, quotas, claim(10, 20))
    await settle(database, bob, quotas, hers, Outcome(Tokens(0, 0)))
    assert await used(database, alice, quotas) == [30]
    assert await used(database, bob, quotas) == [0]


async def test_what_is_settled_takes_the_place_of_what_was_held(database: Database, alice: OwnerId) -> None:
    quotas = quotas_of("9 requests/day, 100 tokens/day, 1 concurrent")
    done = await reserve(database, alice, quotas, claim(10, 80))
    assert await used(database, alice, quotas) == [1, 90, 1]
    with pytest.raises(QuotaExceeded, match="being written"):
        await reserve(database, alice, quotas)
    await settle(database, alice, quotas, done, Outcome(Tokens(12, 3)))
    assert await used(database, alice, quotas) == [1, 15, 0]


async def test_settling_twice_bills_once(database: Database, alice: OwnerId) -> None:
    quotas = quotas_of("100 tokens/day")
    done = await reserve(database, alice, quotas, claim(10, 20))
    await asyncio.gather(*(settle(database, alice, quotas, done, Outcome(Tokens(5, n))) for n in (1, 1, 1)))
    assert await used(database, alice, quotas) == [6]


async def test_an_endpoint_that_counts_nothing_is_counted_by_the_text(database: Database, alice: OwnerId) -> None:
    quotas = quotas_of("1k tokens/day")
    done = await reserve(database, alice, quotas, claim(10, 20))
    await settle(database, alice, quotas, done, Outcome(None, produced_bytes=350))
    assert await used(database, alice, quotas) == [110]


@pytest.mark.parametrize("reported", [Tokens(-5, -7), Tokens(5, -7), Tokens(10**30, 1), Tokens(1, 10**9)])
async def test_negative_or_absurd_usage_is_not_believed(database: Database, alice: OwnerId, reported: Tokens) -> None:
    quotas = quotas_of("1k tokens/day")
    done = await reserve(database, alice, quotas, claim(10, 20))
    await settle(database, alice, quotas, done, Outcome(reported, produced_bytes=7))
    assert await used(database, alice, quotas) == [12]


@pytest.mark.parametrize("named", [10**30, -(10**30)])
@pytest.mark.parametrize("quota", ["", "100 tokens/day, 1000 cost/day"])
async def test_an_absurd_longest_answer_neither_breaks_nor_widens_a_quota(
    database: Database, alice: OwnerId, named: int, quota: str
) -> None:
    quotas = quotas_of(quota, Prices({"m": (Decimal(999_999_999), Decimal(999_999_999))}))
    done = await reserve(database, alice, quotas, claim(0, named))
    assert all(0 <= held <= 1_000_000_000 for held in await used(database, alice, quotas))
    await settle(database, alice, quotas, done, Outcome(prompt_tokens=-named, produced_bytes=1))


async def test_what_runs_over_is_counted_and_nothing_more_begins(database: Database, alice: OwnerId) -> None:
    quotas = quotas_of("100 tokens/day")
    done = await reserve(database, alice, quotas, claim(10, 1000))
    await settle(database, alice, quotas, done, Outcome(Tokens(10, 1000)))
    assert await used(database, alice, quotas) == [1010]
    with pytest.raises(QuotaExceeded, match="used up your quota of 100 tokens a day"):
        await reserve(database, alice, quotas, claim(1, 1))


async def test_a_conversation_longer_than_what_is_left_is_refused(database: Database, alice: OwnerId) -> None:
    quotas = quotas_of("100 tokens/day")
    with pytest.raises(QuotaExceeded, match="more than what is left"):
        await reserve(database, alice, quotas, claim(100, 5))
    assert await used(database, alice, quotas) == [0]


async def test_what_only_a_running_answer_holds_is_worth_waiting_for(database: Database, alice: OwnerId) -> None:
    quotas = quotas_of("100 tokens/day, 9 requests/day")
    done = await reserve(database, alice, quotas, claim(10, 1000))
    with pytest.raises(QuotaExceeded, match="held by answers that are being written") as refused:
        await reserve(database, alice, quotas, claim(1, 1))
    assert refused.value.headers["Retry-After"] == "5"
    await settle(database, alice, quotas, done, Outcome(Tokens(10, 20)))
    await reserve(database, alice, quotas, claim(1, 1))


async def test_a_day_ends_at_midnight_utc_whatever_the_clock_of_the_answer_says(
    database: Database, alice: OwnerId
) -> None:
    quotas = quotas_of("1 requests/day, 100 tokens/month")
    before = datetime(2026, 11, 30, 23, 59, 59, 999_999, tzinfo=UTC)
    done = await reserve(database, alice, quotas, claim(10, 10), before)
    with pytest.raises(QuotaExceeded) as refused:
        await reserve(database, alice, quotas, claim(1, 1), before)
    midnight = before + timedelta(microseconds=1)
    assert refused.value.standing.resets_at == midnight
    assert refused.value.headers["Retry-After"] == "1"
    # An answer that ends on the next day is of the day, and of the month, on which it was asked for.
    await reserve(database, alice, quotas, claim(1, 1), midnight)
    await settle(database, alice, quotas, done, Outcome(Tokens(10, 50)), midnight)
    assert await used(database, alice, quotas, midnight) == [1, 2]
    assert await used(database, alice, quotas, before) == [2, 62]


async def test_a_month_holds_what_its_days_have_let_go(database: Database, alice: OwnerId) -> None:
    quotas = quotas_of("2 requests/day, 3 requests/month")
    for days in (0, 0, 1):
        done = await reserve(database, alice, quotas, now=NOON + timedelta(days=days))
        await settle(database, alice, quotas, done, Outcome())
    with pytest.raises(QuotaExceeded, match="3 requests a month") as refused:
        await reserve(database, alice, quotas, now=NOON + timedelta(days=1))
    assert refused.value.standing.resets_at == datetime(2026, 12, 1, tzinfo=UTC)
    await reserve(database, alice, quotas, now=NOON + timedelta(days=6))


async def test_an_answer_that_never_ends_stays_concurrent_over_the_months(database: Database, alice: OwnerId) -> None:
    quotas = quotas_of("1 concurrent, 1 requests/month")
    await reserve(database, alice, quotas)
    assert await used(database, alice, quotas, NOON + timedelta(days=40)) == [1, 0]


async def test_money_is_counted_by_prices_and_rounded_up(database: Database, alice: OwnerId) -> None:
    prices = Prices({"m": (Decimal("1.25"), Decimal(10))})
    quotas = quotas_of("0.01 cost/month", prices)
    done = await reserve(database, alice, quotas, claim(1, 5000))
    assert await used(database, alice, quotas) == [10_000]
    await settle(database, alice, quotas, done, Outcome(Tokens(1, 999)))
    assert await used(database, alice, quotas) == [9992]
    with pytest.raises(QuotaExceeded, match=r"0\.01 of cost a month"):
        await reserve(database, alice, quotas, claim(1, 1))
    # What has no price is free, however much money has been spent.
    await reserve(database, alice, quotas, claim(1000, 1000, model="built in"))


async def test_a_limit_of_one_model_leaves_the_others_alone(database: Database, alice: OwnerId) -> None:
    quotas = quotas_of("1 requests/day of m, 3 requests/day")
    await reserve(database, alice, quotas)
    with pytest.raises(QuotaExceeded, match="1 requests of m a day"):
        await reserve(database, alice, quotas)
    await reserve(database, alice, quotas, claim(model="other"))
    await reserve(database, alice, quotas, claim(model=None))
    with pytest.raises(QuotaExceeded):
        await reserve(database, alice, quotas, claim(model="other"))


async def test_a_default_models_name_is_known_when_it_is_settled(database: Database, alice: OwnerId) -> None:
    quotas = quotas_of("9 tokens/day of m", Prices({"m": (Decimal(1), Decimal(1))}))
    done = await reserve(database, alice, quotas, claim(model=None))
    await settle(database, alice, quotas, done, Outcome(Tokens(2, 3), model="m"))
    assert await used(database, alice, quotas) == [5]
    async with database.reading(alice) as db:
        assert (await db.execute(select(usage_days.c.model, usage_days.c.cost_micros))).all() == [("m", 5)]


async def test_the_caller_is_told_what_is_left(database: Database, alice: OwnerId) -> None:
    told: list[Standing] = []

    def tell(standings: Sequence[Standing]) -> None:
        told.extend(standings)

    quotas = quotas_of("3 requests/day, 100 tokens/month, 2 concurrent, 5 requests/day of other")
    async with database.writing(alice) as db:
        await quotas.reserve(db, alice, Payer(tell=tell), claim(10, 20), NOON)
    assert [standing.state for standing in told] == [
        '"requests-day";r=2;t=43200',
        '"tokens-month";r=70;t=475200',
        '"concurrent";r=1',
    ]
    assert [standing.policy for standing in told] == [
        '"requests-day";q=3;qu="requests";w=86400',
        '"tokens-month";q=100;qu="tokens";w=2592000',
        '"concurrent";q=2;qu="concurrent-requests"',
    ]


async def test_a_refused_request_leaves_nothing_behind(database: Database, alice: OwnerId) -> None:
    quotas = quotas_of("0 requests/day")
    with pytest.raises(QuotaExceeded):
        await reserve(database, alice, quotas)
    async with database.reading(EVERYBODY) as db:
        assert (await db.execute(select(func.count()).select_from(usage_records))).scalar() == 0


async def test_nothing_is_left_of_an_owner_who_is_no_more(database: Database, alice: OwnerId, bob: OwnerId) -> None:
    quotas = quotas_of("9 requests/day")
    for owner in (alice, bob):
        await settle(database, owner, quotas, await reserve(database, owner, quotas), Outcome())
        await reserve(database, owner, quotas)
    async with database.writing(alice) as db:
        await delete_usage_of(db, alice)
    assert await used(database, alice, quotas) == [0]
    assert await used(database, bob, quotas) == [2]


async def test_records_do_not_grow_for_ever_and_what_they_came_to_stays(
    database: Database, alice: OwnerId, bob: OwnerId
) -> None:
    quotas = quotas_of("100 requests/month")
    settled, held = [await reserve(database, alice, quotas) for _ in range(2)]
    await settle(database, alice, quotas, settled, Outcome(Tokens(1, 2)))
    others = await reserve(database, bob, quotas)
    await settle(database, bob, quotas, others, Outcome(Tokens(1, 2)))
    later = datetime.now(UTC) + timedelta(hours=1)
    async with database.writing(EVERYBODY) as db:
        assert await prune_records(db, later - timedelta(days=1)) == 0
        assert await prune_records(db, later) == 2
        assert [record.id for record in await list_held(db, "chat", later)] == [held.id]
    assert await used(database, alice, quotas) == [2]

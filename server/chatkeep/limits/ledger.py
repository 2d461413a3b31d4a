"""What is used, in SQL: a record for each answer, and the days that settled records are added up in."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal
from uuid import UUID

from sqlalchemy import Integer, Select, bindparam, case, delete, func, insert, literal, select, text, union_all, update
from sqlalchemy.dialects import postgresql, sqlite

from chatkeep.db import Db
from chatkeep.identity import OwnerId
from chatkeep.limits.standing import begin_of
from chatkeep.limits.tables import usage_days, usage_records
from chatkeep.limits.tokens import Tokens
from chatkeep.prepared import Prepared

# A title comes with an answer: its tokens count, and it is no request that anybody made.
Kind = Literal["chat", "completions", "title"]

_LOCK = Prepared(text("SELECT pg_advisory_xact_lock(hashtextextended('chatkeep quota ' || :owner, 0))"))
_SUMS = ("requests", "prompt_tokens", "completion_tokens", "cost_micros")
_IDS_PER_STATEMENT = 500
_MOST_PROVIDER_CHARACTERS = 64


def _statement_of_used() -> Any:
    days, records = usage_days.c, usage_records.c
    # One statement, so one snapshot: an answer that is settled meanwhile is counted here or there, and never twice.
    counted = union_all(
        select(
            days.model,
            case((days.day >= bindparam("this_day"), "day"), else_="month").label("period"),
            literal(0, Integer).label("held"),
            days.requests,
            (days.prompt_tokens + days.completion_tokens).label("tokens"),
            days.cost_micros,
        ).where(days.owner == bindparam("of_owner"), days.day >= bindparam("this_month")),
        select(
            func.coalesce(records.model, ""),
            case(
                (records.created_at >= bindparam("today"), "day"),
                (records.created_at >= bindparam("month"), "month"),
                else_="before",
            ),
            literal(1, Integer),
            case((records.kind == "title", 0), else_=1),
            records.prompt_tokens + records.completion_tokens,
            records.cost_micros,
        ).where(records.owner == bindparam("of_owner"), records.settled_at.is_(None)),
    ).subquery()
    keys = (counted.c.model, counted.c.period, counted.c.held)
    sums = [func.sum(counted.c[name]) for name in ("requests", "tokens", "cost_micros")]
    return select(*keys, *sums).group_by(*keys)


def _adding_up(dialect: Any) -> Any:
    added = dialect.insert(usage_days)
    sums = {name: usage_days.c[name] + added.excluded[name] for name in _SUMS}
    return added.on_conflict_do_update(index_elements=["owner", "day", "model"], set_=sums)


# Whatever every answer needs is put together once: that costs more than the database's part in running it.
_USED = Prepared(_statement_of_used())
_ADD = Prepared(insert(usage_records))
_HELD = Prepared(
    select(usage_records)
    .where(
        usage_records.c.owner == bindparam("of_owner"),
        usage_records.c.id == bindparam("of_record"),
        usage_records.c.settled_at.is_(None),
    )
    .with_for_update()
)
_SETTLE = Prepared(
    update(usage_records).where(
        usage_records.c.owner == bindparam("of_owner"), usage_records.c.id == bindparam("of_record")
    )
)
_ADD_UP_POSTGRESQL, _ADD_UP_SQLITE = Prepared(_adding_up(postgresql)), Prepared(_adding_up(sqlite))


@dataclass(frozen=True, slots=True)
class Record:
    """An answer that holds its part of a quota. `was_asked` is False while its model surely has not been asked."""

    owner: OwnerId
    id: str
    kind: Kind
    model: str | None
    prompt_tokens: int
    created_at: datetime
    was_asked: bool


@dataclass(frozen=True, slots=True)
class Used:
    """What an owner has used of one model: on this day, earlier in the month, or before; settled, or held by answers
    that are being written.
    """

    model: str
    period: Literal["day", "month", "before"]
    is_held: bool
    requests: int
    tokens: int
    cost_micros: int


async def lock_usage(db: Db, owner: OwnerId) -> None:
    """Others who want to reserve for this owner wait until this transaction ends.

    SQLite has no such lock and needs none: its writers queue anyway.
    """
    if not db.is_sqlite:
        await db.execute(_LOCK, {"owner": owner})


async def list_used(db: Db, owner: OwnerId, now: datetime) -> list[Used]:
    """What counts against quotas at this moment, by model and period."""
    today, month = begin_of("day", now), begin_of("month", now)
    parameters = {"today": today, "this_day": today.date(), "month": month, "this_month": month.date()}
    rows = (await db.execute(_USED, {"of_owner": owner, **parameters})).all()
    return [Used(row[0], row[1], bool(row[2]), *map(int, row[3:])) for row in rows]


async def add_record(
    db: Db, owner: OwnerId, record: Record, held: Tokens, cost_micros: int, api_key_id: str | None
) -> None:
    """Hold a part of the owner's quota."""
    row = {
        "owner": owner,
        "id": record.id,
        "model": record.model,
        "kind": record.kind,
        "api_key_id": api_key_id,
        "state": "reserved",
        "prompt_tokens": held.prompt,
        "completion_tokens": held.completion,
        "cost_micros": cost_micros,
        "created_at": record.created_at,
    }
    await db.execute(_ADD, row)


async def find_held(db: Db, owner: OwnerId, record_id: str) -> Record | None:
    """The owner's record that has not been settled, or None. Nobody else settles it until this transaction ends."""
    row = (await db.execute(_HELD, {"of_owner": owner, "of_record": record_id})).first()
    return _record(row) if row else None


async def list_held(db: Db, kind: Kind, before: datetime) -> list[Record]:
    """What was reserved before that moment and has not been settled; for recovery, across owners."""
    statement = _held(select(usage_records), kind, before).order_by(usage_records.c.owner)
    return [_record(row) for row in (await db.execute(statement)).all()]


async def list_held_ids(db: Db, kind: Kind, before: datetime) -> Sequence[str]:
    """Of the same records, without reading all of them."""
    ids: Sequence[str] = (await db.execute(_held(select(usage_records.c.id), kind, before))).scalars().all()
    return ids


def _held(of_records: Select[Any], kind: Kind, before: datetime) -> Select[Any]:
    records = usage_records.c
    return of_records.where(records.settled_at.is_(None), records.kind == kind, records.created_at < before)


async def mark_waiting(db: Db, record_ids: Sequence[str], *, waiting: bool) -> None:
    """Say of answers whether their models surely have not been asked yet; the runner's own, so no owner is asked."""
    for start in range(0, len(record_ids), _IDS_PER_STATEMENT):
        ids = record_ids[start : start + _IDS_PER_STATEMENT]
        statement = update(usage_records).where(usage_records.c.id.in_(ids), usage_records.c.settled_at.is_(None))
        await db.execute(statement.values(state="waiting" if waiting else "reserved"))


async def settle_record(
    db: Db, owner: OwnerId, record: Record, tokens: Tokens, cost_micros: int, now: datetime, provider: str | None
) -> None:
    """Let go of what a record held, and add to its day what has been used."""
    used = {"prompt_tokens": tokens.prompt, "completion_tokens": tokens.completion, "cost_micros": cost_micros}
    settled = {"state": "settled", "settled_at": now, "model": record.model, **used}
    # A provider is called whatever its operator likes.
    settled["provider"] = provider and provider[:_MOST_PROVIDER_CHARACTERS]
    await db.execute(_SETTLE, {"of_owner": owner, "of_record": record.id, **settled})
    day = {"owner": owner, "day": record.created_at.astimezone(UTC).date(), "model": record.model or ""}
    add_up = _ADD_UP_SQLITE if db.is_sqlite else _ADD_UP_POSTGRESQL
    await db.execute(add_up, {**day, "requests": 0 if record.kind == "title" else 1, **used})


async def prune_records(db: Db, before: datetime) -> int:
    """Delete some of the records that were made before then and have been settled, across owners; returns how many.
    What they came to stays in the days.
    """
    # Ids are UUIDv7, so their order is that of time, and the oldest are found by the key.
    first_since = UUID(int=int(before.timestamp() * 1000) << 80)
    old = (
        select(usage_records.c.id)
        .where(usage_records.c.id < str(first_since), usage_records.c.settled_at.is_not(None))
        .order_by(usage_records.c.id)
        .limit(_IDS_PER_STATEMENT)
    )
    return int((await db.execute(delete(usage_records).where(usage_records.c.id.in_(old)))).rowcount)


async def delete_usage_of(db: Db, owner: OwnerId) -> None:
    """Delete everything of an owner who is no more."""
    for table in (usage_records, usage_days):
        await db.execute(delete(table).where(table.c.owner == owner))


def _record(row: Any) -> Record:
    return Record(
        OwnerId(row.owner), row.id, row.kind, row.model, row.prompt_tokens, row.created_at, row.state != "waiting"
    )

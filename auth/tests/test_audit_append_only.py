"""Covering one's tracks: the database itself refuses to change or forget what the trail says."""

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from authkeep import Audit, Auth, Device, SystemClock
from authkeep.store import AuditAction, AuditFilter, Store

HERE = Device("198.51.100.7")


@pytest.fixture(params=["sqlite", "postgres"])
def sql_store(request: pytest.FixtureRequest) -> Any:
    return request.getfixturevalue(f"{request.param}_store")


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE authkeep_audit SET actor_id = 'somebody else'",
        "UPDATE authkeep_audit SET details = '{}'",
        "DELETE FROM authkeep_audit",
        "DELETE FROM authkeep_audit WHERE action = 'login'",
    ],
)
async def test_rewriting_the_trail(sql_store: Any, statement: str) -> None:
    await assert_refused(sql_store, statement)


async def test_emptying_the_trail_at_once(postgres_store: Any) -> None:
    await assert_refused(postgres_store, "TRUNCATE authkeep_audit")


async def assert_refused(store: Any, statement: str) -> None:
    audit = Audit(store, SystemClock())
    event = audit.event(AuditAction.LOGIN, HERE)
    await audit.record(event)
    with pytest.raises(DBAPIError, match="append-only"):
        async with store._engine.begin() as db:
            await db.execute(text(statement))
    assert await store.list_events(AuditFilter(), 10, None) == [event]


async def test_pruning_leaves_word_of_itself(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("authkeep.sql.audit._BATCH", 2)
    audit = Audit(store, SystemClock())
    old = [audit.event(AuditAction.LOGIN, HERE, subject=str(n)) for n in range(5)]
    for event in old:
        await store.add_event(event)
    kept = audit.event(AuditAction.LOGIN, HERE)
    await store.add_event(kept)
    pruning = audit.event(AuditAction.AUDIT_PRUNED, None, before_id=kept.id)
    assert await store.prune_events(kept.id, event=pruning) == 5
    assert await store.list_events(AuditFilter(), 10, None) == [pruning, kept]


async def test_pruning_by_age(store: Store) -> None:
    clock = SystemClock()
    audit = Audit(store, clock)
    await audit.record(audit.event(AuditAction.LOGIN, HERE))
    assert await audit.prune(clock.now() - timedelta(days=1)) == 0
    with pytest.raises(ValueError, match="past"):
        await audit.prune(clock.now() + timedelta(seconds=5))
    assert [event.action for event in await store.list_events(AuditFilter(), 10, None)] == ["audit.pruned", "login"]


async def test_a_deleted_user_stays_in_the_trail(auth_on: Auth) -> None:
    event = auth_on.audit.event(AuditAction.USER_DELETED, HERE, subject="0198c0de-0000-7000-8000-000000000000")
    await auth_on.audit.record(event)
    assert (await auth_on.store.list_events(AuditFilter(user_id=event.subject_id), 10, None)) == [event]

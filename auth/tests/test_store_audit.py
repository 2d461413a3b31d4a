"""The audit trail on every store: an event stands or falls with the change that it tells of."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from uuid_utils.compat import uuid7

from authkeep import EmailTaken
from authkeep.principal import Role
from authkeep.store import (
    Admission,
    AuditAction,
    AuditEvent,
    AuditFilter,
    Ending,
    EndReason,
    Outcome,
    Store,
    User,
    UserChange,
)
from authkeep.testing import FrozenClock

EVERYTHING = AuditFilter()


@pytest.fixture
def new_event(clock: FrozenClock) -> Callable[..., AuditEvent]:
    def build(action: AuditAction, subject: str | None = None, actor: str | None = None) -> AuditEvent:
        where = ("198.51.100.7", "Firefox")
        return AuditEvent(
            str(uuid7()), clock.now(), action, Outcome.SUCCESS, actor, subject, None, *where, {"note": "ä"}
        )

    return build


@pytest.fixture
def user(clock: FrozenClock) -> User:
    return User(str(uuid7()), "a@b.c", "a@b.c", "", Role.USER, "$hash", 0, False, clock.now())


async def test_a_change_and_its_event_are_written_together(
    store: Store, user: User, new_event: Any, clock: FrozenClock
) -> None:
    registered = new_event(AuditAction.USER_REGISTERED, user.id)
    await store.add_user(user, Admission.ANYONE, event=registered)
    changed = new_event(AuditAction.PASSWORD_CHANGED, user.id)
    ending = Ending(EndReason.PASSWORD_CHANGED, clock.now(), clock.now() + timedelta(minutes=6))
    await store.change_user(user.id, UserChange(password_hash="$new", ending=ending), event=changed)
    assert await store.list_events(EVERYTHING, 10, None) == [changed, registered]


async def test_what_was_refused_leaves_no_event_of_a_change(store: Store, user: User, new_event: Any) -> None:
    await store.add_user(user, Admission.ANYONE)
    with pytest.raises(EmailTaken):
        await store.add_user(user, Admission.ANYONE, event=new_event(AuditAction.USER_REGISTERED))
    stale = UserChange(name="x", expected_password_hash="$other")
    assert await store.change_user(user.id, stale, event=new_event(AuditAction.USER_RENAMED)) is None
    assert await store.list_events(EVERYTHING, 10, None) == []


async def test_the_trail_is_read_newest_first_in_pages_and_by_filter(
    store: Store, new_event: Any, clock: FrozenClock
) -> None:
    first = new_event(AuditAction.LOGIN, subject="u1")
    clock.advance(timedelta(hours=1))
    second = new_event(AuditAction.ROLE_CHANGED, subject="u1", actor="u2")
    for event in (first, second):
        await store.add_event(event)
    assert await store.list_events(EVERYTHING, 1, None) == [second]
    assert await store.list_events(EVERYTHING, 1, second.id) == [first]
    assert await store.list_events(AuditFilter(user_id="u2"), 10, None) == [second]
    assert await store.list_events(AuditFilter(action=AuditAction.LOGIN), 10, None) == [first]
    assert await store.list_events(AuditFilter(since=second.at), 10, None) == [second]
    assert await store.list_events(AuditFilter(until=second.at), 10, None) == [first]


async def test_an_address_that_is_taken_cannot_be_changed_to(store: Store, user: User, clock: FrozenClock) -> None:
    await store.add_user(user, Admission.ANYONE)
    other = User(str(uuid7()), "d@e.f", "d@e.f", "", Role.USER, None, 0, False, clock.now())
    await store.add_user(other, Admission.ANYONE)
    with pytest.raises(EmailTaken):
        await store.change_user(other.id, UserChange(email="A@b.c", email_key="a@b.c"))

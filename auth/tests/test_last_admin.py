"""Removing the last admin: by demotion, by disabling, by deletion, and by two who do it to each other at once."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta
from typing import Any

import pytest
from uuid_utils.compat import uuid7

from authkeep import Auth, InvalidToken, LastAdmin, Role
from authkeep.store import Admission, AuditAction, AuditFilter, Ending, EndReason, Store, User, UserChange
from authkeep.testing import FrozenClock, signed_in

Removal = Callable[[Store, str], Awaitable[Any]]


def ending(clock: FrozenClock, reason: EndReason = EndReason.DELETED) -> Ending:
    return Ending(reason, clock.now(), clock.now() + timedelta(minutes=6))


@pytest.fixture(params=["demote", "disable", "delete"])
def remove(request: pytest.FixtureRequest, clock: FrozenClock) -> Removal:
    async def removal(store: Store, user_id: str) -> Any:
        if request.param == "delete":
            return await store.delete_user(user_id, ending(clock))
        change = UserChange(role=Role.USER) if request.param == "demote" else UserChange(disabled=True)
        return await store.change_user(user_id, change)

    return removal


async def add(store: Store, clock: FrozenClock, name: str, role: Role = Role.ADMIN, *, disabled: bool = False) -> User:
    email = f"{name}@example.com"
    user = User(str(uuid7()), email, email, "", role, None, 0, disabled, clock.now())
    return await store.add_user(user, Admission.ANYONE)


async def admins_left(store: Store, users: Sequence[User]) -> int:
    found = [await store.find_user(user.id) for user in users]
    return sum(1 for user in found if user and user.role is Role.ADMIN and not user.disabled)


async def test_the_last_admin_is_not_removed(store: Store, clock: FrozenClock, remove: Removal) -> None:
    admin = await add(store, clock, "admin")
    await add(store, clock, "user", Role.USER)
    await add(store, clock, "former", disabled=True)
    with pytest.raises(LastAdmin):
        await remove(store, admin.id)
    assert await store.find_user(admin.id) == admin


async def test_all_admins_remove_each_other_at_once(store: Store, clock: FrozenClock, remove: Removal) -> None:
    admins = [await add(store, clock, f"admin{n}") for n in range(6)]
    outcomes = await asyncio.gather(*(remove(store, admin.id) for admin in admins), return_exceptions=True)
    assert [type(outcome) for outcome in outcomes if isinstance(outcome, Exception)] == [LastAdmin]
    assert await admins_left(store, admins) == 1


async def test_an_admin_is_demoted_while_another_is_disabled_and_a_third_is_deleted(
    store: Store, clock: FrozenClock
) -> None:
    admins = [await add(store, clock, f"admin{n}") for n in range(3)]
    outcomes = await asyncio.gather(
        store.change_user(admins[0].id, UserChange(role=Role.USER)),
        store.change_user(admins[1].id, UserChange(disabled=True)),
        store.delete_user(admins[2].id, ending(clock)),
        return_exceptions=True,
    )
    assert sum(isinstance(outcome, LastAdmin) for outcome in outcomes) == 1
    assert await admins_left(store, admins) == 1


async def test_whoever_is_no_admin_is_removed_freely(store: Store, clock: FrozenClock, remove: Removal) -> None:
    admin = await add(store, clock, "admin")
    others = [await add(store, clock, "user", Role.USER), await add(store, clock, "former", disabled=True)]
    for other in others:
        await remove(store, other.id)
    assert await admins_left(store, [admin]) == 1


async def test_users_of_an_import_are_protected_too(sqlite_store: Any, clock: FrozenClock) -> None:
    """Whom a host has written to the table itself never claimed to be first."""
    admin = await add(sqlite_store, clock, "admin")
    async with sqlite_store._engine.begin() as db:
        await db.exec_driver_sql("DELETE FROM authkeep_first_admin")
    with pytest.raises(LastAdmin):
        await sqlite_store.delete_user(admin.id, ending(clock))


async def test_a_deleted_user_leaves_nothing_but_the_trail(auth_on: Auth, clock: FrozenClock) -> None:
    await signed_in(auth_on, "admin@example.com", role=Role.ADMIN)
    alice = await signed_in(auth_on)
    event = auth_on.audit.event(AuditAction.USER_DELETED, None, subject=alice.user.id)
    entries = await auth_on.store.delete_user(alice.user.id, ending(clock), event=event)
    assert entries is not None
    auth_on.revocations.view.add(entries)
    with pytest.raises(InvalidToken):
        await auth_on.verify(alice.access_token)
    assert await auth_on.store.list_logins(alice.user.id, clock.now(), 10, None) == []
    assert not await auth_on.store.is_live(alice.principal.login_id, alice.user.id, alice.user.epoch)
    trail = await auth_on.store.list_events(AuditFilter(user_id=alice.user.id), 10, None)
    assert [event.action for event in trail] == [AuditAction.USER_DELETED, AuditAction.LOGIN]
    assert await auth_on.store.delete_user(alice.user.id, ending(clock), event=event) is None
    assert (await signed_in(auth_on)).user.id != alice.user.id


async def test_deleting_takes_along_what_sqlite_would_leave(sqlite_store: Any, clock: FrozenClock) -> None:
    """Without PRAGMA foreign_keys, which is the host's to set, nothing cascades by itself."""
    await add(sqlite_store, clock, "admin")
    user = await add(sqlite_store, clock, "user", Role.USER)
    async with sqlite_store._engine.begin() as db:
        await db.exec_driver_sql(
            "INSERT INTO authkeep_recovery_codes (user_id, code_hash) VALUES (?, ?)", (user.id, "0" * 64)
        )
    await sqlite_store.delete_user(user.id, ending(clock))
    async with sqlite_store._engine.connect() as db:
        assert (await db.exec_driver_sql("SELECT count(*) FROM authkeep_recovery_codes")).scalar() == 0

"""One behaviour suite for every store: memory, SQLite and PostgreSQL."""

import asyncio
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from uuid_utils.compat import uuid7

from authkeep import EmailTaken, RegistrationClosed, Role
from authkeep.store import Admission, Ancestor, Ending, EndReason, Login, Revocation, Rotation, Store, User, UserChange
from authkeep.testing import FrozenClock

ANYONE = Admission.ANYONE


@pytest.fixture
def new_user(clock: FrozenClock) -> Any:
    def build(email: str = "alice@example.com", **values: Any) -> User:
        user = User(str(uuid7()), email, email, "", Role.USER, "$hash", 0, False, clock.now())
        return replace(user, **values)

    return build


@pytest.fixture
def new_login(clock: FrozenClock) -> Any:
    def build(user: User, **values: Any) -> Login:
        now = clock.now()
        week = now + timedelta(days=7)
        login = Login(
            str(uuid7()),
            user.id,
            "a" * 64,
            (),
            now,
            now,
            week,
            week,
            None,
            None,
            "198.51.100.7",
            "Firefox",
            now,
            ("pwd",),
        )
        return replace(login, **values)

    return build


@pytest.fixture
def ending(clock: FrozenClock) -> Ending:
    return Ending(EndReason.LOGOUT, clock.now(), clock.now() + timedelta(minutes=6))


async def test_the_first_user_is_admin_and_the_second_is_not(store: Store, new_user: Any) -> None:
    assert await store.is_empty()
    first = await store.add_user(new_user("a@example.com"), ANYONE)
    second = await store.add_user(new_user("b@example.com"), ANYONE)
    assert (first.role, second.role) == (Role.ADMIN, Role.USER)
    assert not await store.is_empty()


async def test_of_many_first_users_at_once_exactly_one_is_admin(store: Store, new_user: Any) -> None:
    users = [store.add_user(new_user(f"user{n}@example.com"), ANYONE) for n in range(12)]
    roles = [user.role for user in await asyncio.gather(*users)]
    assert roles.count(Role.ADMIN) == 1


async def test_where_only_the_first_is_admitted_the_others_of_a_race_are_not(store: Store, new_user: Any) -> None:
    users = [store.add_user(new_user(f"user{n}@example.com"), Admission.FIRST_ONLY) for n in range(8)]
    outcomes = await asyncio.gather(*users, return_exceptions=True)
    assert sum(isinstance(outcome, User) for outcome in outcomes) == 1
    assert sum(isinstance(outcome, RegistrationClosed) for outcome in outcomes) == 7


async def test_an_address_is_taken_once_however_many_try_at_once(store: Store, new_user: Any) -> None:
    users = [store.add_user(new_user(), ANYONE) for _ in range(8)]
    outcomes = await asyncio.gather(*users, return_exceptions=True)
    assert sum(isinstance(outcome, EmailTaken) for outcome in outcomes) == 7


async def test_a_refused_first_user_leaves_the_claim_to_the_next(store: Store, new_user: Any) -> None:
    await store.add_user(new_user("a@example.com"), ANYONE)
    with pytest.raises(EmailTaken):
        await store.add_user(new_user("a@example.com"), ANYONE)
    assert (await store.add_user(new_user("b@example.com"), ANYONE)).role is Role.USER


async def test_what_is_stored_comes_back_equal(store: Store, new_user: Any, new_login: Any, clock: FrozenClock) -> None:
    user = await store.add_user(new_user(name="Zoë 🦊"), ANYONE)
    login = new_login(user, recent=(Ancestor("b" * 64, "0f" * 16, clock.now(), 3),))
    assert await store.add_login(login, user)
    seen = replace(user, last_sign_in_at=login.created_at)
    assert await store.find_user(user.id) == await store.find_user_by_email(user.email_key) == seen
    assert list(await store.list_logins(user.id, clock.now(), 10, None)) == [login]


async def test_a_user_without_a_password_can_have_logins(store: Store, new_user: Any, new_login: Any) -> None:
    user = await store.add_user(new_user(password_hash=None), ANYONE)
    assert await store.add_login(new_login(user), user)


@pytest.mark.parametrize(
    "meanwhile",
    [UserChange(password_hash="$other"), UserChange(disabled=True)],
    ids=["password changed", "disabled"],
)
async def test_a_login_that_was_overtaken_is_refused(
    store: Store, new_user: Any, new_login: Any, meanwhile: UserChange
) -> None:
    await store.add_user(new_user("admin@example.com"), ANYONE)
    user = await store.add_user(new_user(), ANYONE)
    await store.change_user(user.id, meanwhile)
    assert not await store.add_login(new_login(user), user)


async def test_a_login_of_an_older_epoch_is_refused(
    store: Store, new_user: Any, new_login: Any, ending: Ending
) -> None:
    user = await store.add_user(new_user(), ANYONE)
    await store.change_user(user.id, UserChange(ending=ending))
    assert not await store.add_login(new_login(user), user)


async def test_a_change_names_only_what_it_changes(store: Store, new_user: Any) -> None:
    user = await store.add_user(new_user(name="Alice"), ANYONE)
    changed = await store.change_user(user.id, UserChange(name="Alicia"))
    assert changed == (replace(user, name="Alicia"), changed[1] if changed else ())
    assert await store.change_user("no such user", UserChange(name="x")) is None


async def test_a_change_that_expects_another_password_does_nothing(store: Store, new_user: Any) -> None:
    user = await store.add_user(new_user(), ANYONE)
    change = UserChange(password_hash="$new", expected_password_hash="$not this one")
    assert await store.change_user(user.id, change) is None
    assert await store.find_user(user.id) == user


async def test_ending_all_logins_raises_the_epoch_and_says_so(
    store: Store, new_user: Any, new_login: Any, ending: Ending, clock: FrozenClock
) -> None:
    user = await store.add_user(new_user(), ANYONE)
    login = new_login(user)
    await store.add_login(login, user)
    changed = await store.change_user(user.id, UserChange(ending=ending))
    assert changed is not None
    assert changed[0].epoch == user.epoch + 1
    assert [(entry.user_id, entry.epoch) for entry in changed[1]] == [(user.id, user.epoch + 1)]
    assert list(await store.list_revocations(clock.now())) == list(changed[1])
    assert not await store.is_live(login.sid, user.id, user.epoch)


async def test_ending_all_others_spares_one_and_names_the_rest(
    store: Store, new_user: Any, new_login: Any, ending: Ending
) -> None:
    user = await store.add_user(new_user(), ANYONE)
    kept, *others = logins = [new_login(user) for _ in range(3)]
    for login in logins:
        await store.add_login(login, user)
    changed = await store.change_user(user.id, UserChange(ending=ending, keep_sid=kept.sid))
    assert changed is not None
    assert {entry.sid for entry in changed[1]} == {login.sid for login in others}
    assert await store.is_live(kept.sid, user.id, changed[0].epoch)
    assert not await store.is_live(others[0].sid, user.id, changed[0].epoch)


async def test_only_its_owner_ends_a_login_and_only_once(
    store: Store, new_user: Any, new_login: Any, ending: Ending
) -> None:
    alice = await store.add_user(new_user("a@example.com"), ANYONE)
    mallory = await store.add_user(new_user("m@example.com"), ANYONE)
    login = new_login(alice)
    await store.add_login(login, alice)
    assert await store.end_login(login.sid, mallory.id, ending) is None
    assert await store.is_live(login.sid, alice.id, 0)
    revocation = await store.end_login(login.sid, alice.id, ending)
    assert revocation is not None
    assert revocation.sid == login.sid
    assert await store.end_login(login.sid, alice.id, ending) is None


async def test_logins_are_listed_newest_first_in_pages(
    store: Store, new_user: Any, new_login: Any, clock: FrozenClock
) -> None:
    user = await store.add_user(new_user(), ANYONE)
    sids: list[str] = []
    for _ in range(5):
        login = new_login(user)
        await store.add_login(login, user)
        sids.insert(0, login.sid)
    first = await store.list_logins(user.id, clock.now(), 3, None)
    rest = await store.list_logins(user.id, clock.now(), 3, first[-1].sid)
    assert [login.sid for login in [*first, *rest]] == sids


async def test_a_rotation_writes_what_was_decided_and_nothing_else(
    store: Store, new_user: Any, new_login: Any, clock: FrozenClock
) -> None:
    user = await store.add_user(new_user(), ANYONE)
    login = new_login(user)
    await store.add_login(login, user)
    rotated = replace(login, token_hash="c" * 64)
    outcome = await store.rotate_login(login.sid, lambda _: Rotation(rotated, "token"))
    assert outcome == (Rotation(rotated, "token"), replace(user, last_sign_in_at=login.created_at))
    assert list(await store.list_logins(user.id, clock.now(), 10, None)) == [rotated]
    assert await store.rotate_login("no such login", lambda _: Rotation(rotated, None)) is None


async def test_a_rotation_that_fails_half_way_changes_nothing(
    store: Store, new_user: Any, new_login: Any, clock: FrozenClock
) -> None:
    user = await store.add_user(new_user(), ANYONE)
    login = new_login(user)
    await store.add_login(login, user)

    def fail(_: Login) -> Rotation:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await store.rotate_login(login.sid, fail)
    assert list(await store.list_logins(user.id, clock.now(), 10, None)) == [login]


async def test_a_rotation_writes_its_revocation_with_it(
    store: Store, new_user: Any, new_login: Any, clock: FrozenClock
) -> None:
    user = await store.add_user(new_user(), ANYONE)
    login = new_login(user)
    await store.add_login(login, user)
    ended = replace(login, ended_at=clock.now(), end_reason=EndReason.REUSED)
    entry = Revocation(str(uuid7()), login.sid, user.id, None, clock.now() + timedelta(minutes=6))
    await store.rotate_login(login.sid, lambda _: Rotation(ended, None, entry))
    assert list(await store.list_revocations(clock.now())) == [entry]
    assert not await store.is_live(login.sid, user.id, 0)


async def test_purging_forgets_what_has_expired_and_nothing_else(
    store: Store, new_user: Any, new_login: Any, ending: Ending, clock: FrozenClock
) -> None:
    user = await store.add_user(new_user(), ANYONE)
    stale = new_login(user, idle_expires_at=clock.now() + timedelta(hours=1))
    live, ended = new_login(user), new_login(user)
    for login in (stale, live, ended):
        await store.add_login(login, user)
    await store.end_login(ended.sid, user.id, ending)
    clock.advance(timedelta(hours=2))
    await store.purge(clock.now())
    assert await store.rotate_login(stale.sid, lambda login: Rotation(login, None)) is None
    assert await store.rotate_login(ended.sid, lambda login: Rotation(login, None)) is not None
    assert [login.sid for login in await store.list_logins(user.id, clock.now(), 10, None)] == [live.sid]
    assert not await store.list_revocations(clock.now())

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from authkeep import (
    Auth,
    Device,
    EmailTaken,
    InvalidEmail,
    InvalidSetupCode,
    RegistrationClosed,
    RegistrationState,
    Role,
    UnacceptablePassword,
)
from authkeep.email_address import parse_email
from authkeep.store import Store, User
from authkeep.testing import FrozenClock, MemoryStore, signed_in, with_password

CODE = "K7QX-9M2P-TR4W"


@pytest.fixture
def locked(store: Store, clock: FrozenClock, settings: Any, keys: Any, make: Any) -> Auth:
    """An install that printed a setup code."""
    auth: Auth = make(store, clock, settings, keys, setup_code=CODE)
    return auth


@pytest.fixture
def closed(store: Store, clock: FrozenClock, settings: Any, keys: Any, make: Any) -> Auth:
    auth: Auth = make(store, clock, replace(settings, registration_open=False), keys)
    return auth


async def test_two_first_registrations_at_once_make_one_admin(auth_on: Auth, password: str) -> None:
    registrations = [auth_on.accounts.register(f"user{n}@example.com", password) for n in range(8)]
    users = await asyncio.gather(*registrations)
    assert [user.role for user in users].count(Role.ADMIN) == 1


async def test_one_address_registers_once_however_it_is_written(auth_on: Auth, password: str) -> None:
    variants = ["alice@example.com", "ALICE@example.com", " alice@EXAMPLE.com", "\uff41lice@example.com"]
    outcomes = await asyncio.gather(
        *(auth_on.accounts.register(variant, password) for variant in variants), return_exceptions=True
    )
    assert sum(isinstance(outcome, User) for outcome in outcomes) == 1
    assert sum(isinstance(outcome, EmailTaken) for outcome in outcomes) == 3


async def test_the_first_registration_needs_the_setup_code(locked: Auth, password: str) -> None:
    async with locked.running():
        for code in (None, "", "wrong", CODE.lower(), CODE + "x", CODE[:-1], "\ud800"):
            with pytest.raises(InvalidSetupCode):
                await locked.accounts.register("mallory@example.com", password, setup_code=code)
        assert await locked.accounts.registration_state() == RegistrationState(True, True, True)


async def test_the_setup_code_is_for_the_first_only(locked: Auth, password: str) -> None:
    async with locked.running():
        admin = await locked.accounts.register("alice@example.com", password, setup_code=f" {CODE} ")
        assert admin.role is Role.ADMIN
        assert await locked.accounts.registration_state() == RegistrationState(True, False, False)
        second = await locked.accounts.register("bob@example.com", password, setup_code=CODE)
        assert second.role is Role.USER


def test_a_setup_code_that_can_be_guessed_is_refused(make: Any, clock: Any, settings: Any, keys: Any) -> None:
    with pytest.raises(ValueError, match="setup_code"):
        make(MemoryStore(), clock, settings, keys, setup_code="1234")


async def test_where_registration_is_closed_only_the_first_gets_in(closed: Auth, password: str) -> None:
    async with closed.running():
        registrations = [closed.accounts.register(f"user{n}@example.com", password) for n in range(6)]
        outcomes = await asyncio.gather(*registrations, return_exceptions=True)
        assert [user.role for user in outcomes if isinstance(user, User)] == [Role.ADMIN]
        assert sum(isinstance(outcome, RegistrationClosed) for outcome in outcomes) == 5
        assert await closed.accounts.registration_state() == RegistrationState(False, False, False)


async def test_an_admin_by_the_operators_hand_is_made_once(locked: Auth, password: str) -> None:
    async with locked.running():
        admin = await locked.accounts.create_admin("Root@Example.com", password)
        assert admin is not None
        assert admin.role is Role.ADMIN
        assert await locked.accounts.create_admin("root@example.com", "another password altogether") is None
        state = await locked.accounts.registration_state()
        assert not state.first_user
        assert (await locked.accounts.register("bob@example.com", password)).role is Role.USER
        await locked.logins.sign_in("root@example.com", password, Device("127.0.0.1"))


async def test_an_admin_with_a_weak_password_is_refused(auth: Auth) -> None:
    with pytest.raises(UnacceptablePassword, match="at least 15"):
        await auth.accounts.create_admin("root@example.com", "admin")


async def test_a_refused_registration_stores_nothing(auth: Auth, memory_store: MemoryStore) -> None:
    with pytest.raises(UnacceptablePassword, match="your own name"):
        await auth.accounts.register("alice.cooper@example.com", "alice.cooper@example.com")
    with pytest.raises(InvalidEmail):
        await auth.accounts.register("alice", "seven purple kettles sing")
    assert not memory_store.users


async def test_nothing_that_opens_a_door_shows_in_a_repr(auth: Auth, password: str) -> None:
    user = await auth.accounts.register("alice@example.com", password)
    login = await with_password(auth, "alice@example.com", password, Device("127.0.0.1"))
    (stored,) = auth.store.logins.values()  # type: ignore[attr-defined]
    shown = repr([user, login, stored, auth.settings])
    for secret in (password, user.password_hash or "", login.access_token, login.refresh_token, stored.token_hash):
        assert secret not in shown


async def test_the_store_holds_no_token_and_no_password(auth: Auth, memory_store: MemoryStore, password: str) -> None:
    user = await auth.accounts.register("alice@example.com", password)
    login = await with_password(auth, "alice@example.com", password, Device("127.0.0.1"))
    refreshed = await auth.logins.refresh(login.refresh_token, Device("127.0.0.1"))
    (stored,) = memory_store.logins.values()
    dump = f"{user.password_hash} {stored.token_hash} {stored.recent}"
    for token in (login.refresh_token, refreshed.refresh_token, password):
        assert token not in dump
        assert token[4:40] not in dump


@pytest.mark.parametrize(
    "text",
    ["", "alice", "@example.com", "alice@", "a b@example.com", "alice@exa mple.com", "alice@example.com\nBcc: x@y.zz",
     "alice@example.com\x00", "a" * 300 + "@example.com", "x" * 100_000, "\ud800@example.com", "alice@[127.0.0.1]",
     "Alice <alice@example.com>", "alice@-example.com", "al\u200bice@example.com"],
)  # fmt: skip
def test_what_is_not_an_address_is_refused(text: str) -> None:
    with pytest.raises(InvalidEmail):
        parse_email(text)


@pytest.mark.parametrize(
    "text", ["alice@example.com", "admin@localhost", "o'brien+tag@mail.example", "用户@例え.jp", "a@b.test"]
)
def test_addresses_of_every_kind_are_accepted(text: str) -> None:
    shown, key = parse_email(text)
    assert parse_email(shown)[1] == parse_email(key)[1] == key


async def test_a_hosts_test_gets_users_of_both_roles(auth: Auth) -> None:
    user = await signed_in(auth, "user@example.com")
    admin = await signed_in(auth, "admin@example.com", role=Role.ADMIN)
    assert (await auth.verify(user.access_token)).role is Role.USER
    assert (await auth.verify(admin.access_token)).role is Role.ADMIN

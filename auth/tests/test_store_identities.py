"""External identities on every store."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from uuid_utils.compat import uuid7

from authkeep.errors import EmailTaken
from authkeep.oidc.errors import IdentityTaken, LastWayIn
from authkeep.principal import Role
from authkeep.store import Identity, Store, User
from authkeep.testing import FrozenClock

HERE = "https://accounts.example"


def new_user(clock: FrozenClock, email: str = "a@b.c", password_hash: str | None = None) -> User:
    return User(str(uuid7()), email, email, "", Role.USER, password_hash, 0, False, clock.now())


@pytest.fixture
def identity_of(clock: FrozenClock) -> Callable[..., Identity]:
    def build(user: User, subject: str = "s", issuer: str = HERE) -> Identity:
        return Identity(str(uuid7()), user.id, "here", issuer, subject, "a@b.c", clock.now())

    return build


async def test_a_user_and_their_identity_are_stored_together_or_not(
    store: Store, clock: FrozenClock, identity_of: Any
) -> None:
    alice, bob = new_user(clock), new_user(clock, "b@b.c")
    await store.add_user_with_identity(alice, identity_of(alice))
    assert await store.use_identity(HERE, "s", clock.now()) == alice
    assert await store.use_identity(HERE, "another", clock.now()) is None
    assert await store.use_identity("https://else.example", "s", clock.now()) is None
    with pytest.raises(IdentityTaken):
        await store.add_user_with_identity(bob, identity_of(bob))
    assert await store.find_user(bob.id) is None
    with pytest.raises(EmailTaken):
        await store.add_user_with_identity(new_user(clock), identity_of(bob, "t"))
    assert await store.use_identity(HERE, "t", clock.now()) is None


async def test_of_many_first_sign_ins_at_once_one_makes_the_account(
    store: Store, clock: FrozenClock, identity_of: Any
) -> None:
    async def try_once() -> bool:
        user = new_user(clock)
        try:
            await store.add_user_with_identity(user, identity_of(user))
        except (EmailTaken, IdentityTaken):
            return False
        return True

    assert sum(await asyncio.gather(*(try_once() for _ in range(6)))) == 1


async def test_a_list_is_of_its_user_newest_first(store: Store, clock: FrozenClock, identity_of: Any) -> None:
    alice, bob = new_user(clock), new_user(clock, "b@b.c")
    first, second = identity_of(alice, "1"), identity_of(alice, "2")
    await store.add_user_with_identity(alice, first)
    await store.add_identity(second)
    await store.add_user_with_identity(bob, identity_of(bob, "3"))
    assert await store.list_identities(alice.id, 9, None) == [second, first]
    assert await store.list_identities(alice.id, 1, None) == [second]
    assert await store.list_identities(alice.id, 9, second.id) == [first]


async def test_two_that_are_removed_at_once_leave_one(store: Store, clock: FrozenClock, identity_of: Any) -> None:
    alice = new_user(clock)
    both = [identity_of(alice, "1"), identity_of(alice, "2")]
    await store.add_user_with_identity(alice, both[0])
    await store.add_identity(both[1])
    removing = (store.remove_identity(one.id, alice.id, [HERE]) for one in both)
    outcomes = await asyncio.gather(*removing, return_exceptions=True)
    assert sorted(str(type(outcome)) for outcome in outcomes) == sorted([str(bool), str(LastWayIn)])
    assert len(await store.list_identities(alice.id, 9, None)) == 1


async def test_a_provider_that_is_gone_is_no_way_in_and_a_password_is(
    store: Store, clock: FrozenClock, identity_of: Any
) -> None:
    alice, bob = new_user(clock), new_user(clock, "b@b.c", "$argon2id$...")
    here, gone = identity_of(alice, "1"), identity_of(alice, "2", "https://gone.example")
    await store.add_user_with_identity(alice, here)
    await store.add_identity(gone)
    with pytest.raises(LastWayIn):
        await store.remove_identity(here.id, alice.id, [HERE])
    assert await store.remove_identity(gone.id, alice.id, [HERE])
    his = identity_of(bob, "3")
    await store.add_user_with_identity(bob, his)
    assert not await store.remove_identity(his.id, alice.id, [HERE])
    assert await store.remove_identity(his.id, bob.id, [HERE])

"""API keys in every store: memory, SQLite and PostgreSQL."""

import asyncio
import hashlib
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from uuid_utils.compat import uuid7

from authkeep import Role
from authkeep.store import Admission, ApiKey, Revocation, Store, User, UserChange
from authkeep.testing import FrozenClock


@pytest.fixture
async def owner(store: Store, clock: FrozenClock) -> User:
    user = User(str(uuid7()), "alice@example.com", "alice@example.com", "", Role.USER, None, 0, False, clock.now())
    return await store.add_user(user, Admission.IMPORTED)


@pytest.fixture
def new_key(owner: User, clock: FrozenClock) -> Any:
    def build(**values: Any) -> ApiKey:
        secret = hashlib.sha256(str(uuid7()).encode()).hexdigest()
        key = ApiKey(str(uuid7()), owner.id, "n", "ck_…abcd", secret, ("notes",), clock.now(), None)
        return replace(key, **values)

    return build


async def test_a_key_is_found_by_its_hash_with_its_user(store: Store, owner: User, new_key: Any) -> None:
    key = new_key()
    assert await store.add_api_key(key, 2)
    assert await store.find_api_key(key.secret_hash) == (key, owner)
    assert await store.find_api_key("0" * 64) is None


async def test_parallel_creations_do_not_exceed_the_limit(store: Store, owner: User, new_key: Any) -> None:
    added = await asyncio.gather(*(store.add_api_key(new_key(), 3) for _ in range(8)))
    assert sum(added) == 3
    assert len(await store.list_api_keys(owner.id, 100, None)) == 3


async def test_a_disabled_user_gets_no_key(store: Store, owner: User, new_key: Any) -> None:
    await store.change_user(owner.id, UserChange(disabled=True))
    assert not await store.add_api_key(new_key(), 3)
    assert not await store.add_api_key(new_key(user_id=str(uuid7())), 3)


async def test_keys_are_listed_newest_first_in_pages(store: Store, owner: User, new_key: Any) -> None:
    keys = [new_key() for _ in range(3)]
    for key in keys:
        await store.add_api_key(key, 10)
    assert await store.list_api_keys(owner.id, 2, None) == [keys[2], keys[1]]
    assert await store.list_api_keys(owner.id, 2, keys[1].id) == [keys[0]]
    assert await store.list_api_keys(str(uuid7()), 2, None) == []


async def test_only_its_user_revokes_a_key(store: Store, owner: User, new_key: Any, clock: FrozenClock) -> None:
    key = new_key()
    await store.add_api_key(key, 10)
    until = clock.now() + timedelta(minutes=6)
    assert not await store.revoke_api_key(Revocation(str(uuid7()), key.id, str(uuid7()), None, until))
    entry = Revocation(str(uuid7()), key.id, owner.id, None, until)
    assert await store.revoke_api_key(entry)
    assert not await store.revoke_api_key(entry)
    assert await store.find_api_key(key.secret_hash) is None
    assert await store.list_revocations(clock.now()) == [entry]


async def test_its_last_use_never_goes_back(store: Store, new_key: Any, clock: FrozenClock) -> None:
    key, unused = new_key(), new_key()
    for each in (key, unused):
        await store.add_api_key(each, 10)
    late, early = clock.now() + timedelta(hours=1), clock.now()
    await store.note_api_keys_used({key.id: late, str(uuid7()): late})
    await store.note_api_keys_used({key.id: early})
    await store.note_api_keys_used({})
    found = await store.find_api_key(key.secret_hash)
    assert found is not None
    assert found[0].last_used_at == late
    assert (await store.find_api_key(unused.secret_hash) or [unused])[0].last_used_at is None

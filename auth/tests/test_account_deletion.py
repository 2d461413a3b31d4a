"""Deleting an account: the host's part follows, whatever happens in between."""

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import httpx
import pytest

from authkeep import Auth, InvalidToken, LastAdmin, Role
from authkeep.store import Store
from authkeep.testing import FrozenClock, signed_in


class Host:
    """Keeps something for each user, and fails as often as it is told to."""

    def __init__(self) -> None:
        self.notes: set[str] = set()
        self.failures = 0
        self.calls = 0

    async def forget(self, user_id: str) -> None:
        self.calls += 1
        if self.failures:
            self.failures -= 1
            raise ConnectionError
        self.notes.discard(user_id)


@pytest.fixture
def host() -> Host:
    return Host()


@pytest.fixture
async def hosted(
    store: Store, clock: FrozenClock, settings: Any, keys: Any, make: Any, lenient: Any, host: Host
) -> AsyncIterator[Auth]:
    options = {"throttle": lenient, "on_user_deleted": host.forget}
    async with make(store, clock, settings, keys, **options).running() as auth:
        yield auth


async def test_the_host_follows_before_the_answer_and_again_for_whoever_was_still_writing(
    hosted: Auth, host: Host, clock: FrozenClock
) -> None:
    alice = await signed_in(hosted)
    host.notes.add(alice.user.id)
    await hosted.deletion.delete_self(alice.principal)
    assert not host.notes
    # A request that was let in before the deletion writes after it.
    host.notes.add(alice.user.id)
    clock.advance(timedelta(minutes=2))
    await hosted.deletion.work_off()
    assert not host.notes
    assert await hosted.store.list_deletions(10) == []
    calls = host.calls
    await hosted.deletion.work_off()
    assert host.calls == calls


async def test_a_crash_between_the_account_and_the_hosts_data_leaves_nothing_behind(
    hosted: Auth, host: Host, clock: FrozenClock, make: Any
) -> None:
    alice = await signed_in(hosted)
    host.notes.add(alice.user.id)
    host.failures = 2
    await hosted.deletion.delete_self(alice.principal)
    assert await hosted.store.find_user(alice.user.id) is None
    assert host.notes
    clock.advance(timedelta(hours=1))
    again = make(hosted.store, clock, hosted.settings, hosted.keys, on_user_deleted=host.forget)
    await again.deletion.work_off()
    assert host.notes
    await again.deletion.work_off()
    assert not host.notes
    assert await hosted.store.list_deletions(10) == []


async def test_a_deleted_account_opens_nothing_and_is_deleted_once(hosted: Auth, host: Host) -> None:
    alice = await signed_in(hosted)
    await hosted.deletion.delete_self(alice.principal)
    with pytest.raises(InvalidToken):
        await hosted.verify(alice.access_token)
    with pytest.raises(InvalidToken):
        await hosted.deletion.delete_self(alice.principal)
    assert host.calls == 1


async def test_the_last_admin_does_not_delete_itself(hosted: Auth, host: Host) -> None:
    admin = await signed_in(hosted, "admin@example.com", role=Role.ADMIN)
    with pytest.raises(LastAdmin):
        await hosted.deletion.delete_self(admin.principal)
    assert host.calls == 0
    assert await hosted.store.list_deletions(10) == []


async def test_a_person_deletes_their_account_and_is_told_by_mail(
    web: httpx.AsyncClient, mailing: Auth, post: Any
) -> None:
    alice = await signed_in(mailing)
    assert (await web.delete("/auth/me", headers=alice.headers)).status_code == 204
    assert await post.arrived() == [("alice@example.com", "Your Kettleworks account was deleted")]
    assert (await web.delete("/auth/me", headers=alice.headers)).status_code == 401

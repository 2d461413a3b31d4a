"""What a process knows about dead tokens, and what it does when it cannot know."""

import asyncio
from dataclasses import replace
from datetime import timedelta
from typing import Any

import httpx
import pytest

from authkeep import Auth, Device, InvalidRefreshToken, InvalidToken, RevocationsUnknown
from authkeep.store import ONE_BY_ONE, EndReason
from authkeep.testing import FrozenClock, MemoryStore, signed_in


class Unreachable(MemoryStore):
    """A database that has gone away, once `down` says so."""

    down = False
    questions = 0

    def __init__(self) -> None:
        super().__init__()
        self.refused, self.answered = asyncio.Event(), asyncio.Event()

    async def list_revocations(self, now: Any) -> Any:
        (self.refused if self.down else self.answered).set()
        if self.down:
            raise ConnectionError("gone")
        return await super().list_revocations(now)

    async def is_live(self, sid: str, user_id: str, epoch: int) -> bool:
        self.questions += 1
        if self.down:
            raise ConnectionError("gone")
        return await super().is_live(sid, user_id, epoch)


@pytest.fixture
def memory_store() -> Unreachable:
    return Unreachable()


@pytest.fixture
def neighbour(store: Any, clock: FrozenClock, settings: Any, keys: Any, make: Any) -> Auth:
    """Another process over the same store."""
    auth: Auth = make(store, clock, settings, keys)
    return auth


async def test_a_neighbour_learns_of_a_logout_by_rereading(auth_on: Auth, neighbour: Auth) -> None:
    user = await signed_in(auth_on)
    async with neighbour.running():
        await neighbour.verify(user.access_token)
        await auth_on.logins.end(user.principal, user.principal.login_id, EndReason.LOGOUT)
        await neighbour.revocations.reread()
        with pytest.raises(InvalidToken):
            await neighbour.verify(user.access_token)


async def test_a_process_that_starts_knows_what_was_revoked_before(auth_on: Auth, neighbour: Auth) -> None:
    user = await signed_in(auth_on)
    await auth_on.logins.end_all(user.principal)
    async with neighbour.running():
        with pytest.raises(InvalidToken):
            await neighbour.verify(user.access_token)


async def test_beyond_the_lease_the_store_is_asked_each_time(
    auth: Auth, memory_store: Unreachable, clock: FrozenClock
) -> None:
    user = await signed_in(auth)
    await auth.verify(user.access_token)
    assert memory_store.questions == 0
    clock.advance(auth.settings.revocation_lease + timedelta(seconds=1))
    await auth.verify(user.access_token)
    await auth.verify(user.access_token)
    assert memory_store.questions == 2
    await auth.revocations.reread()
    await auth.verify(user.access_token)
    assert memory_store.questions == 2


async def test_a_stale_view_does_not_accept_a_login_that_ended_elsewhere(
    auth_on: Auth, neighbour: Auth, clock: FrozenClock
) -> None:
    user = await signed_in(auth_on)
    async with neighbour.running():
        await neighbour.verify(user.access_token)
        await auth_on.logins.end_all(user.principal)
        clock.advance(auth_on.settings.revocation_lease + timedelta(seconds=1))
        with pytest.raises(InvalidToken):
            await neighbour.verify(user.access_token)


async def test_beyond_the_lease_without_a_store_nobody_is_accepted(
    auth: Auth, memory_store: Unreachable, clock: FrozenClock, client: httpx.AsyncClient
) -> None:
    user = await signed_in(auth)
    memory_store.down = True
    await auth.verify(user.access_token)
    clock.advance(auth.settings.revocation_lease + timedelta(seconds=1))
    with pytest.raises(RevocationsUnknown):
        await auth.verify(user.access_token)
    answer = await client.get("/auth/logins", headers=user.headers)
    assert (answer.status_code, answer.json()["code"]) == (503, "revocations_unknown")
    assert answer.headers["retry-after"] == "1"
    assert (await client.get("/.well-known/jwks.json", headers=user.headers)).status_code == 200


async def test_a_host_that_cannot_load_the_revocations_does_not_start(
    memory_store: Unreachable, clock: FrozenClock, settings: Any, keys: Any, make: Any
) -> None:
    memory_store.down = True
    with pytest.raises(ConnectionError):
        await make(memory_store, clock, settings, keys).running().__aenter__()


async def test_the_timer_outlives_a_failing_store(
    memory_store: Unreachable, clock: FrozenClock, settings: Any, keys: Any, make: Any
) -> None:
    quick = replace(settings, revocation_reread=timedelta(milliseconds=1))
    auth = make(memory_store, clock, quick, keys)
    async with auth.running():
        memory_store.down = True
        await memory_store.refused.wait()
        memory_store.answered.clear()
        memory_store.down = False
        await memory_store.answered.wait()
    assert auth.revocations.failures >= 1


async def test_a_snapshot_read_before_a_commit_takes_nothing_back(auth: Auth, memory_store: Unreachable) -> None:
    user = await signed_in(auth)
    await auth.logins.end_all(user.principal)
    memory_store.revocations.clear()
    await auth.revocations.reread()
    with pytest.raises(InvalidToken):
        await auth.verify(user.access_token)


async def test_entries_leave_when_the_tokens_they_refuse_have_expired(auth: Auth, clock: FrozenClock) -> None:
    user = await signed_in(auth)
    await auth.logins.end_all(user.principal)
    clock.advance(auth.settings.access_lifetime)
    await auth.revocations.reread()
    assert len(auth.revocations.view) == 1
    clock.advance(timedelta(minutes=2))
    await auth.revocations.reread()
    assert len(auth.revocations.view) == 0
    with pytest.raises(InvalidToken):
        await auth.verify(user.access_token)


class Silent(Unreachable):
    """A database behind a network that has gone: it does not even refuse."""

    async def is_live(self, sid: str, user_id: str, epoch: int) -> bool:
        await asyncio.Event().wait()
        raise AssertionError

    async def list_revocations(self, now: Any) -> Any:
        if self.down:
            await asyncio.Event().wait()
        return await super().list_revocations(now)


async def test_a_store_that_hangs_holds_neither_a_request_nor_the_timer(
    clock: FrozenClock, settings: Any, keys: Any, make: Any, until: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("authkeep.revocation._ANSWER_SECONDS", 0.01)
    store = Silent()
    quick = replace(settings, revocation_reread=timedelta(milliseconds=1))
    async with make(store, clock, quick, keys).running() as auth:
        user = await signed_in(auth)
        store.down = True
        await until(lambda: auth.revocations.failures >= 2)
        clock.advance(auth.settings.revocation_lease + timedelta(seconds=1))
        with pytest.raises(RevocationsUnknown):
            await auth.verify(user.access_token)
        store.down = False
        await until(lambda: auth.revocations.fresh)
        await auth.verify(user.access_token)


async def test_a_thousand_logins_do_not_crowd_the_set_of_revocations(auth_on: Auth) -> None:
    """Ended one by one they would be more than every process can read in time, which is everybody's loss."""
    owner = await signed_in(auth_on)
    thieves = [await signed_in(auth_on) for _ in range(ONE_BY_ONE + 1)]
    await auth_on.logins.end_others(owner.principal)
    assert len(await auth_on.store.list_revocations(auth_on.clock.now())) == 1
    for thief in thieves[:2]:
        with pytest.raises(InvalidToken):
            await auth_on.verify(thief.access_token)
        with pytest.raises(InvalidRefreshToken):
            await auth_on.logins.refresh(thief.refresh_token, Device("198.51.100.7"))
    renewed = await auth_on.logins.refresh(owner.refresh_token, Device("198.51.100.7"))
    assert (await auth_on.verify(renewed.access_token)).login_id == owner.principal.login_id

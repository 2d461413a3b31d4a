"""Tickets on every store: good for one thing, once."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest
from uuid_utils.compat import uuid7

from authkeep.principal import Role
from authkeep.store import Admission, Ending, EndReason, Purpose, Store, Ticket, User
from authkeep.testing import FrozenClock

RESET = Purpose.RESET_PASSWORD


@pytest.fixture
async def user(store: Store, clock: FrozenClock) -> User:
    return await store.add_user(
        User(str(uuid7()), "a@b.c", "a@b.c", "", Role.USER, None, 0, False, clock.now()), ANYONE
    )


ANYONE = Admission.ANYONE


@pytest.fixture
def new_ticket(clock: FrozenClock, user: User) -> Callable[[str], Ticket]:
    def build(secret_hash: str) -> Ticket:
        expires = clock.now() + timedelta(minutes=10)
        return Ticket(str(uuid7()), RESET, secret_hash * 64, user.id, {"to": "a@b.c"}, clock.now(), expires)

    return build


async def test_of_many_who_take_a_ticket_one_gets_it(
    store: Store, new_ticket: Callable[[str], Ticket], clock: FrozenClock
) -> None:
    ticket = new_ticket("1")
    await store.add_ticket(ticket)
    taken = await asyncio.gather(*(store.take_ticket(RESET, ticket.secret_hash, clock.now()) for _ in range(8)))
    assert [found for found in taken if found] == [ticket]


async def test_a_ticket_is_good_for_its_purpose_and_its_time(
    store: Store, new_ticket: Callable[[str], Ticket], clock: FrozenClock
) -> None:
    ticket = new_ticket("1")
    await store.add_ticket(ticket)
    assert await store.take_ticket(Purpose.MFA, ticket.secret_hash, clock.now()) is None
    assert await store.take_ticket(RESET, ticket.secret_hash, ticket.expires_at) is None
    assert await store.find_ticket(RESET, ticket.secret_hash, clock.now()) == ticket


async def test_a_new_ticket_may_void_the_ones_before(
    store: Store, new_ticket: Callable[[str], Ticket], clock: FrozenClock
) -> None:
    first, second = new_ticket("1"), new_ticket("2")
    await store.add_ticket(first)
    await store.add_ticket(second, replacing=True)
    assert await store.find_ticket(RESET, first.secret_hash, clock.now()) is None
    assert await store.find_ticket(RESET, second.secret_hash, clock.now()) == second


async def test_guesses_are_counted_and_the_last_one_voids_the_ticket(
    store: Store, new_ticket: Callable[[str], Ticket], clock: FrozenClock
) -> None:
    ticket = new_ticket("1")
    await store.add_ticket(ticket)
    counted = await asyncio.gather(*(store.count_attempt(ticket.id, 3) for _ in range(6)))
    assert sorted(counted) == [False] * 4 + [True] * 2
    assert await store.find_ticket(RESET, ticket.secret_hash, clock.now()) is None


async def test_dropped_and_expired_tickets_are_gone(
    store: Store, new_ticket: Callable[[str], Ticket], user: User, clock: FrozenClock
) -> None:
    dropped, expired = new_ticket("1"), replace(new_ticket("2"), purpose=Purpose.MFA)
    await store.add_ticket(dropped)
    await store.add_ticket(expired)
    await store.drop_tickets(user.id, RESET)
    assert await store.find_ticket(RESET, dropped.secret_hash, clock.now()) is None
    await store.purge(expired.expires_at)
    assert await store.find_ticket(Purpose.MFA, expired.secret_hash, clock.now()) is None


async def test_a_ticket_of_a_user_who_has_just_gone(
    store: Store, user: User, new_ticket: Callable[[str], Ticket], clock: FrozenClock
) -> None:
    """Deleted on another process, while this one still took their token: no error, and nothing that opens."""
    await store.add_user(replace(user, id=str(uuid7()), email_key="b@b.c", role=Role.ADMIN), Admission.IMPORTED)
    await store.delete_user(user.id, Ending(EndReason.DELETED, clock.now(), clock.now()))
    await store.add_ticket(new_ticket("a"))
    assert await store.find_user(user.id) is None

"""One-time secrets, on every store."""

import asyncio
from datetime import timedelta

import pytest

from authkeep.one_time_secrets import OneTimeSecrets
from authkeep.store import Purpose, Store
from authkeep.testing import FrozenClock

MINUTE = timedelta(minutes=1)


@pytest.fixture
def made(store: Store, clock: FrozenClock) -> OneTimeSecrets:
    return OneTimeSecrets(store, clock)


async def test_a_secret_works_once_and_for_its_purpose(made: OneTimeSecrets) -> None:
    secret = await made.issue(Purpose.OIDC, MINUTE, data={"to": "/"})
    assert await made.take(Purpose.MFA, secret) is None
    taken = [ticket for ticket in await asyncio.gather(*(made.take(Purpose.OIDC, secret) for _ in range(5))) if ticket]
    assert [ticket.data for ticket in taken] == [{"to": "/"}]


async def test_a_secret_is_found_until_it_expires(made: OneTimeSecrets, clock: FrozenClock) -> None:
    secret = await made.issue(Purpose.OIDC, MINUTE)
    assert await made.find(Purpose.OIDC, secret)
    clock.advance(MINUTE)
    assert await made.find(Purpose.OIDC, secret) is None
    assert await made.take(Purpose.OIDC, secret) is None


@pytest.mark.parametrize("presented", ["", "x", "\x00" * 43, "\ud800" * 43, "x" * 43, "x" * 1_000_000])
async def test_what_was_never_issued_is_just_not_there(made: OneTimeSecrets, presented: str) -> None:
    assert await made.find(Purpose.OIDC, presented) is None
    assert await made.take(Purpose.OIDC, presented) is None


async def test_a_database_that_leaks_holds_no_secret(made: OneTimeSecrets) -> None:
    secret = await made.issue(Purpose.OIDC, MINUTE)
    ticket = await made.find(Purpose.OIDC, secret)
    assert ticket
    assert secret not in str((ticket, ticket.secret_hash))

"""The audit trail: what makes an event, and what never gets into one."""

import logging
from datetime import timedelta
from typing import Any

import pytest

from authkeep import Auth, Device
from authkeep.audit import Audit
from authkeep.store import AuditAction, AuditEvent, AuditFilter, Outcome, Store
from authkeep.testing import FrozenClock, MemoryStore, signed_in

HERE = Device("198.51.100.7", "Firefox")


async def trail(store: Store) -> list[AuditEvent]:
    """Oldest first, as it happened."""
    return list(reversed(await store.list_events(AuditFilter(), 10_000, None)))


async def test_an_event_says_who_with_what_from_where_and_when(auth: Auth, clock: FrozenClock) -> None:
    alice = await signed_in(auth)
    event = auth.audit.event(AuditAction.PASSKEY_ADDED, HERE, actor=alice.principal, name="Phone")
    assert (event.actor_id, event.subject_id, event.login_id) == (
        alice.user.id,
        alice.user.id,
        alice.principal.login_id,
    )
    assert (event.address, event.user_agent, event.at) == ("198.51.100.7", "Firefox", clock.now())
    assert (event.outcome, event.details) == (Outcome.SUCCESS, {"name": "Phone"})


def test_what_an_operator_does_has_no_actor_and_comes_from_nowhere(auth: Auth) -> None:
    event = auth.audit.event(AuditAction.USER_DISABLED, None, subject="somebody")
    assert (event.actor_id, event.subject_id, event.login_id, event.address) == (None, "somebody", None, "")


@pytest.mark.parametrize(
    "pasted",
    [
        "akr_" + "x" * 92, "my key is ck_live_123", "eyJhbGciOiJFZDI1NTE5In0.eyJzdWIiOiIx", "$argon2id$v=19$m=8,t=1",
        "$2b$12$abc", "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP", "9f" * 32,
    ],
)  # fmt: skip
def test_a_credential_that_somebody_pasted_as_a_name(auth: Auth, pasted: str) -> None:
    event = auth.audit.event(AuditAction.API_KEY_CREATED, Device("::1", pasted), name=pasted)
    assert (event.user_agent, event.details) == ("[withheld]", {"name": "[withheld]"})


@pytest.mark.parametrize("text", ["x" * 10, "0198c0de-0000-7000-8000-000000000000", "Zoë 🦊", "Firefox on Linux"])
def test_ordinary_words_are_kept(auth: Auth, text: str) -> None:
    assert auth.audit.event(AuditAction.USER_RENAMED, HERE, name=text).details == {"name": text}


async def test_text_that_no_database_and_no_line_takes(auth_on: Auth) -> None:
    hostile = "a\x00b\nc\u2028d\ud800e\u202ef" + " long" * 1000
    await auth_on.audit.record(auth_on.audit.event(AuditAction.LOGIN, Device("::1", hostile), name=hostile))
    (event,) = await trail(auth_on.store)
    assert event.details["name"].startswith("abcdef long")
    assert len(event.details["name"]) <= 100
    assert event.user_agent.startswith("abcdef long")


def refusal(audit: Audit, address: str) -> AuditEvent:
    return audit.event(AuditAction.LOGIN, Device(address), outcome=Outcome.FAILURE)


async def test_filling_the_disk_from_one_address(auth: Auth, clock: FrozenClock) -> None:
    for _ in range(500):
        await auth.audit.record(refusal(auth.audit, "198.51.100.7"))
    assert len(await trail(auth.store)) == 60
    clock.advance(timedelta(minutes=1))
    await auth.audit.record(refusal(auth.audit, "198.51.100.7"))
    assert (await trail(auth.store))[-1].details == {"unrecorded": "440"}


async def test_filling_the_disk_by_hopping_through_a_64(auth: Auth) -> None:
    for n in range(500):
        await auth.audit.record(refusal(auth.audit, f"2001:db8::{n:x}"))
    assert len(await trail(auth.store)) == 60


async def test_filling_the_disk_from_everywhere(auth: Auth) -> None:
    for n in range(4000):
        await auth.audit.record(refusal(auth.audit, f"10.0.{n // 256}.{n % 256}"))
    assert len(await trail(auth.store)) == 3000


async def test_what_succeeds_is_always_recorded(auth: Auth) -> None:
    for _ in range(100):
        await auth.audit.record(auth.audit.event(AuditAction.AUDIT_EXPORTED, HERE))
    assert len(await trail(auth.store)) == 100


class FullDisk(MemoryStore):
    full = True

    async def add_event(self, event: AuditEvent) -> None:
        if self.full:
            raise OSError("/var/lib/secret/path is full")
        await super().add_event(event)


async def test_a_refusal_stays_one_when_it_cannot_be_recorded(
    clock: FrozenClock, caplog: pytest.LogCaptureFixture
) -> None:
    store = FullDisk()
    audit = Audit(store, clock)
    with caplog.at_level(logging.WARNING):
        await audit.record(refusal(audit, "198.51.100.7"))
    assert (audit.failures, await trail(store)) == (1, [])
    assert "/var" not in caplog.text
    store.full = False
    await audit.record(refusal(audit, "198.51.100.7"))
    assert [event.details for event in await trail(store)] == [{"unrecorded": "1"}]


async def test_a_success_that_cannot_be_recorded_is_none(clock: FrozenClock) -> None:
    audit: Any = Audit(FullDisk(), clock)
    with pytest.raises(OSError, match="full"):
        await audit.record(audit.event(AuditAction.AUDIT_EXPORTED, HERE))

"""Addresses: confirmed, sent again, changed; and what nobody learns about whose they are."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import httpx
import pytest

from authkeep import Auth, DevelopmentMailbox, Device, InvalidLink, Limit, MemoryCounters, Throttle
from authkeep.store import AuditAction, AuditFilter, EndReason
from authkeep.testing import FrozenClock, signed_in

PASSWORD = "seven purple kettles sing"
OTHER = "eleven copper lanterns hum"
ALICE = {"email": "alice@example.com", "password": PASSWORD}


@pytest.fixture
async def verifying(
    make: Any, store: Any, clock: FrozenClock, settings: Any, keys: Any, lenient: Throttle, box: DevelopmentMailbox
) -> AsyncIterator[Auth]:
    """A deployment that verifies addresses. Its first account, an admin, is there."""
    chosen = replace(settings, link_base="https://chat.example", verify_email=True)
    async with make(store, clock, chosen, keys, throttle=lenient, mailer=box).running() as auth:
        await auth.accounts.create_admin("admin@example.com", PASSWORD)
        yield auth


@pytest.fixture
async def verified_client(verifying: Auth, browse: Any) -> AsyncIterator[httpx.AsyncClient]:
    async with browse(verifying) as client:
        yield client


@pytest.fixture
def verified_post(verifying: Auth, reading: Any, box: DevelopmentMailbox) -> Any:
    return reading(verifying, box)


async def test_an_address_changes_once_the_new_one_agrees_and_the_old_one_is_told(
    web: httpx.AsyncClient, mailing: Auth, post: Any, sign_in: Any
) -> None:
    await web.post("/auth/register", json=ALICE)
    bearer = {"Authorization": f"Bearer {(await sign_in(PASSWORD)).json()['access_token']}"}
    await web.post("/auth/forgot-password", json={"email": ALICE["email"]})
    to_the_old_address = await post.token()
    asked = await web.post("/auth/email", json={"new_email": "Alice@New.example"}, headers=bearer)
    assert asked.status_code == 202
    await mailing.out_tray.sent()
    assert (await web.get("/auth/me", headers=bearer)).json()["email"] == "alice@example.com"
    token = await post.token()
    assert (await web.post("/auth/verify-email", json={"token": token})).status_code == 204
    me = (await web.get("/auth/me", headers=bearer)).json()
    assert (me["email"], me["email_verified"]) == ("Alice@new.example", True)
    assert await post.arrived() == [("alice@example.com", "Your Kettleworks account has a new e-mail address")]
    assert (await sign_in(PASSWORD, "alice@new.example")).status_code == 200
    late = await web.post("/auth/reset-password", json={"token": to_the_old_address, "new_password": OTHER})
    assert late.json()["code"] == "invalid_link"


async def test_enumeration_by_a_change_of_address(web: httpx.AsyncClient, post: Any, sign_in: Any) -> None:
    await web.post("/auth/register", json=ALICE)
    await web.post("/auth/register", json=ALICE | {"email": "bob@example.com"})
    bearer = {"Authorization": f"Bearer {(await sign_in(PASSWORD)).json()['access_token']}"}
    answers = [
        await web.post("/auth/email", json={"new_email": email}, headers=bearer)
        for email in ("BOB@example.com", "nobody@example.com")
    ]
    assert {(answer.status_code, answer.text) for answer in answers} == {(202, answers[0].text)}
    assert ("bob@example.com", "You have an account at Kettleworks already") in await post.arrived()


async def test_an_address_that_was_taken_meanwhile_is_not_taken_over(
    web: httpx.AsyncClient, post: Any, sign_in: Any
) -> None:
    await web.post("/auth/register", json=ALICE)
    bearer = {"Authorization": f"Bearer {(await sign_in(PASSWORD)).json()['access_token']}"}
    await web.post("/auth/email", json={"new_email": "new@example.com"}, headers=bearer)
    token = await post.token()
    await web.post("/auth/register", json=ALICE | {"email": "new@example.com"})
    assert (await web.post("/auth/verify-email", json={"token": token})).json()["code"] == "invalid_link"


async def test_an_intruders_change_of_address_that_waits_in_the_tray(mailing: Auth, post: Any) -> None:
    """The owner ends the login before the link is sent: it is sent to nobody."""
    intruder = await signed_in(mailing)
    slow_server = asyncio.Event()

    async def errand() -> None:
        await slow_server.wait()

    for _ in range(2):
        mailing.out_tray.put(errand)
    await mailing.verification.request_change(intruder.principal, "intruder@example.com")
    await mailing.logins.end(intruder.principal, intruder.principal.login_id, EndReason.ENDED_BY_USER)
    slow_server.set()
    assert [to for to, _ in await post.arrived()] == ["alice@example.com"]


async def test_an_intruders_change_of_address_outlives_their_login(mailing: Auth, post: Any) -> None:
    """The owner throws the intruder out of the list of devices, and has thrown out the link with them."""
    intruder, owner = await signed_in(mailing), await signed_in(mailing)
    await mailing.verification.request_change(intruder.principal, "intruder@example.com")
    link = await post.token()
    await mailing.logins.end(owner.principal, intruder.principal.login_id, EndReason.ENDED_BY_USER)
    with pytest.raises(InvalidLink):
        await mailing.verification.confirm(link)


async def test_who_signs_out_can_still_change_their_address(mailing: Auth, post: Any) -> None:
    owner = await signed_in(mailing)
    await mailing.verification.request_change(owner.principal, "new@example.com")
    link = await post.token()
    await mailing.logins.end(owner.principal, owner.principal.login_id, EndReason.LOGOUT)
    await mailing.verification.confirm(link)
    assert (await mailing.accounts.get_user(owner.principal)).email == "new@example.com"


async def test_an_address_changes_only_after_a_recent_sign_in(
    web: httpx.AsyncClient, mailing: Auth, clock: FrozenClock
) -> None:
    alice = await signed_in(mailing)
    clock.advance(timedelta(minutes=4, seconds=30))
    good = await web.post("/auth/email", json={"new_email": "a@new.example"}, headers=alice.headers)
    assert good.status_code == 202
    clock.advance(timedelta(minutes=6))
    fresh = await mailing.logins.refresh(alice.refresh_token, Device("127.0.0.1"))
    for method, path, json in (("POST", "/auth/email", {"new_email": "a@new.example"}), ("DELETE", "/auth/me", None)):
        bearer = {"Authorization": f"Bearer {fresh.access_token}"}
        refused = await web.request(method, path, json=json, headers=bearer)
        assert (refused.status_code, refused.json()["code"]) == (401, "recent_sign_in_required")


async def test_registering_where_addresses_are_verified(
    verified_client: httpx.AsyncClient, verifying: Auth, verified_post: Any
) -> None:
    client = verified_client
    asked = await client.post("/auth/register", json=ALICE)
    assert (asked.status_code, asked.json().keys()) == (202, {"detail"})
    token = await verified_post.token()
    for password, code in ((PASSWORD, "email_not_verified"), ("wrong", "invalid_credentials")):
        refused = await client.post("/auth/login", json=ALICE | {"password": password})
        assert refused.json()["code"] == code
    assert (await client.post("/auth/verify-email", json={"token": token})).status_code == 204
    assert (await client.post("/auth/verify-email", json={"token": token})).json()["code"] == "invalid_link"
    assert (await client.post("/auth/login", json=ALICE)).json()["user"]["email_verified"] is True
    (event,) = await verifying.store.list_events(AuditFilter(action=AuditAction.EMAIL_VERIFIED), 10, None)
    assert event.subject_id


async def test_enumeration_by_registering(
    verified_client: httpx.AsyncClient, verifying: Auth, verified_post: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Taken or free: one answer, at the cost of one hash, before anything has been written."""
    hashed: list[str] = []
    make_hash, add_user, gate = verifying.passwords.hash, verifying.store.add_user, asyncio.Event()

    async def count(password: str) -> str:
        hashed.append(password)
        return await make_hash(password)

    async def wait(*args: Any, **options: Any) -> Any:
        await gate.wait()
        return await add_user(*args, **options)

    monkeypatch.setattr(verifying.passwords, "hash", count)
    monkeypatch.setattr(verifying.store, "add_user", wait)
    answers = [
        await verified_client.post("/auth/register", json=ALICE | {"email": email})
        for email in ("ADMIN@example.com", "free@example.com")
    ]
    assert {(answer.status_code, answer.text) for answer in answers} == {(202, answers[0].text)}
    assert len(hashed) == 2
    gate.set()
    assert sorted(await verified_post.arrived()) == [
        ("admin@example.com", "You have an account at Kettleworks already"),
        ("free@example.com", "Confirm your e-mail address for Kettleworks"),
    ]


async def test_an_account_opened_in_somebody_elses_name_is_taken_back_by_a_reset(
    verified_client: httpx.AsyncClient, verified_post: Any
) -> None:
    """A registers V's address and waits. V, who never confirmed, chooses a password: A's is gone."""
    client = verified_client
    await client.post("/auth/register", json=ALICE)
    attackers = await verified_post.token()
    await client.post("/auth/register", json=ALICE | {"password": OTHER})
    assert "/forgot-password" in (await verified_post.arrived(), verified_post.last)[1]
    await client.post("/auth/forgot-password", json={"email": ALICE["email"]})
    await client.post("/auth/reset-password", json={"token": await verified_post.token(), "new_password": OTHER})
    assert (await client.post("/auth/login", json=ALICE)).json()["code"] == "invalid_credentials"
    assert (await client.post("/auth/login", json=ALICE | {"password": OTHER})).status_code == 200
    assert (await client.post("/auth/verify-email", json={"token": attackers})).json()["code"] == "invalid_link"


async def test_a_lost_verification_is_sent_again_until_it_is_not_needed(
    verified_client: httpx.AsyncClient, verified_post: Any
) -> None:
    client = verified_client
    await client.post("/auth/register", json=ALICE)
    older = await verified_post.token()
    await client.post("/auth/verify-email/resend", json={"email": ALICE["email"]})
    newer = await verified_post.token()
    assert (await client.post("/auth/verify-email", json={"token": older})).status_code == 422
    assert (await client.post("/auth/verify-email", json={"token": newer})).status_code == 204
    await client.post("/auth/verify-email/resend", json={"email": ALICE["email"]})
    assert await verified_post.arrived() == []


async def test_a_mailbox_is_not_flooded_whoever_asks(
    memory_store: Any, clock: FrozenClock, settings: Any, keys: Any, make: Any, browse: Any, box: DevelopmentMailbox
) -> None:
    """From many addresses, the fifth mail in an hour is the last; the answer does not tell."""
    generous = {name: Limit.parse("1000/second") for name in ("login", "register", "mail")}
    chosen = replace(settings, link_base="https://chat.example")
    throttle = Throttle(MemoryCounters(clock), generous)
    async with make(memory_store, clock, chosen, keys, throttle=throttle, mailer=box).running() as auth:
        async with browse(auth) as client:
            await client.post("/auth/register", json=ALICE)
            answers = [await client.post("/auth/forgot-password", json={"email": ALICE["email"]}) for _ in range(9)]
        assert {answer.status_code for answer in answers} == {202}
        await auth.out_tray.sent()
        assert len(box.mails) == 5

"""Factors on every store: what is once is once."""

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest
from uuid_utils.compat import uuid7

from authkeep import Auth
from authkeep.store import AuditAction, AuditFilter, EndReason, Passkey, Totp
from authkeep.testing import SignedInUser, signed_in


@pytest.fixture
async def alice(auth_on: Auth) -> SignedInUser:
    return await signed_in(auth_on)


@pytest.fixture
def app(auth_on: Auth, alice: SignedInUser) -> Totp:
    return Totp(alice.user.id, "sealed", None, 0, auth_on.clock.now())


@pytest.fixture
def passkey(auth_on: Auth, alice: SignedInUser) -> Passkey:
    return Passkey(
        str(uuid7()), alice.user.id, "Y3JlZA", b"key", 0, ("usb",), str(uuid7()), False, "Blue", auth_on.clock.now()
    )


async def confirmed(auth: Auth, app: Totp, step: int = 10) -> None:
    assert await auth.store.put_totp(app)
    assert await auth.store.confirm_totp(app, step, auth.clock.now())


async def test_an_app_counts_when_it_is_confirmed_and_not_before(auth_on: Auth, app: Totp) -> None:
    store = auth_on.store
    assert await store.put_totp(app)
    assert not await store.use_totp_step(app, 5)
    assert not (await store.find_factors(app.user_id)).has_second
    confirmations = [store.confirm_totp(app, 10, auth_on.clock.now()) for _ in range(5)]
    assert sorted(await asyncio.gather(*confirmations)) == [False] * 4 + [True]
    assert (await store.find_factors(app.user_id)).has_second


async def test_an_app_that_counts_is_not_replaced(auth_on: Auth, app: Totp) -> None:
    await auth_on.store.put_totp(replace(app, secret="first"))
    await auth_on.store.put_totp(app)
    assert not await auth_on.store.confirm_totp(replace(app, secret="first"), 1, auth_on.clock.now())
    await confirmed(auth_on, app)
    assert not await auth_on.store.put_totp(replace(app, secret="another"))
    found = (await auth_on.store.find_factors(app.user_id)).totp
    assert found
    assert (found.secret, found.last_step) == ("sealed", 10)


async def test_a_step_is_accepted_once_and_none_before_it(auth_on: Auth, app: Totp) -> None:
    await confirmed(auth_on, app)
    store = auth_on.store
    assert not await store.use_totp_step(app, 10)
    used = await asyncio.gather(*(store.use_totp_step(app, 12) for _ in range(8)))
    assert sorted(used) == [False] * 7 + [True]
    assert not await store.use_totp_step(app, 11)
    assert not await store.use_totp_step(replace(app, secret="of before"), 13)


async def test_a_recovery_code_is_used_once(auth_on: Auth, alice: SignedInUser) -> None:
    store, now, user_id = auth_on.store, auth_on.clock.now(), alice.user.id
    assert await store.put_recovery_codes(user_id, ["1" * 64, "2" * 64])
    used = await asyncio.gather(*(store.use_recovery_code(user_id, "1" * 64, now) for _ in range(8)))
    assert sorted(used) == [False] * 7 + [True]
    assert not await store.use_recovery_code(user_id, "3" * 64, now)
    assert not await store.use_recovery_code(str(uuid7()), "2" * 64, now)
    assert (await store.find_factors(user_id)).recovery_codes_left == 1


async def test_the_first_codes_are_made_once_and_new_ones_void_them(auth_on: Auth, alice: SignedInUser) -> None:
    store, user_id = auth_on.store, alice.user.id
    firsts = (store.put_recovery_codes(user_id, [f"{n}" * 64], only_first=True) for n in range(5))
    assert sorted(await asyncio.gather(*firsts)) == [False] * 4 + [True]
    assert await store.put_recovery_codes(user_id, ["a" * 64])
    assert (await store.find_factors(user_id)).recovery_codes_left == 1
    assert await store.use_recovery_code(user_id, "a" * 64, auth_on.clock.now())


async def test_a_passkey_comes_back_as_it_went_in(auth_on: Auth, passkey: Passkey) -> None:
    assert await auth_on.store.add_passkey(passkey, 9)
    assert await auth_on.store.find_passkey("Y3JlZA") == passkey
    assert await auth_on.store.find_passkey("other") is None
    assert (await auth_on.store.find_factors(passkey.user_id)).passkeys == (passkey,)


async def test_a_credential_belongs_to_one_user(auth_on: Auth, passkey: Passkey) -> None:
    bob = await signed_in(auth_on, "bob@example.com")
    copies = [replace(passkey, id=str(uuid7()), user_id=bob.user.id) for _ in range(4)]
    added = await asyncio.gather(*(auth_on.store.add_passkey(copy, 9) for copy in [passkey, *copies]))
    assert sorted(added) == [False] * 4 + [True]


async def test_nobody_has_more_passkeys_than_the_limit(auth_on: Auth, passkey: Passkey) -> None:
    many = [replace(passkey, id=str(uuid7()), credential_id=f"c{n}") for n in range(6)]
    added = await asyncio.gather(*(auth_on.store.add_passkey(one, 3) for one in many))
    assert sorted(added) == [False] * 3 + [True] * 3


@pytest.mark.parametrize(
    ("stored", "presented", "accepted"), [(0, 0, True), (0, 1, True), (5, 6, True), (5, 5, False), (5, 0, False)]
)
async def test_a_counter_that_does_not_rise(
    auth_on: Auth, passkey: Passkey, stored: int, presented: int, accepted: bool
) -> None:
    await auth_on.store.add_passkey(replace(passkey, sign_count=stored), 9)
    assert await auth_on.store.use_passkey(passkey, presented, True, auth_on.clock.now()) is accepted
    found = await auth_on.store.find_passkey(passkey.credential_id)
    assert found
    assert (found.backed_up, found.last_used_at is not None) == (accepted, accepted)


async def test_two_copies_of_a_key_at_once(auth_on: Auth, passkey: Passkey) -> None:
    await auth_on.store.add_passkey(passkey, 9)
    used = await asyncio.gather(*(auth_on.store.use_passkey(passkey, 7, False, auth_on.clock.now()) for _ in range(4)))
    assert sorted(used) == [False] * 3 + [True]


async def test_a_passkey_is_renamed_and_removed_by_its_owner_alone(auth_on: Auth, passkey: Passkey) -> None:
    store, ending = auth_on.store, auth_on.logins.ending(EndReason.FACTOR_REMOVED)
    bob = await signed_in(auth_on, "bob@example.com")
    await store.add_passkey(passkey, 9)
    assert await store.rename_passkey(passkey.id, bob.user.id, "Mine") is None
    assert await store.remove_passkey(passkey.id, bob.user.id, ending, bob.principal.login_id) is None
    renamed = await store.rename_passkey(passkey.id, passkey.user_id, "Green")
    assert renamed == replace(passkey, name="Green")
    assert await store.remove_passkey(passkey.id, passkey.user_id, ending, "") is not None
    assert await store.find_passkey(passkey.credential_id) is None


async def test_removing_a_factor_ends_the_other_logins(auth_on: Auth, alice: SignedInUser, app: Totp) -> None:
    other = await signed_in(auth_on)
    await confirmed(auth_on, app)
    ending = auth_on.logins.ending(EndReason.FACTOR_REMOVED)
    event = auth_on.audit.event(AuditAction.TOTP_REMOVED, None, subject=alice.user.id)
    revoked = await auth_on.store.remove_totp(alice.user.id, ending, alice.principal.login_id, event=event)
    assert [entry.sid for entry in revoked or ()] == [other.principal.login_id]
    left = await auth_on.store.list_logins(alice.user.id, auth_on.clock.now(), 9, None)
    assert [login.sid for login in left] == [alice.principal.login_id]
    assert await auth_on.store.remove_totp(alice.user.id, ending, alice.principal.login_id, event=event) is None
    assert len(await auth_on.store.list_events(AuditFilter(action=AuditAction.TOTP_REMOVED), 9, None)) == 1


async def test_the_recovery_codes_go_with_the_last_factor(auth_on: Auth, app: Totp, passkey: Passkey) -> None:
    store, ending = auth_on.store, auth_on.logins.ending(EndReason.FACTOR_REMOVED)
    await confirmed(auth_on, app)
    await store.add_passkey(passkey, 9)
    await store.put_recovery_codes(app.user_id, ["1" * 64])
    await store.remove_totp(app.user_id, ending, "")
    assert (await store.find_factors(app.user_id)).recovery_codes_left == 1
    await store.remove_passkey(passkey.id, app.user_id, ending, "")
    assert (await store.find_factors(app.user_id)).recovery_codes_left == 0


async def test_a_reset_leaves_nothing_and_ends_everything(
    auth_on: Auth, alice: SignedInUser, app: Totp, passkey: Passkey
) -> None:
    store, ending = auth_on.store, auth_on.logins.ending(EndReason.FACTORS_RESET)
    await confirmed(auth_on, app)
    await store.add_passkey(passkey, 9)
    await store.put_recovery_codes(app.user_id, ["1" * 64])
    revoked = await store.remove_factors(app.user_id, ending)
    assert [(entry.sid, entry.epoch) for entry in revoked or ()] == [(None, alice.user.epoch + 1)]
    held = await store.find_factors(app.user_id)
    assert (held.totp, held.recovery_codes_left, held.passkeys) == (None, 0, ())
    assert not await store.is_live(alice.principal.login_id, alice.user.id, alice.user.epoch)
    assert await store.remove_factors(str(uuid7()), ending) is None


async def test_a_step_up_is_for_a_live_login_of_ones_own(auth_on: Auth, alice: SignedInUser) -> None:
    bob = await signed_in(auth_on, "bob@example.com")
    later = auth_on.clock.now() + timedelta(minutes=1)
    sid, methods = alice.principal.login_id, ("mfa", "otp", "pwd")
    assert await auth_on.store.step_up_login(sid, bob.user.id, later, methods) is None
    stepped = await auth_on.store.step_up_login(sid, alice.user.id, later, methods)
    assert stepped
    assert (stepped[0].authenticated_at, stepped[0].methods) == (later, methods)
    await auth_on.store.end_login(sid, alice.user.id, auth_on.logins.ending(EndReason.LOGOUT))
    assert await auth_on.store.step_up_login(sid, alice.user.id, later, methods) is None

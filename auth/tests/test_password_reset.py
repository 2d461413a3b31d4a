"""A forgotten password: what the mailbox can do, what nobody can without it, and what nobody learns."""

import asyncio
import hashlib
from dataclasses import replace
from datetime import timedelta
from typing import Any

import httpx
import pytest

from authkeep import Auth, DevelopmentMailbox, InvalidLink, Limit
from authkeep.store import AuditAction, AuditFilter, Purpose, Totp
from authkeep.testing import FrozenClock, signed_in

PASSWORD = "seven purple kettles sing"
OTHER = "eleven copper lanterns hum"
ALICE = {"email": "alice@example.com", "password": PASSWORD}


async def test_a_forgotten_password_is_replaced_and_ends_every_login(
    web: httpx.AsyncClient, mailing: Auth, post: Any, sign_in: Any
) -> None:
    await web.post("/auth/register", json=ALICE)
    thief = (await sign_in(PASSWORD)).json()
    asked = await web.post("/auth/forgot-password", json={"email": " ALICE@example.com"})
    assert asked.status_code == 202
    token = await post.token()
    reset = await web.post("/auth/reset-password", json={"token": token, "new_password": OTHER})
    assert (reset.status_code, reset.content) == (204, b"")
    for path, json in (("/auth/refresh", {"refresh_token": thief["refresh_token"]}), ("/auth/logout", None)):
        refused = await web.post(path, json=json, headers={"Authorization": f"Bearer {thief['access_token']}"})
        assert refused.status_code == 401
    assert (await sign_in(PASSWORD)).status_code == 401
    assert (await sign_in(OTHER)).json()["user"]["email_verified"] is True
    assert await post.arrived() == [("alice@example.com", "Your Kettleworks password was changed")]
    trail = await mailing.store.list_events(AuditFilter(), 10, None)
    assert {AuditAction.PASSWORD_RESET_REQUESTED, AuditAction.PASSWORD_RESET} <= {event.action for event in trail}


async def test_a_link_works_once_and_only_for_what_it_was_sent_for(web: httpx.AsyncClient, post: Any) -> None:
    await web.post("/auth/register", json=ALICE)
    await web.post("/auth/forgot-password", json={"email": ALICE["email"]})
    token = await post.token()
    assert (await web.post("/auth/verify-email", json={"token": token})).json()["code"] == "invalid_link"
    resets = [web.post("/auth/reset-password", json={"token": token, "new_password": OTHER}) for _ in range(4)]
    assert sorted([answer.status_code for answer in await asyncio.gather(*resets)]) == [204, 422, 422, 422]


async def test_a_link_expires_and_a_newer_one_voids_it(web: httpx.AsyncClient, post: Any, clock: FrozenClock) -> None:
    await web.post("/auth/register", json=ALICE)
    tokens = []
    for _ in range(2):
        await web.post("/auth/forgot-password", json={"email": ALICE["email"]})
        tokens.append(await post.token())
    older = await web.post("/auth/reset-password", json={"token": tokens[0], "new_password": OTHER})
    clock.advance(timedelta(minutes=30))
    late = await web.post("/auth/reset-password", json={"token": tokens[1], "new_password": OTHER})
    assert {older.json()["code"], late.json()["code"]} == {"invalid_link"}


async def test_a_former_mailbox_races_the_change_of_address(
    mailing: Auth, post: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its link is presented in time, and waits for the password to be hashed while the address changes."""
    alice = await signed_in(mailing)
    mailing.password_reset.request(ALICE["email"])
    to_the_former = await post.token()
    await mailing.verification.request_change(alice.principal, "new@example.com")
    to_the_new = await post.token()
    hash_password = mailing.passwords.hash

    async def hash_meanwhile(password: str) -> str:
        await mailing.verification.confirm(to_the_new)
        return await hash_password(password)

    monkeypatch.setattr(mailing.passwords, "hash", hash_meanwhile)
    with pytest.raises(InvalidLink):
        await mailing.password_reset.reset(to_the_former, OTHER)


async def test_a_refused_password_leaves_the_link_good(web: httpx.AsyncClient, post: Any) -> None:
    await web.post("/auth/register", json=ALICE)
    await web.post("/auth/forgot-password", json={"email": ALICE["email"]})
    token = await post.token()
    weak = await web.post("/auth/reset-password", json={"token": token, "new_password": "short"})
    assert (weak.json()["code"], weak.json()["errors"][0]["loc"]) == ("unacceptable_password", ["body", "new_password"])
    assert (await web.post("/auth/reset-password", json={"token": token, "new_password": OTHER})).status_code == 204


@pytest.mark.parametrize("token", ["", "x", "x" * 43, "\0" * 43, "x" * 20000, "é" * 43, "' OR 1=1 --" + "x" * 32])
async def test_invented_links_are_one_refusal(web: httpx.AsyncClient, token: str) -> None:
    for path in ("/auth/verify-email", "/auth/reset-password"):
        answer = await web.post(path, json={"token": token, "new_password": OTHER})
        assert (answer.status_code, answer.json()["code"]) == (422, "invalid_link")


async def test_a_mail_scanner_that_follows_links_redeems_nothing(web: httpx.AsyncClient, post: Any) -> None:
    await web.post("/auth/register", json=ALICE)
    await web.post("/auth/forgot-password", json={"email": ALICE["email"]})
    token = await post.token()
    for path in ("/auth/reset-password", "/auth/verify-email"):
        for url in (path, f"{path}?token={token}"):
            assert (await web.get(url)).status_code == 405
    assert (await web.post("/auth/reset-password", json={"token": token, "new_password": OTHER})).status_code == 204


async def test_enumeration_by_forgotten_passwords_and_resent_links(
    web: httpx.AsyncClient, mailing: Auth, post: Any
) -> None:
    """Known, unknown, disabled: one answer, and the store has not even been asked when it is given."""
    await web.post("/auth/register", json=ALICE)
    disabled = (await web.post("/auth/register", json=ALICE | {"email": "d@example.com"})).json()
    await mailing.administration.change_user(None, disabled["id"], disabled=True)
    for path in ("/auth/forgot-password", "/auth/verify-email/resend"):
        emails = (ALICE["email"], "nobody@example.com", "d@example.com")
        answers = [await web.post(path, json={"email": email}) for email in emails]
        assert {(answer.status_code, answer.text) for answer in answers} == {(202, answers[0].text)}
        headers = [{k: v for k, v in answer.headers.items() if not k.startswith("ratelimit")} for answer in answers]
        assert headers[0] == headers[1] == headers[2]
    assert {to for to, _ in await post.arrived()} == {ALICE["email"]}


async def test_enumeration_by_the_time_of_a_forgotten_password(
    web: httpx.AsyncClient, mailing: Auth, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The answer leaves while whoever looks the account up is still waiting."""
    await web.post("/auth/register", json=ALICE)
    gate = asyncio.Event()
    find = mailing.store.find_user_by_email

    async def wait(email_key: str) -> Any:
        await gate.wait()
        return await find(email_key)

    monkeypatch.setattr(mailing.store, "find_user_by_email", wait)
    for email in (ALICE["email"], "nobody@example.com"):
        assert (await web.post("/auth/forgot-password", json={"email": email})).status_code == 202
    gate.set()


async def test_a_link_goes_to_the_address_that_is_stored_and_to_none_that_looks_like_it(
    web: httpx.AsyncClient, post: Any
) -> None:
    """Unicode forms that fold to the same key would else carry V's link to A's mailbox (CVE-2019-19844)."""
    await web.post("/auth/register", json=ALICE)
    await web.post("/auth/forgot-password", json={"email": "\uff21LICE@\uff25xample.com"})
    assert [to for to, _ in await post.arrived()] == ["alice@example.com"]


async def test_a_reset_voids_what_an_intruder_had_under_way(
    web: httpx.AsyncClient, mailing: Auth, post: Any, sign_in: Any
) -> None:
    """A change of address that was asked for with a stolen login must not bring the thief back afterwards."""
    await web.post("/auth/register", json=ALICE)
    thief = (await sign_in(PASSWORD)).json()
    bearer = {"Authorization": f"Bearer {thief['access_token']}"}
    asked = await web.post("/auth/email", json={"new_email": "mallory@example.com"}, headers=bearer)
    assert asked.status_code == 202
    stolen = await post.token()
    await web.post("/auth/forgot-password", json={"email": ALICE["email"]})
    await web.post("/auth/reset-password", json={"token": await post.token(), "new_password": OTHER})
    assert (await web.post("/auth/verify-email", json={"token": stolen})).json()["code"] == "invalid_link"
    assert (await sign_in(OTHER)).status_code == 200


async def test_a_changed_password_voids_links_and_tells_its_owner(
    web: httpx.AsyncClient, post: Any, sign_in: Any
) -> None:
    await web.post("/auth/register", json=ALICE)
    bearer = {"Authorization": f"Bearer {(await sign_in(PASSWORD)).json()['access_token']}"}
    await web.post("/auth/forgot-password", json={"email": ALICE["email"]})
    link = await post.token()
    change = {"current_password": PASSWORD, "new_password": OTHER}
    assert (await web.post("/auth/password", json=change, headers=bearer)).status_code == 204
    assert await post.arrived() == [("alice@example.com", "Your Kettleworks password was changed")]
    late = await web.post("/auth/reset-password", json={"token": link, "new_password": PASSWORD})
    assert late.json()["code"] == "invalid_link"


async def test_requests_for_mail_are_limited_by_address(auth: Auth, browse: Any) -> None:
    limited = Auth(
        replace(auth.settings, link_base="https://chat.example", limit_mail=Limit.parse("3/hour")), auth.store,
        auth.keys, clock=auth.clock, mailer=DevelopmentMailbox(),
    )  # fmt: skip
    async with limited.running(), browse(limited) as client:
        answers = [await client.post("/auth/forgot-password", json={"email": f"{n}@example.com"}) for n in range(4)]
    assert [answer.status_code for answer in answers] == [202, 202, 202, 429]


async def test_where_no_mail_is_sent_that_is_the_answer_for_everybody(auth: Auth, browse: Any) -> None:
    alice = await signed_in(auth)
    async with browse(auth) as client:
        for path, json in (
            ("/auth/forgot-password", {"email": "alice@example.com"}),
            ("/auth/forgot-password", {"email": "nobody@example.com"}),
            ("/auth/verify-email/resend", {"email": "nobody@example.com"}),
            ("/auth/email", {"new_email": "new@example.com"}),
        ):
            answer = await client.post(path, json=json, headers=alice.headers)
            assert (answer.status_code, answer.json()["code"]) == (503, "mail_not_configured")


async def test_a_disabled_user_resets_nothing(web: httpx.AsyncClient, mailing: Auth, post: Any) -> None:
    user = (await web.post("/auth/register", json=ALICE)).json()
    await web.post("/auth/forgot-password", json={"email": ALICE["email"]})
    token = await post.token()
    await mailing.administration.change_user(None, user["id"], disabled=True)
    reset = await web.post("/auth/reset-password", json={"token": token, "new_password": OTHER})
    assert reset.json()["code"] == "invalid_link"


async def test_a_reset_leaves_second_factors_as_they_are(
    web: httpx.AsyncClient, mailing: Auth, post: Any, clock: FrozenClock
) -> None:
    user = (await web.post("/auth/register", json=ALICE)).json()
    app = Totp(user["id"], "encrypted", None, 0, clock.now())
    await mailing.store.put_totp(app)
    await mailing.store.confirm_totp(app, 1, clock.now())
    await web.post("/auth/forgot-password", json={"email": ALICE["email"]})
    await web.post("/auth/reset-password", json={"token": await post.token(), "new_password": OTHER})
    assert (await mailing.store.find_factors(user["id"])).has_second


async def test_nothing_in_a_mail_was_written_by_whoever_caused_it(
    web: httpx.AsyncClient, post: Any, box: DevelopmentMailbox, mailing: Auth
) -> None:
    """Else anybody could send words of their own to somebody else, from our server and in our name."""
    spam = "CHEAP https://evil.example"
    await web.post("/auth/register", json=ALICE | {"name": spam}, headers={"User-Agent": spam})
    await web.post("/auth/forgot-password", json={"email": ALICE["email"]}, headers={"User-Agent": spam})
    await mailing.out_tray.sent()
    assert box.mails
    assert not any("evil" in mail.text + mail.subject for mail in box.mails)


def test_mails_need_a_place_for_their_links_to_lead_to(make: Any, clock: Any, settings: Any, keys: Any) -> None:
    with pytest.raises(ValueError, match="public_url"):
        make(None, clock, settings, keys, mailer=DevelopmentMailbox())
    with pytest.raises(ValueError, match="verify_email"):
        make(None, clock, replace(settings, verify_email=True), keys)
    with pytest.raises(ValueError, match="link_base"):
        replace(settings, link_base="chat.example")


async def test_tickets_of_mails_hold_no_secret(web: httpx.AsyncClient, mailing: Auth, post: Any) -> None:
    await web.post("/auth/register", json=ALICE)
    await web.post("/auth/forgot-password", json={"email": ALICE["email"]})
    token = await post.token()
    found = await mailing.store.find_ticket(
        Purpose.RESET_PASSWORD, hashlib.sha256(token.encode()).hexdigest(), mailing.clock.now()
    )
    assert found is not None
    assert token not in repr(found) + str(found.data) + found.id + found.secret_hash

"""Attacks on passkeys. Each test is named after one."""

import base64
from dataclasses import replace
from datetime import timedelta
from typing import Any

import httpx
import pytest

from authkeep import Auth, AuthSettings, Device, PasskeyRefused, RecentSignInRequired
from authkeep.factors.webauthn import RelyingParty
from authkeep.oidc.errors import LastWayIn
from authkeep.store import AuditAction, AuditFilter, Passkey, User, UserChange
from authkeep.testing import FrozenClock, SignedInUser, SoftwareAuthenticator, add_passkey, signed_in
from authkeep.testing.authenticator import b64url

ORIGIN = "http://localhost:8000"
HERE = Device("198.51.100.7", "Firefox")


@pytest.fixture
async def alice(auth: Auth) -> SignedInUser:
    return await signed_in(auth)


@pytest.fixture
async def phone(auth: Auth, alice: SignedInUser) -> SoftwareAuthenticator:
    """Alice's, with a passkey."""
    phone = SoftwareAuthenticator(ORIGIN)
    await add_passkey(auth, alice, phone)
    return phone


async def sign_in(client: httpx.AsyncClient, phone: SoftwareAuthenticator, **lies: Any) -> httpx.Response:
    asked = (await client.post("/auth/login/passkey/options")).json()
    credential = phone.get(asked["options"], **lies)
    return await client.post("/auth/login/passkey", json={"ticket": asked["ticket"], "credential": credential})


def refusal(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["code"]


REFUSED = (401, "passkey_refused")


async def test_it_works_when_nobody_lies(client: httpx.AsyncClient, phone: SoftwareAuthenticator) -> None:
    assert (await sign_in(client, phone)).status_code == 200


# -- an answer that is not for us ------------------------------------------------------------------------------------

FOREIGN_ORIGINS = [
    "https://evil.example", "http://localhost.evil.example", "http://localhost:8000/", "http://LOCALHOST:8000",
    "http://user@localhost:8000", "http://127.0.0.1:8000", "http://localhost:99999", "null", "", "http://[",
    7, None, {},
]  # fmt: skip


@pytest.mark.parametrize("origin", FOREIGN_ORIGINS)
async def test_an_assertion_for_another_origin(
    client: httpx.AsyncClient, phone: SoftwareAuthenticator, origin: Any
) -> None:
    assert refusal(await sign_in(client, phone, origin=origin)) == REFUSED


async def test_an_assertion_for_another_relying_party(client: httpx.AsyncClient, phone: SoftwareAuthenticator) -> None:
    phone.passkeys[0].rp_id = "evil.example"
    assert refusal(await sign_in(client, phone)) == REFUSED


@pytest.mark.parametrize(
    "lies", [{"crossOrigin": True}, {"crossOrigin": "yes"}, {"topOrigin": "https://evil.example"}], ids=str
)
async def test_a_page_that_frames_ours(
    client: httpx.AsyncClient, phone: SoftwareAuthenticator, lies: dict[str, Any]
) -> None:
    assert refusal(await sign_in(client, phone, **lies)) == REFUSED


async def test_an_assertion_for_another_challenge(client: httpx.AsyncClient, phone: SoftwareAuthenticator) -> None:
    assert refusal(await sign_in(client, phone, challenge=b64url(bytes(32)))) == REFUSED


async def test_replay_of_an_assertion(client: httpx.AsyncClient, phone: SoftwareAuthenticator) -> None:
    asked = (await client.post("/auth/login/passkey/options")).json()
    body = {"ticket": asked["ticket"], "credential": phone.get(asked["options"])}
    assert (await client.post("/auth/login/passkey", json=body)).status_code == 200
    assert refusal(await client.post("/auth/login/passkey", json=body)) == REFUSED
    fresh = (await client.post("/auth/login/passkey/options")).json()
    assert refusal(await client.post("/auth/login/passkey", json=body | {"ticket": fresh["ticket"]})) == REFUSED


async def test_a_wrong_answer_uses_up_its_ticket(client: httpx.AsyncClient, phone: SoftwareAuthenticator) -> None:
    asked = (await client.post("/auth/login/passkey/options")).json()
    wrong = phone.get(asked["options"], origin="https://evil.example")
    await client.post("/auth/login/passkey", json={"ticket": asked["ticket"], "credential": wrong})
    right = {"ticket": asked["ticket"], "credential": phone.get(asked["options"])}
    assert refusal(await client.post("/auth/login/passkey", json=right)) == REFUSED


async def test_a_ticket_that_is_late(client: httpx.AsyncClient, phone: SoftwareAuthenticator, auth: Auth) -> None:
    ticket, options = await auth.mfa.passkey_login.options()
    clock = auth.clock
    assert isinstance(clock, FrozenClock)
    clock.advance(timedelta(minutes=6))
    with pytest.raises(PasskeyRefused):
        await auth.mfa.passkey_login.sign_in(ticket, phone.get(options), HERE)


async def test_a_step_up_as_a_sign_in(
    client: httpx.AsyncClient, phone: SoftwareAuthenticator, alice: SignedInUser
) -> None:
    asked = (await client.post("/auth/step-up/passkey-options", headers=alice.headers)).json()
    body = {"ticket": asked["ticket"], "credential": phone.get(asked["options"])}
    assert refusal(await client.post("/auth/login/passkey", json=body)) == REFUSED


# -- a credential that is not what it should be ------------------------------------------------------------------------


async def test_a_finger_that_was_not_asked_for(client: httpx.AsyncClient, phone: SoftwareAuthenticator) -> None:
    """Whoever has the key in hand, and not its PIN."""
    phone.verifies = False
    assert refusal(await sign_in(client, phone)) == REFUSED


async def test_a_key_that_nobody_touched(client: httpx.AsyncClient, phone: SoftwareAuthenticator) -> None:
    phone.present = False
    assert refusal(await sign_in(client, phone)) == REFUSED


async def test_a_credential_that_nobody_has(client: httpx.AsyncClient, phone: SoftwareAuthenticator) -> None:
    phone.passkeys[0].credential_id = b"unknown"
    assert refusal(await sign_in(client, phone)) == REFUSED


async def test_the_key_of_the_attacker_under_the_id_of_the_victim(
    client: httpx.AsyncClient, auth: Auth, phone: SoftwareAuthenticator
) -> None:
    mallorys = SoftwareAuthenticator(ORIGIN)
    await add_passkey(auth, await signed_in(auth, "mallory@example.com"), mallorys)
    mallorys.passkeys[0].credential_id = phone.passkeys[0].credential_id
    assert refusal(await sign_in(client, mallorys)) == REFUSED


async def test_a_handle_that_names_the_victim(client: httpx.AsyncClient, auth: Auth, alice: SignedInUser) -> None:
    mallorys = SoftwareAuthenticator(ORIGIN)
    await add_passkey(auth, await signed_in(auth, "mallory@example.com"), mallorys)
    mallorys.passkeys[0].user_handle = alice.user.id.encode()
    assert refusal(await sign_in(client, mallorys)) == REFUSED


async def test_the_passkey_of_another_user_as_a_second_factor(
    client: httpx.AsyncClient, auth: Auth, password: str
) -> None:
    await auth.accounts.register("victim@example.com", password)
    victims, mallorys = SoftwareAuthenticator(ORIGIN), SoftwareAuthenticator(ORIGIN)
    await add_passkey(auth, await signed_in(auth, "victim@example.com"), victims)
    await add_passkey(auth, await signed_in(auth, "mallory@example.com"), mallorys)
    asked = (await client.post("/auth/login", json={"email": "victim@example.com", "password": password})).json()
    body = {"mfa_token": asked["mfa_token"], "factor": "passkey"}
    options = (await client.post("/auth/login/mfa/passkey-options", json={"mfa_token": asked["mfa_token"]})).json()
    foreign = await client.post("/auth/login/mfa", json=body | {"credential": mallorys.get(options)})
    assert refusal(foreign) == (401, "invalid_second_factor")
    assert (await client.post("/auth/login/mfa", json=body | {"credential": victims.get(options)})).status_code == 200


async def test_a_passkey_of_a_disabled_user(
    client: httpx.AsyncClient, auth: Auth, phone: SoftwareAuthenticator, alice: SignedInUser
) -> None:
    await auth.administration.change_user(None, alice.user.id, disabled=True)
    assert refusal(await sign_in(client, phone)) == REFUSED


async def test_a_passkey_that_was_removed(
    client: httpx.AsyncClient, auth: Auth, phone: SoftwareAuthenticator, alice: SignedInUser
) -> None:
    (passkey,) = await auth.mfa.passkeys.list_all(alice.principal)
    owner = await signed_in(auth, methods=["pwd", "hwk", "mfa"])
    with pytest.raises(LastWayIn):
        # She has no password: without the passkey nobody could sign in, she neither.
        await auth.mfa.passkeys.remove(owner.principal, passkey.id, HERE)
    await auth.store.change_user(alice.user.id, UserChange(password_hash="$hash"))
    await auth.mfa.passkeys.remove(owner.principal, passkey.id, HERE)
    assert refusal(await sign_in(client, phone)) == REFUSED


async def test_a_copy_of_a_key_is_noticed(client: httpx.AsyncClient, auth: Auth, alice: SignedInUser) -> None:
    key = SoftwareAuthenticator(ORIGIN, counts=True)
    await add_passkey(auth, alice, key)
    copy = replace(key.passkeys[0])
    for _ in range(3):
        assert (await sign_in(client, key)).status_code == 200
    key.passkeys[0] = copy
    assert refusal(await sign_in(client, key)) == REFUSED
    (event,) = await auth.store.list_events(AuditFilter(action=AuditAction.PASSKEY_COPIED), 9, None)
    assert event.subject_id == alice.user.id


# -- registration ------------------------------------------------------------------------------------------------------


async def register(
    client: httpx.AsyncClient, user: SignedInUser, phone: SoftwareAuthenticator, **lies: Any
) -> httpx.Response:
    asked = (await client.post("/auth/passkeys/options", headers=user.headers)).json()
    body = {"ticket": asked["ticket"], "credential": phone.create(asked["options"], **lies)}
    return await client.post("/auth/passkeys", json=body, headers=user.headers)


UNACCEPTABLE = (422, "unacceptable_passkey")


@pytest.mark.parametrize(
    "lies", [{"origin": "https://evil.example"}, {"challenge": b64url(bytes(32))}, {"type": "webauthn.get"}], ids=str
)
async def test_a_registration_for_elsewhere(client: httpx.AsyncClient, alice: SignedInUser, lies: Any) -> None:
    assert refusal(await register(client, alice, SoftwareAuthenticator(ORIGIN), **lies)) == UNACCEPTABLE


async def test_a_registration_without_a_finger(client: httpx.AsyncClient, alice: SignedInUser) -> None:
    phone = SoftwareAuthenticator(ORIGIN)
    phone.verifies = False
    assert refusal(await register(client, alice, phone)) == UNACCEPTABLE


async def test_a_registration_as_an_assertion_and_the_reverse(
    client: httpx.AsyncClient, alice: SignedInUser, phone: SoftwareAuthenticator
) -> None:
    asked = (await client.post("/auth/login/passkey/options")).json()
    other = SoftwareAuthenticator(ORIGIN)
    made = other.create({"rp": {"id": "localhost"}, "user": {"id": b64url(b"x")}, **asked["options"]})
    body = {"ticket": asked["ticket"], "credential": made}
    assert refusal(await client.post("/auth/login/passkey", json=body)) == REFUSED
    owner = {"Authorization": f"Bearer {(await sign_in(client, phone)).json()['access_token']}"}
    asked = (await client.post("/auth/passkeys/options", headers=owner)).json()
    body = {"ticket": asked["ticket"], "credential": phone.get(asked["options"])}
    assert refusal(await client.post("/auth/passkeys", json=body, headers=owner)) == UNACCEPTABLE


async def test_a_passkey_planted_in_the_account_of_another(
    client: httpx.AsyncClient, auth: Auth, alice: SignedInUser
) -> None:
    """The ticket of one login is good for no other, of the same user or not."""
    mallory, other = await signed_in(auth, "mallory@example.com"), await signed_in(auth)
    for planter in (mallory, other):
        asked = (await client.post("/auth/passkeys/options", headers=alice.headers)).json()
        credential = SoftwareAuthenticator(ORIGIN).create(asked["options"])
        body = {"ticket": asked["ticket"], "credential": credential}
        assert refusal(await client.post("/auth/passkeys", json=body, headers=planter.headers)) == UNACCEPTABLE


async def test_a_passkey_planted_beside_the_first(auth: Auth, alice: SignedInUser) -> None:
    """A ticket from when there was no second factor is none for adding one past it."""
    thief = await signed_in(auth)
    ticket, options = await auth.mfa.passkeys.options(thief.principal)
    await add_passkey(auth, alice, SoftwareAuthenticator(ORIGIN))
    with pytest.raises(RecentSignInRequired):
        await auth.mfa.passkeys.add(thief.principal, ticket, "", SoftwareAuthenticator(ORIGIN).create(options), HERE)


async def test_the_credential_of_another_registered_as_ones_own(
    client: httpx.AsyncClient, auth: Auth, phone: SoftwareAuthenticator
) -> None:
    mallory = await signed_in(auth, "mallory@example.com")
    asked = (await client.post("/auth/passkeys/options", headers=mallory.headers)).json()
    forger = SoftwareAuthenticator(ORIGIN)
    made = forger.create(asked["options"])
    attested = base64.urlsafe_b64decode(made["response"]["attestationObject"] + "==")
    theirs = phone.passkeys[0].credential_id
    made["response"]["attestationObject"] = b64url(attested.replace(forger.passkeys[0].credential_id, theirs))
    made["id"] = made["rawId"] = b64url(theirs)
    answer = await client.post(
        "/auth/passkeys", json={"ticket": asked["ticket"], "credential": made}, headers=mallory.headers
    )
    assert refusal(answer) == UNACCEPTABLE


def test_the_options_name_nobody_and_exclude_what_is_there(auth: Auth) -> None:
    user = User("0198", "alice@example.com", "alice@example.com", "", *[None] * 5)  # type: ignore[arg-type]
    known = Passkey("1", "0198", "AAAA", b"", 0, ("usb",), "", False, "", auth.clock.now())
    options = RelyingParty("Kettleworks", None).creation_options(user, bytes(32), [known])
    assert base64.urlsafe_b64decode(options["user"]["id"] + "==") == b"0198"
    assert options["excludeCredentials"] == [{"id": "AAAA", "type": "public-key", "transports": ["usb"]}]
    assert options["authenticatorSelection"]["userVerification"] == "required"
    assert [each["alg"] for each in options["pubKeyCredParams"]] == [-8, -7, -257]
    assert options["attestation"] == "none"


@pytest.mark.parametrize(
    ("public_url", "origin", "rp_id"),
    [
        ("https://chat.example", "https://chat.example", "chat.example"),
        ("https://Chat.Example:443/app/", "https://chat.example", "chat.example"),
        ("http://chat.example:8080", "http://chat.example:8080", "chat.example"),
    ],
)
def test_the_origin_is_as_a_browser_writes_it(auth: Auth, public_url: str, origin: str, rp_id: str) -> None:
    user = User("0198", "alice@example.com", "alice@example.com", "", *[None] * 5)  # type: ignore[arg-type]
    party, challenge = RelyingParty("Kettleworks", public_url), bytes(32)
    options = party.creation_options(user, challenge, [])
    assert options["rp"]["id"] == rp_id
    assert party.verify_registration(SoftwareAuthenticator(origin).create(options), challenge)
    for other in (ORIGIN, "https://evil.example", origin + "."):
        assert party.verify_registration(SoftwareAuthenticator(other).create(options), challenge) is None


def test_a_public_url_that_is_none() -> None:
    with pytest.raises(ValueError, match="public_url"):
        AuthSettings(issuer="x", audience="x", public_url="chat.example")

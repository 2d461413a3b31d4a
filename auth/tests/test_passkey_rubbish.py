"""Rubbish where a passkey is expected: CBOR that explodes, members of any type, one byte off."""

import base64
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from authkeep import Auth
from authkeep.factors.webauthn import RelyingParty
from authkeep.store import Passkey, User
from authkeep.testing import FrozenClock, SignedInUser, SoftwareAuthenticator, signed_in
from authkeep.testing.authenticator import b64url, cbor

ORIGIN = "http://localhost:8000"


@pytest.fixture
async def alice(auth: Auth) -> SignedInUser:
    return await signed_in(auth)


def refusal(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["code"]


BOMBS = {
    "nested arrays": b"\x81" * 9000 + b"\x00",
    "nested maps": b"\xa1\x00" * 5000 + b"\x00",
    "nested tags": b"\xc1" * 9000 + b"\x00",
    "an array of 2^62": b"\x9b\x40" + bytes(7),
    "a text of 2^62": b"\x7b\x40" + bytes(7),
    "bytes of 2^31": b"\x5a\x80" + bytes(3),
    "a map of 2^62": b"\xbb\x40" + bytes(7),
    "a huge number": b"\xc2" + cbor(b"\xff" * 15_000),
    "a decimal of 10^(2^62)": b"\xc4\x82" + cbor(1 << 62) + b"\x01",
    "a float of 2^(2^62)": b"\xc5\x82" + cbor(1 << 62) + b"\x01",
    "a fraction": b"\xd8\x1e\x82" + cbor(1) + cbor(0),
    "a shared value of itself": b"\xd8\x1c\x81\xd8\x1d\x00",
    "an expression": b"\xd8\x23" + cbor("(a+)+$" + "a" * 5000),
    "nothing": b"",
}


@pytest.mark.parametrize("bomb", BOMBS)
@pytest.mark.parametrize("where", ["whole", "authData", "attStmt", "key"])
async def test_bombs_in_cbor(client: httpx.AsyncClient, alice: SignedInUser, bomb: str, where: str) -> None:
    asked = (await client.post("/auth/passkeys/options", headers=alice.headers)).json()
    phone = SoftwareAuthenticator(ORIGIN)
    made = phone.create(asked["options"])
    made["response"]["attestationObject"] = b64url(with_bomb(BOMBS[bomb], where, phone))
    answer = await client.post(
        "/auth/passkeys", json={"ticket": asked["ticket"], "credential": made}, headers=alice.headers
    )
    assert refusal(answer) == (422, "unacceptable_passkey")


def with_bomb(bomb: bytes, where: str, phone: SoftwareAuthenticator) -> bytes:
    head, passkey = cbor({"fmt": "none"}), phone.passkeys[0]
    if where == "whole":
        return bomb
    if where == "authData":
        return b"\xa3" + head[1:] + cbor("attStmt") + cbor({}) + cbor("authData") + bomb
    auth_data = phone._auth_data(passkey, 0x40) + bytes(16) + (32).to_bytes(2, "big") + passkey.credential_id
    if where == "attStmt":
        return b"\xa3" + head[1:] + cbor("authData") + cbor(auth_data + cbor({1: 1})) + cbor("attStmt") + bomb
    return cbor({"fmt": "none", "attStmt": {}, "authData": auth_data + bomb})


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary().map(b64url),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)
MEMBERS = ["clientDataJSON", "authenticatorData", "signature", "userHandle", "attestationObject", "transports"]


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=150)
@given(data=st.data())
def test_rubbish_in_every_member(data: st.DataObject) -> None:
    party, user = RelyingParty("x", None), User("0198", "a@b.c", "a@b.c", "", *[None] * 5)  # type: ignore[arg-type]
    phone = SoftwareAuthenticator(ORIGIN)
    made = phone.create(party.creation_options(user, bytes(32), []))
    good = party.verify_registration(made, bytes(32))
    assert good
    passkey = Passkey("1", "0198", good.credential_id, good.public_key, 0, (), "", False, "", FrozenClock().now())
    asserted = phone.get(party.request_options(bytes(32)))
    assert party.verify_assertion(asserted, bytes(32), passkey)
    for credential in (made, asserted):
        member = data.draw(st.sampled_from([*MEMBERS, "id", "rawId", "type", "response"]))
        value = data.draw(ANYTHING)
        place = credential if member in credential else credential["response"]
        before = place.get(member)
        place[member] = value
        if before is None or value == before:
            continue
        assert party.verify_registration(made, bytes(32)) is None or member == "transports" or credential is asserted
        assert party.verify_assertion(asserted, bytes(32), passkey) is None or credential is made or value is None


@settings(deadline=None, max_examples=200)
@given(data=st.data())
def test_one_byte_off_in_what_was_signed(data: st.DataObject) -> None:
    party, user = RelyingParty("x", None), User("0198", "a@b.c", "a@b.c", "", *[None] * 5)  # type: ignore[arg-type]
    phone = SoftwareAuthenticator(ORIGIN, algorithm=data.draw(st.sampled_from([-8, -7])))
    good = party.verify_registration(phone.create(party.creation_options(user, bytes(32), [])), bytes(32))
    assert good
    passkey = Passkey("1", "0198", good.credential_id, good.public_key, 0, (), "", False, "", FrozenClock().now())
    asserted = phone.get(party.request_options(bytes(32)))
    member = data.draw(st.sampled_from(["clientDataJSON", "authenticatorData", "signature", "userHandle"]))
    raw = bytearray(base64.urlsafe_b64decode(asserted["response"][member] + "=="))
    # An ECDSA signature is not always as long as the last one.
    raw[data.draw(st.integers(0, 1 << 16)) % len(raw)] ^= data.draw(st.integers(1, 255))
    asserted["response"][member] = b64url(bytes(raw))
    assert party.verify_assertion(asserted, bytes(32), passkey) is None


@pytest.mark.parametrize("name", ["x" * 101, "\u202egnp.exe", "\x00", ["x"]], ids=repr)
async def test_a_name_that_nobody_can_read(client: httpx.AsyncClient, alice: SignedInUser, name: Any) -> None:
    asked = (await client.post("/auth/passkeys/options", headers=alice.headers)).json()
    body = {
        "ticket": asked["ticket"],
        "name": name,
        "credential": SoftwareAuthenticator(ORIGIN).create(asked["options"]),
    }
    assert (await client.post("/auth/passkeys", json=body, headers=alice.headers)).status_code == 422


@pytest.mark.parametrize("passkey_id", ["%00", "x", "1" * 5000, "'; --", "0198c0de-0000-7000-8000-000000000000"])
async def test_a_passkey_id_that_is_none(client: httpx.AsyncClient, alice: SignedInUser, passkey_id: str) -> None:
    for method in ("PATCH", "DELETE"):
        answer = await client.request(method, f"/auth/passkeys/{passkey_id}", json={"name": "x"}, headers=alice.headers)
        assert refusal(answer) == (404, "factor_not_found")

"""Codes of an authenticator app, without a store."""

import base64
from urllib.parse import parse_qs, unquote, urlsplit

import pytest

from authkeep import SigningKeys
from authkeep.factors.totp import STEP_SECONDS, TotpSecrets, _totp
from authkeep.testing import authenticator_code

NOW = 1_700_000_000.0


@pytest.fixture
def totp(keys: SigningKeys) -> TotpSecrets:
    return TotpSecrets(keys.derive, "Kettle: works")


@pytest.mark.parametrize(
    ("seconds", "code"), [(59, "287082"), (1111111109, "081804"), (1234567890, "005924"), (20000000000, "353130")]
)
def test_the_codes_of_rfc_6238(seconds: int, code: str) -> None:
    """Appendix B has eight digits; six are their end."""
    secret = b"12345678901234567890"
    assert _totp(secret).generate(seconds) == code.encode()
    assert authenticator_code(base64.b32encode(secret).decode(), seconds) == code


def test_the_address_for_the_app_names_issuer_and_account_and_nothing_odd(totp: TotpSecrets) -> None:
    _, offer = totp.make("u1", "ali:ce@example.com")
    parts = urlsplit(offer.uri)
    query = parse_qs(parts.query)
    assert (parts.scheme, parts.netloc) == ("otpauth", "totp")
    assert unquote(parts.path) == "/Kettle  works:ali ce@example.com"
    assert query["issuer"] == ["Kettle  works"]
    assert query["secret"] == [offer.secret]
    assert len(base64.b32decode(offer.secret)) == 20


def test_one_step_of_drift_either_way_and_no_more(totp: TotpSecrets) -> None:
    sealed, offer = totp.make("u1", "a@b.c")
    step = int(NOW) // STEP_SECONDS
    for drift in range(-3, 4):
        code = authenticator_code(offer.secret, NOW + drift * STEP_SECONDS)
        found = totp.matching_step(sealed, "u1", code, NOW)
        assert found == (step + drift if abs(drift) <= 1 else None)


def test_a_code_may_be_typed_with_spaces(totp: TotpSecrets) -> None:
    sealed, offer = totp.make("u1", "a@b.c")
    code = authenticator_code(offer.secret, NOW)
    assert totp.matching_step(sealed, "u1", f" {code[:3]} {code[3:]}\n", NOW)


@pytest.mark.parametrize(
    "typed",
    [
        "",
        "12345",
        "1234567",
        "\uff11\uff12\uff13\uff14\uff15\uff16",
        "12345\x00",
        "\ud800" * 6,
        "1" * 1_000_000,
        "-12345",
    ],
)
def test_what_is_no_code_is_just_wrong(totp: TotpSecrets, typed: str) -> None:
    sealed, _ = totp.make("u1", "a@b.c")
    assert totp.matching_step(sealed, "u1", typed, NOW) is None


def test_a_secret_moved_to_another_account_opens_nothing(totp: TotpSecrets) -> None:
    """Somebody who can write to the database, and has an app of their own."""
    sealed, offer = totp.make("attacker", "a@b.c")
    code = authenticator_code(offer.secret, NOW)
    assert totp.matching_step(sealed, "victim", code, NOW) is None


@pytest.mark.parametrize("stored", ["", "AAAA", "!", "é", "A" * 64])
def test_a_secret_that_cannot_be_decrypted_accepts_nothing(totp: TotpSecrets, stored: str) -> None:
    assert totp.matching_step(stored, "u1", "000000", NOW) is None


def test_the_store_never_sees_the_secret(totp: TotpSecrets) -> None:
    sealed, offer = totp.make("u1", "a@b.c")
    assert base64.b32decode(offer.secret) not in base64.b64decode(sealed)
    assert offer.secret not in repr(offer)

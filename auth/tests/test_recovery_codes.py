"""Recovery codes, without a store."""

import pytest

from authkeep import SigningKeys
from authkeep.factors.recovery_codes import RecoveryCodes


@pytest.fixture
def codes(keys: SigningKeys) -> RecoveryCodes:
    return RecoveryCodes(keys.derive)


def test_ten_codes_of_eighty_bits_in_letters_that_nobody_confuses(codes: RecoveryCodes) -> None:
    shown, hashes = codes.make("u1")
    assert len(set(shown)) == len(set(hashes)) == 10
    for code in shown:
        assert [len(group) for group in code.split("-")] == [4, 4, 4, 4]
        assert not set(code) & set("ilou")


def test_a_code_may_be_typed_as_people_type(codes: RecoveryCodes) -> None:
    shown, hashes = codes.make("u1")
    typed = shown[0].upper().replace("-", " ").replace("0", "O").replace("1", "I")
    assert codes.hash("u1", f" {typed}\n") == codes.hash("u1", shown[0]) == hashes[0]


def test_a_hash_is_of_one_user_and_one_deployment(codes: RecoveryCodes) -> None:
    shown, _ = codes.make("u1")
    others = RecoveryCodes(SigningKeys.generate().derive)
    assert len({codes.hash("u1", shown[0]), codes.hash("u2", shown[0]), others.hash("u1", shown[0])}) == 3


@pytest.mark.parametrize(
    "typed", ["", "x", "7k3m-90xq-bv2d-t5w", "7k3m90xqbv2dt5wh0", "\x00" * 16, "\ud800" * 16, "a" * 10**6]
)
def test_what_is_no_code_has_no_hash(codes: RecoveryCodes, typed: str) -> None:
    assert codes.hash("u1", typed) is None

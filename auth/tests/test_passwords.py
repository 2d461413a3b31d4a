import asyncio
import threading

import pytest
from argon2 import PasswordHasher as Argon2
from hypothesis import given
from hypothesis import strategies as st

from authkeep import Auth, Device, HashingBusy, PasswordHasher, UnacceptablePassword
from authkeep.password_policy import MAX_LENGTH, check_password, normalize_password
from authkeep.store import UserChange
from authkeep.testing import MemoryStore, cheap_passwords

GOOD = [
    "seven purple kettles sing",
    "correct horse battery stapler",
    "Пятнадцать букв!",
    "🦊🦊🐻🐻🦉🦉🦆🦆🐌🐌🐍🐍🦎🦎🐢",
    "x7Kq-92mf-Pl0z-vv",
    "elephants do not whistle 1987",
    "abc seven xyz kettles 123",
    "correct horse battery staple",
    "a perfectly fine passphrase 1",
    "old monkey sat there",
    "my monkey swims",
    "x(*&^%a$#@!{}|:b",
    "w" + "ü" * 5 + " passt auf " + "sieben" * 3,
]
COMMON = [
    "password1234567", "passwordpassword", "PASSWORDPASSWORD", "P@sswordPassword1",
    "123456789012345", "1234567890123456789",
    "qwertyuiopasdfg", "qwertyuiop123456", "x1" + "1234567890" * 102,
    "1q2w3e4r5t6y7u8i", "1qaz2wsx3edc4rfv", "administrator123",
    "letmeinletmeinletmein", "iloveyouiloveyou", "changeme12345678", "thisismypassword",
    "98765432109876543", "zyxwvutsrqponmlkj", "welcome2welcome2", "31415926535897932",
    "password - password", "passwordpassword!x", "xx passwordpassword yy", "123456789012345a", "a123456789012345b",
    "zz1q2w3e4r5t6y7u", "qwertyuiopasdfg !x", "letmein letmein ok",
    "abcdefghijklmnop", "monkey123456789", "123456789monkey",
]  # fmt: skip


@pytest.mark.parametrize("password", GOOD)
def test_good_passwords_are_accepted(password: str) -> None:
    check_password(password, personal=["alice@example.com", "Alice", "chatkeep"])


def fullwidth(text: str) -> str:
    """The same letters as East Asian keyboards also offer them."""
    return "".join(chr(ord(char) + 0xFEE0) for char in text)


@pytest.mark.parametrize("password", [*COMMON, fullwidth("passwordpassword")])
def test_common_passwords_are_refused(password: str) -> None:
    with pytest.raises(UnacceptablePassword, match="attackers try first"):
        check_password(password)


@pytest.mark.parametrize(
    "password",
    ["11111111111111x", "aaaaaaaaaaaaaab", "qqqqqqqwwwwwwww", "aaaaaaaaaaaaaaa", "abcabcabcabcabc", "-" * 15,
     "1" * 18, "AaAaBbBbCcCcDdDd", fullwidth("aaaaaaa") + "a" * 8, "\U0001f98a\U0001f43b" * 8],
    ids=ascii,
)  # fmt: skip
def test_a_few_characters_again_and_again_are_refused(password: str) -> None:
    with pytest.raises(UnacceptablePassword, match="repeats a few characters"):
        check_password(password)


@pytest.mark.parametrize(
    "password",
    ["kettleworkskettlewo1", "1Kettleworks Kettleworks!x",
     "alice.cooper@example.com", "AliceCooperAliceCooper",
     "alice cooper 1234567", "Kettleworks Kettleworks",
     "kettleworks1234", "Alice.Cooper.12345678", "examplecom12345678"],
)  # fmt: skip
def test_ones_own_name_address_or_product_is_refused(password: str) -> None:
    with pytest.raises(UnacceptablePassword, match="your own name"):
        check_password(password, personal=["alice.cooper@example.com", "Alice Cooper", "Kettleworks"])


@pytest.mark.parametrize(("password", "why"), [("x" * 14, "at least 15"), ("ab " * 400, f"at most {MAX_LENGTH}")])
def test_length_is_what_counts_and_the_message_says_so(password: str, why: str) -> None:
    with pytest.raises(UnacceptablePassword, match=why) as refusal:
        check_password(password)
    assert refusal.value.errors[0]["loc"] == ["body", "password"]


def test_length_is_counted_in_characters_after_normalisation() -> None:
    with pytest.raises(UnacceptablePassword, match="has 14"):
        check_password("e\u0301" * 14)


@pytest.mark.parametrize(
    ("typed", "elsewhere"), [("caf\u00e9", "cafe\u0301"), ("a\u00a0b", "a b"), ("a\u3000b", "a b")]
)
def test_the_same_keys_on_another_system_are_the_same_password(typed: str, elsewhere: str) -> None:
    assert normalize_password(typed) == normalize_password(elsewhere)


def test_width_and_ligatures_are_not_folded_away() -> None:
    assert normalize_password(fullwidth("fi")) != normalize_password("fi") != normalize_password("\ufb01")


@given(st.text(max_size=60))
def test_normalising_twice_changes_nothing(text: str) -> None:
    assert normalize_password(normalize_password(text)) == normalize_password(text)


async def test_only_the_password_itself_verifies() -> None:
    async with (hasher := cheap_passwords()).running():
        known = await hasher.hash("seven purple kettles sing")
        assert known.startswith("$argon2id$")
        assert await hasher.verify("seven purple kettles sing", known)
        assert not await hasher.verify("seven purple kettles sin", known)
        assert not await hasher.verify("\ud800", known)
        assert not await hasher.verify("anything", None)


async def test_the_default_parameters_are_those_of_owasp() -> None:
    async with (hasher := PasswordHasher()).running():
        assert (await hasher.hash("x")).startswith("$argon2id$v=19$m=19456,t=2,p=1$")


@pytest.mark.parametrize("broken", ["", "x", "$argon2id$", "$2b$04$" + "x" * 53, "$argon2id$v=19$m=8,t=1,p=1$AAAA$"])
async def test_a_hash_that_cannot_be_read_matches_nothing(broken: str) -> None:
    async with (hasher := cheap_passwords()).running():
        assert not await hasher.verify("anything", broken)


async def test_a_full_queue_refuses_and_then_recovers(monkeypatch: pytest.MonkeyPatch) -> None:
    hasher = PasswordHasher(threads=1, queue=2, time_cost=1, memory_cost=8)
    gate = threading.Event()
    async with hasher.running():
        monkeypatch.setattr(hasher, "_matches", lambda *_: gate.wait())
        waiting = [asyncio.create_task(hasher.verify("x", "$")) for _ in range(3)]
        await asyncio.sleep(0)
        with pytest.raises(HashingBusy) as refusal:
            await hasher.verify("x", "$")
        assert int(refusal.value.headers["Retry-After"]) >= 1
        gate.set()
        assert all(await asyncio.gather(*waiting))
        assert await hasher.verify("x", "$")


async def test_whoever_hangs_up_in_the_queue_gives_the_place_back(monkeypatch: pytest.MonkeyPatch) -> None:
    hasher = PasswordHasher(threads=1, queue=1, time_cost=1, memory_cost=8)
    gate = threading.Event()
    async with hasher.running():
        monkeypatch.setattr(hasher, "_matches", lambda *_: gate.wait())
        first, second = (asyncio.create_task(hasher.verify("x", "$")) for _ in range(2))
        await asyncio.sleep(0)
        second.cancel()
        await asyncio.wait([second])
        third = asyncio.create_task(hasher.verify("x", "$"))
        await asyncio.sleep(0)
        gate.set()
        assert await first
        assert await third


async def test_without_running_the_pool_says_what_is_missing() -> None:
    with pytest.raises(RuntimeError, match=r"Auth\.running"):
        await cheap_passwords().hash("x")


async def test_a_hash_with_other_parameters_is_renewed_at_login(
    auth: Auth, memory_store: MemoryStore, password: str
) -> None:
    user = await auth.accounts.register("alice@example.com", password)
    legacy = Argon2(time_cost=2, memory_cost=16, parallelism=1).hash(password)
    await memory_store.change_user(user.id, UserChange(password_hash=legacy))
    await auth.logins.sign_in("alice@example.com", password, Device("127.0.0.1"))
    renewed = memory_store.users[user.id].password_hash
    assert renewed is not None
    assert renewed != legacy
    assert not auth.passwords.needs_rehash(renewed)
    await auth.logins.sign_in("alice@example.com", password, Device("127.0.0.1"))

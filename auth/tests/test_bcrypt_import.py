"""Accounts of an older application: their bcrypt hashes let them in as before, and tell nobody who they are."""

import statistics
import sys
import time
from typing import Any

import bcrypt
import httpx
import pytest

from authkeep import Auth, Device, EmailTaken, InvalidCredentials, Role
from authkeep.store import Admission, Store, User

OLD = "hunter2"
DEVICE = Device("127.0.0.1")


def made_by_bcrypt(password: str, *, cost: int = 4, prefix: bytes = b"2b") -> str:
    """As passlib, or bcrypt before 5, made it: without what comes after 72 bytes."""
    return bcrypt.hashpw(password.encode()[:72], bcrypt.gensalt(cost, prefix=b"2b")).replace(b"2b", prefix, 1).decode()


@pytest.mark.parametrize("prefix", [b"2a", b"2b", b"2y"])
async def test_an_old_password_lets_in_and_is_hashed_anew(auth_on: Auth, prefix: bytes) -> None:
    await auth_on.accounts.import_user("alice@example.com", made_by_bcrypt(OLD, prefix=prefix))
    with pytest.raises(InvalidCredentials):
        await auth_on.logins.sign_in("alice@example.com", "hunter3", DEVICE)
    await auth_on.logins.sign_in("alice@example.com", OLD, DEVICE)
    renewed = await auth_on.store.find_user_by_email("alice@example.com")
    assert renewed is not None
    assert (renewed.password_hash or "").startswith("$argon2id$")
    await auth_on.logins.sign_in("alice@example.com", OLD, DEVICE)
    with pytest.raises(InvalidCredentials):
        await auth_on.logins.sign_in("alice@example.com", "hunter3", DEVICE)


async def test_72_byte_truncation_locks_nobody_out_and_ends_with_the_first_sign_in(auth: Auth) -> None:
    """bcrypt 5 raises where its predecessors cut off; whoever had a long password must not pay for that."""
    long = "é" * 60 + " and then some"
    await auth.accounts.import_user("alice@example.com", made_by_bcrypt(long))
    await auth.logins.sign_in("alice@example.com", long, DEVICE)
    with pytest.raises(InvalidCredentials):
        await auth.logins.sign_in("alice@example.com", long[:-1], DEVICE)
    with pytest.raises(InvalidCredentials):
        await auth.logins.sign_in("alice@example.com", long[:36], DEVICE)


async def test_72_byte_truncation_of_a_new_password(auth: Auth) -> None:
    await auth.accounts.register("alice@example.com", "seven purple kettles sing " * 4)
    with pytest.raises(InvalidCredentials):
        await auth.logins.sign_in("alice@example.com", ("seven purple kettles sing " * 4)[:72], DEVICE)


async def test_an_old_password_is_taken_as_it_was_typed(auth: Auth) -> None:
    """The old application did not normalise: a decomposed accent is part of what it hashed."""
    await auth.accounts.import_user("alice@example.com", made_by_bcrypt("cafe\u0301"))
    with pytest.raises(InvalidCredentials):
        await auth.logins.sign_in("alice@example.com", "caf\u00e9", DEVICE)
    await auth.logins.sign_in("alice@example.com", "cafe\u0301", DEVICE)


@pytest.mark.parametrize("typed", ["", "\ud800", "a\0b", "x" * 5000, OLD + "\0"])
async def test_odd_passwords_do_not_fit_an_old_hash(auth: Auth, typed: str) -> None:
    await auth.accounts.import_user("alice@example.com", made_by_bcrypt(OLD))
    with pytest.raises(InvalidCredentials):
        await auth.logins.sign_in("alice@example.com", typed, DEVICE)


@pytest.mark.parametrize(
    "foreign",
    ["", "hunter2", "$1$abc$def", "$2b$31$" + "." * 53, "$2b$03$" + "." * 53, "$2x$10$" + "." * 53, "$2b$10$short",
     "$2b$10$" + "." * 54, "$pbkdf2-sha256$1$a$b", "{SHA}x"],
)  # fmt: skip
async def test_a_hash_that_nobody_could_sign_in_with_is_refused_when_it_is_imported(auth: Auth, foreign: str) -> None:
    with pytest.raises(ValueError, match="only Argon2 and bcrypt"):
        await auth.accounts.import_user("alice@example.com", foreign)


async def test_a_missing_library_is_told_at_import_and_at_start(auth: Auth, monkeypatch: pytest.MonkeyPatch) -> None:
    old = made_by_bcrypt(OLD)
    with monkeypatch.context() as without:
        without.setitem(sys.modules, "authkeep.bcrypt_hashes", None)
        with pytest.raises(ValueError, match=r"install authkeep\[bcrypt\]"):
            await auth.accounts.import_user("alice@example.com", old)
    await auth.accounts.import_user("alice@example.com", old)
    again = Auth(auth.settings, auth.store, auth.keys)
    monkeypatch.setitem(sys.modules, "authkeep.bcrypt_hashes", None)
    with pytest.raises(ValueError, match=r"install authkeep\[bcrypt\]"):
        async with again.running():
            pass


async def test_being_imported_first_makes_nobody_an_admin(auth_on: Auth) -> None:
    imported = await auth_on.accounts.import_user("mallory@example.com", made_by_bcrypt(OLD), user_id="user_123")
    admin = await auth_on.accounts.import_user("alice@example.com", None, role=Role.ADMIN, email_verified=True)
    assert (imported.id, imported.role, imported.email_verified_at) == ("user_123", Role.USER, None)
    assert (admin.role, admin.email_verified_at) == (Role.ADMIN, admin.created_at)
    assert not (await auth_on.accounts.registration_state()).first_user
    for email, user_id in (("MALLORY@example.com", None), ("bob@example.com", "user_123")):
        with pytest.raises(EmailTaken):
            await auth_on.accounts.import_user(email, None, user_id=user_id)
    with pytest.raises(ValueError, match="user_id"):
        await auth_on.accounts.import_user("bob@example.com", None, user_id="../x")


async def test_the_store_knows_the_costliest_old_hash(store: Store, clock: Any) -> None:
    assert await store.find_costliest_bcrypt() is None
    hashes = ["$argon2id$v=19$m=8", None, "$2b$04$" + "." * 53, "$2y$12$" + "." * 53, "$2a$10$" + "." * 53]
    for n, found in enumerate(hashes):
        user = User(f"u{n}", f"{n}@b.c", f"{n}@b.c", "", Role.USER, found, 0, False, clock.now())
        await store.add_user(user, Admission.IMPORTED)
    assert await store.find_costliest_bcrypt() == hashes[3]


@pytest.fixture
async def crowd(auth: Auth) -> dict[str, str]:
    """One of each kind of user, by kind: none of whom will give the right password."""
    await auth.accounts.register("known@example.com", "seven purple kettles sing")
    await auth.accounts.import_user("legacy@example.com", made_by_bcrypt(OLD, cost=7))
    await auth.accounts.import_user("older@example.com", made_by_bcrypt(OLD, cost=5))
    await auth.accounts.import_user("passwordless@example.com", None)
    await auth.accounts.import_user("disabled@example.com", made_by_bcrypt(OLD, cost=7), disabled=True)
    kinds = ("known", "legacy", "older", "passwordless", "disabled", "unknown")
    return {kind: f"{kind}@example.com" for kind in kinds}


async def test_enumeration_by_the_cost_of_an_old_hash(
    auth: Auth, crowd: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever is asked for: one Argon2 hash, and as many rounds of bcrypt as the costliest old hash takes."""
    argon2: list[str] = []
    rounds: list[int] = []
    matches, hashpw, checkpw = auth.passwords._matches, bcrypt.hashpw, bcrypt.checkpw

    def count_argon2(password_hash: str, text: bytes) -> bool:
        argon2.append(password_hash)
        return matches(password_hash, text)

    def count_made(text: bytes, salt: bytes) -> bytes:
        rounds.append(1 << int(salt[4:6]))
        return hashpw(text, salt)

    def count_checked(text: bytes, hashed: bytes) -> bool:
        rounds.append(1 << int(hashed[4:6]))
        return checkpw(text, hashed)

    monkeypatch.setattr(auth.passwords, "_matches", count_argon2)
    monkeypatch.setattr(bcrypt, "hashpw", count_made)
    monkeypatch.setattr(bcrypt, "checkpw", count_checked)
    for email in [*crowd.values(), "no address"]:
        for password in ("wrong", "", "x" * 5000, "y" * 100):
            argon2.clear()
            rounds.clear()
            with pytest.raises(InvalidCredentials):
                await auth.logins.sign_in(email, password, DEVICE)
            assert (len(argon2), sum(rounds)) == (1, 1 << 7), email


async def test_enumeration_by_the_time_of_a_login(client: httpx.AsyncClient, crowd: dict[str, str]) -> None:
    """The times of one run, as distributions: lower quartile and median of every kind are those of every other."""
    times: dict[str, list[float]] = {kind: [] for kind in crowd}
    for _ in range(15):
        # In turns, so that whatever else the machine does slows all kinds alike.
        for kind, email in crowd.items():
            started = time.perf_counter()
            answer = await client.post("/auth/login", json={"email": email, "password": "wrong"})
            times[kind].append(time.perf_counter() - started)
            assert answer.status_code == 401
    for n in (0, 1):
        quantiles = [statistics.quantiles(found, n=4)[n] for found in times.values()]
        # Without the decoys, an old hash takes some ten times as long as one of this test's own.
        assert max(quantiles) < 2 * min(quantiles), dict(zip(times, quantiles, strict=True))


async def test_an_old_hash_that_another_process_imported_is_verified(auth: Auth, memory_store: Any) -> None:
    await auth.accounts.import_user("alice@example.com", made_by_bcrypt(OLD, cost=4))
    other = Auth(auth.settings, memory_store, auth.keys, clock=auth.clock)
    async with other.running():
        await auth.accounts.import_user("bob@example.com", made_by_bcrypt(OLD, cost=5))
        await other.logins.sign_in("bob@example.com", OLD, DEVICE)

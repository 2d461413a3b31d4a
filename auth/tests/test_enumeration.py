"""Finding out who has an account: by the answer to a login, or by what it costs."""

from types import SimpleNamespace
from typing import Any

import httpx
import pytest

from authkeep import Auth
from authkeep.testing import signed_in

ALICE = {"email": "alice@example.com", "password": "seven purple kettles sing"}


@pytest.fixture
async def alice(client: httpx.AsyncClient) -> Any:
    return (await client.post("/auth/register", json=ALICE)).json()


async def test_enumeration_by_login(client: httpx.AsyncClient, auth: Auth, alice: Any) -> None:
    """Unknown, wrong password, disabled, impossible address: one status, one body, one set of headers."""
    disabled = (await client.post("/auth/register", json=ALICE | {"email": "d@example.com"})).json()
    await auth.administration.change_user(None, disabled["id"], disabled=True)
    attempts = [
        {"email": "nobody@example.com", "password": "x"},
        {"email": ALICE["email"], "password": "wrong"},
        {"email": ALICE["email"], "password": ""},
        {"email": "d@example.com", "password": ALICE["password"]},
        {"email": "d@example.com", "password": "wrong"},
        {"email": "not an address", "password": "x"},
        {"email": ALICE["email"], "password": "x" * 2000},
    ]
    answers = [await client.post("/auth/login", json=attempt) for attempt in attempts]
    assert {(answer.status_code, answer.text) for answer in answers} == {(401, answers[0].text)}
    headers = [{k: v for k, v in answer.headers.items() if not k.startswith("ratelimit")} for answer in answers]
    assert all(one == headers[0] for one in headers)


@pytest.fixture
def hashing(auth: Auth, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Everything the password pool was asked to do: the hash that was verified against, or "new" for a new one."""
    work: list[str] = []
    matches, argon2 = auth.passwords._matches, auth.passwords._argon2

    def record(password_hash: str, text: bytes) -> bool:
        work.append(password_hash)
        return matches(password_hash, text)

    def record_new(text: bytes) -> str:
        work.append("new")
        return argon2.hash(text)

    monkeypatch.setattr(auth.passwords, "_matches", record)
    recording = SimpleNamespace(hash=record_new, verify=argon2.verify, check_needs_rehash=argon2.check_needs_rehash)
    monkeypatch.setattr(auth.passwords, "_argon2", recording)
    return work


@pytest.mark.parametrize(
    "password", [ALICE["password"], "wrong", "", "x" * 5000], ids=["right", "wrong", "none", "long"]
)
@pytest.mark.parametrize(
    "email", ["nobody@example.com", "disabled@example.com", "no address", "passwordless@example.com"]
)
async def test_enumeration_by_cost(
    auth: Auth, client: httpx.AsyncClient, alice: Any, email: str, password: str, hashing: list[str]
) -> None:
    """Each kind of failure is worth exactly one verification against one hash of today's parameters."""
    await signed_in(auth, "passwordless@example.com")
    disabled = (await client.post("/auth/register", json=ALICE | {"email": "disabled@example.com"})).json()
    await auth.administration.change_user(None, disabled["id"], disabled=True)
    hashing.clear()
    answer = await client.post("/auth/login", json={"email": email, "password": password})
    assert answer.status_code == 401
    (used,) = hashing
    assert not auth.passwords.needs_rehash(used)


async def test_enumeration_by_cost_of_a_wrong_password(
    client: httpx.AsyncClient, alice: Any, hashing: list[str]
) -> None:
    for password, status in (("wrong", 401), (ALICE["password"], 200)):
        hashing.clear()
        answer = await client.post("/auth/login", json=ALICE | {"password": password})
        assert (answer.status_code, len(hashing)) == (status, 1)

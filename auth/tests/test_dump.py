"""Stealing the database: whoever reads all of it holds nothing that opens an account."""

from typing import Any

import httpx
import pytest
from sqlalchemy import text

from authkeep import Auth
from authkeep.sql import SqlStore, metadata
from authkeep.testing import MemoryStore, find_credential

PASSWORD = "seven purple kettles sing"
NEXT = "eleven copper lanterns hum"
LAST = "nineteen wooden whistles fall"


async def dump(auth: Auth) -> str:
    """Every value in every table."""
    store = auth.store
    if isinstance(store, MemoryStore):
        return str([{name: str(value) for name, value in vars(store).items()}])
    assert isinstance(store, SqlStore)
    async with store._engine.connect() as db:
        rows = [(await db.execute(text(f"SELECT * FROM {table}"))).all() for table in metadata.tables]  # noqa: S608
    return str(rows)


@pytest.fixture
async def credentials(web: httpx.AsyncClient, mailing: Auth, post: Any) -> list[str]:
    """Everything that was handed out in the course of all journeys, used and unused."""
    alice = {"email": "alice@example.com", "password": PASSWORD}
    await web.post("/auth/register", json=alice)
    first = (await web.post("/auth/login", json=alice)).json()
    bearer = {"Authorization": f"Bearer {first['access_token']}"}
    second = (await web.post("/auth/refresh", json={"refresh_token": first["refresh_token"]})).json()
    await web.post("/auth/email", json={"new_email": "alice@new.example"}, headers=bearer)
    of_the_change = await post.token()
    await web.post("/auth/password", json={"current_password": PASSWORD, "new_password": NEXT}, headers=bearer)
    await web.post("/auth/forgot-password", json={"email": alice["email"]})
    used = await post.token()
    await web.post("/auth/reset-password", json={"token": used, "new_password": LAST})
    third = (await web.post("/auth/login", json=alice | {"password": LAST})).json()
    bearer = {"Authorization": f"Bearer {third['access_token']}"}
    totp = (await web.post("/auth/mfa/totp", headers=bearer)).json()["secret"]
    await web.post("/auth/login", json=alice | {"password": "Tr0ub4dor&3 typed in the wrong place"})
    await web.post("/auth/forgot-password", json={"email": alice["email"]})
    unused = await post.token()
    tokens = [answer[name] for answer in (first, second, third) for name in ("access_token", "refresh_token")]
    return [PASSWORD, NEXT, LAST, "Tr0ub4dor&3", totp, of_the_change, used, unused, *tokens]


async def test_a_dump_of_the_database_holds_nothing_usable_as_a_credential(
    mailing: Auth, credentials: list[str]
) -> None:
    dumped = await dump(mailing)
    assert "alice@example.com" in dumped
    assert len(credentials) == 14
    assert [secret[:8] for secret in credentials if secret in dumped] == []
    # Hashes of passwords are there, by Argon2id alone: to be guessed at 19 MiB and two passes each.
    assert find_credential(dumped.replace("$argon2id$", "")) is None

"""The guide from a classic application to authkeep, each step run as it stands, all of them on one database."""

import contextlib
import importlib
import re
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import bcrypt
import httpx
import pytest
from sqlalchemy import create_engine, inspect
from sqlalchemy.orm import Session

DROP_IN = Path(__file__).parent.parent / "examples" / "drop_in"
GUIDE = Path(__file__).parent.parent / "docs" / "drop-in.md"
ADA = {"email": "ada@example.com", "password": "secret"}
MODULES = [file.stem for file in DROP_IN.glob("*.py")]

Load = Callable[[str], ModuleType]


@pytest.fixture
def load(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Load]:
    """A step, started anew in the folder of the one before: what a new process would see."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(DROP_IN))

    def fresh(name: str) -> ModuleType:
        forget()
        return importlib.import_module(name)

    def forget() -> None:
        if models := sys.modules.get("models"):
            models.engine.dispose()
        for module in MODULES:
            sys.modules.pop(module, None)

    yield fresh
    forget()


@contextlib.asynccontextmanager
async def serving(app: Any) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(app)
    async with app.router.lifespan_context(app), httpx.AsyncClient(transport=transport, base_url="http://x") as client:
        yield client


def add_old_users(load: Load) -> None:
    models = load("models")
    models.Base.metadata.create_all(models.engine)
    hashed = bcrypt.hashpw(ADA["password"].encode(), bcrypt.gensalt(4)).decode()
    people: list[dict[str, Any]] = [
        {"id": "user_123", "email": ADA["email"]},
        {"id": "user_124", "email": "root@example.com", "is_superuser": True},
        {"id": "user_125", "email": "gone@example.com", "is_active": False},
        {"id": "user_126", "email": "ADA@example.com"},
        {"id": "user_127", "email": "no address"},
    ]
    with Session(models.engine) as db:
        db.add_all(models.User(hashed_password=hashed, **person) for person in people)
        db.commit()


async def old_sign_in(client: httpx.AsyncClient) -> None:
    assert (await client.post("/login", params=ADA)).status_code == 200


async def new_sign_in(client: httpx.AsyncClient, email: str = ADA["email"]) -> httpx.Response:
    return await client.post("/account/login", json={"email": email, "password": ADA["password"]})


async def note(client: httpx.AsyncClient, text: str, **headers: str) -> Any:
    answer = await client.post("/notes", params={"text": text}, headers=headers)
    return answer.json() if answer.status_code == 200 else answer.status_code


async def test_the_whole_way_with_one_database(load: Load, caplog: pytest.LogCaptureFixture) -> None:
    add_old_users(load)
    async with serving(load("before").app) as client:
        assert await note(client, "x") == 401
        await old_sign_in(client)
        assert await note(client, "one") == ["one"]

    async with serving(load("step1_beside").app) as client:
        await old_sign_in(client)
        assert await note(client, "two") == ["one", "two"]
        assert (await new_sign_in(client)).json()["user"]["id"] == "user_123"
    for user_id in ("user_126", "user_127"):
        assert f"{user_id} did not come over" in caplog.text

    step2 = load("step2_observe")
    async with serving(step2.app) as client:
        await old_sign_in(client)
        assert await note(client, "three") == ["one", "two", "three"]
        assert step2.observation.would_refuse == {"not_signed_in": 1}
        bearer = f"Bearer {(await new_sign_in(client)).json()['access_token']}"
        assert await note(client, "four", Authorization=bearer) == ["one", "two", "three", "four"]
        assert step2.observation.would_refuse == {"not_signed_in": 1}
        client.cookies.clear()
        assert await note(client, "x", Authorization=bearer) == 401

    async with serving(load("after").app) as client:
        assert await note(client, "x") == 401
        bearer = f"Bearer {(await new_sign_in(client)).json()['access_token']}"
        assert await note(client, "five", Authorization=bearer) == ["one", "two", "three", "four", "five"]
        assert (await new_sign_in(client, "root@example.com")).json()["user"]["role"] == "admin"
        assert (await new_sign_in(client, "gone@example.com")).status_code == 401


async def test_an_old_hash_is_renewed_at_the_first_sign_in_and_stays_so(load: Load) -> None:
    add_old_users(load)
    for expected in ("$2b$", "$argon2id$"):
        after = load("after")
        auth = sys.modules["accounts"].auth
        async with serving(after.app) as client:
            assert (await auth.store.find_user("user_123")).password_hash.startswith(expected)
            assert (await new_sign_in(client)).status_code == 200
            assert (await auth.store.find_user("user_123")).password_hash.startswith("$argon2id$")


async def test_whoever_registers_first_after_an_import_is_no_admin(load: Load) -> None:
    add_old_users(load)
    async with serving(load("after").app) as client:
        newcomer = {"email": "new@example.com", "password": "seven purple kettles sing"}
        assert (await client.post("/account/register", json=newcomer)).json()["role"] == "user"


async def test_the_hosts_own_tests_go_on_overriding_their_dependency(load: Load) -> None:
    add_old_users(load)
    for name in ("before", "step2_observe", "after"):
        step = load(name)
        step.app.dependency_overrides[step.get_current_user_id] = lambda: "user_123"
        async with serving(step.app) as client:
            assert (await note(client, name))[-1] == name


async def test_the_tables_stand_beside_each_other(load: Load) -> None:
    add_old_users(load)
    async with serving(load("after").app):
        pass
    engine = create_engine("sqlite:///app.db")
    tables = inspect(engine).get_table_names()
    engine.dispose()
    assert {"users", "notes", "authkeep_users", "authkeep_alembic_version"} <= set(tables)
    assert all(name in ("users", "notes") or name.startswith("authkeep_") for name in tables)


def test_the_guide_shows_what_the_steps_contain() -> None:
    code = "\n".join(file.read_text("utf-8") for file in DROP_IN.glob("*.py"))
    blocks = re.findall(r"```python\n(.*?)```", GUIDE.read_text("utf-8"), re.DOTALL)
    assert blocks
    for block in blocks:
        for part in block.strip().split("\n\n"):
            assert part.strip("\n") in code


def test_the_guide_names_every_step() -> None:
    assert all(f"{name}.py" in GUIDE.read_text("utf-8") for name in MODULES)

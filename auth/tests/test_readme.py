"""What the README shows, run as it stands."""

import re
from pathlib import Path
from typing import Any

import httpx
import pytest

from authkeep.http import declared_routes, refuse_undeclared

README = (Path(__file__).parent.parent / "README.md").read_text("utf-8")
ALICE = {"email": "alice@example.com", "password": "seven purple kettles sing"}


@pytest.fixture
def shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """The names that the Python blocks leave behind, one after another."""
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {}
    for block in re.findall(r"```python\n(.*?)```", README, re.DOTALL):
        exec(compile(block, "README.md", "exec"), names)  # noqa: S102 - our own README
    return names


async def test_the_app_of_the_readme_serves(shown: dict[str, Any]) -> None:
    app = shown["app"]
    transport = httpx.ASGITransport(app)
    async with app.router.lifespan_context(app), httpx.AsyncClient(transport=transport, base_url="http://x") as client:
        assert (await client.get("/hello")).status_code == 401
        assert (await client.post("/auth/register", json=ALICE)).json()["role"] == "admin"
        tokens = (await client.post("/auth/login", json=ALICE)).json()
        headers = {"Authorization": f"Bearer {tokens['access_token']}"}
        assert (await client.get("/hello", headers=headers)).text.startswith('"Hello, ')
        assert (await client.get("/statistics", headers=headers)).status_code == 200
        assert (await client.get("/health")).status_code == 200


async def test_the_test_of_the_readme_passes(shown: dict[str, Any]) -> None:
    await shown["test_hello"]()
    await shown["test_a_passkey_signs_in"]()


def test_the_readme_names_every_route(shown: dict[str, Any]) -> None:
    refuse_undeclared(shown["app"])
    for route in declared_routes(shown["app"]):
        if route.path.startswith("/auth/"):
            assert route.path in README

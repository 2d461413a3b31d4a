"""The door as it is served: the application under uvicorn, scripted endpoints behind it, official clients before it.

All of it lives in one event loop, so that a test can look at what the endpoints were sent.
"""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import httpx
import openai
import pytest
import pytest_asyncio
import uvicorn

from authkeep.testing import signed_in
from chatkeep.app import create_app, prepare
from chatkeep.completions.dependencies import CompletionServices
from chatkeep.identity import Auth
from chatkeep.llm.script import FAULTS
from chatkeep.llm.scripted_upstream import ScriptedUpstream
from chatkeep.settings import Settings

KEY = "sk-upstream-secret"
MODELS = ["scripted", *(f"scripted-{fault}" for fault in sorted(FAULTS))]


@dataclass(frozen=True, slots=True)
class Door:
    """`key` is an API key with the scope completions, `token` its owner's login; the scripted endpoints look on."""

    url: str
    auth: Auth
    key: str
    token: str
    services: CompletionServices
    one: ScriptedUpstream
    two: ScriptedUpstream

    async def new_key(self) -> dict[str, str]:
        """Another one of the same user."""
        headers = {"Authorization": f"Bearer {self.token}"}
        async with httpx.AsyncClient(base_url=self.url, headers=headers) as http:
            made = await http.post("/auth/api-keys", json={"name": "program", "scopes": ["completions"]})
        created: dict[str, str] = made.json()
        return created

    def client(self, key: str | None = None) -> openai.AsyncOpenAI:
        """The official client, which does not try again by itself."""
        return openai.AsyncOpenAI(base_url=f"{self.url}/v1", api_key=key or self.key, max_retries=0)


@asynccontextmanager
async def opened(data_dir: Path, **more: Any) -> AsyncIterator[Door]:
    """A server of its own."""
    one, two = ScriptedUpstream(key=KEY), ScriptedUpstream(key=KEY)
    quick = {"first_byte_seconds": 0.5, "idle_seconds": 0.5}
    settings = Settings.model_validate(
        {
            "data_dir": data_dir,
            "page": False,
            "limit_send": "100000/minute",
            "drain_seconds": 0,
            "providers": {
                "one": {"base_url": await one.start(), "api_key": KEY, **quick},
                "two": {"base_url": await two.start(), "api_key": KEY, "models": MODELS},
            },
            **more,
        }
    )
    await prepare(settings)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        app = create_app(settings, url)
        server = uvicorn.Server(uvicorn.Config(app, http="httptools", log_config=None, access_log=False))
        serving = asyncio.create_task(server.serve([listener]))
        while not server.started:  # noqa: ASYNC110 - uvicorn says so by nothing else
            await asyncio.sleep(0.01)
        auth: Auth = app.state.auth
        alice = await signed_in(auth, "alice@example.com")
        services: CompletionServices = app.state.completions
        door = Door(url, auth, "", alice.access_token, services, one, two)
        yield replace(door, key=(await door.new_key())["key"])
        server.should_exit = True
        await serving
    await one.aclose()
    await two.aclose()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def door(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Door]:
    async with opened(tmp_path_factory.mktemp("door") / "data") as door:
        yield door

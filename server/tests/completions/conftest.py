"""The door as it is served: the application under uvicorn, scripted endpoints behind it, official clients before it.

All of it lives in one event loop, so that a test can look at what the endpoints were sent.
"""

import asyncio
import socket
from collections.abc import AsyncIterator
from dataclasses import dataclass

import httpx
import openai
import pytest
import pytest_asyncio
import uvicorn

from authkeep.testing import signed_in
from chatkeep.app import create_app, prepare
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
    one: ScriptedUpstream
    two: ScriptedUpstream

    def client(self, key: str | None = None) -> openai.AsyncOpenAI:
        """The official client, which does not try again by itself."""
        return openai.AsyncOpenAI(base_url=f"{self.url}/v1", api_key=key or self.key, max_retries=0)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def door(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Door]:
    one, two = ScriptedUpstream(key=KEY), ScriptedUpstream(key=KEY)
    settings = Settings.model_validate(
        {
            "data_dir": tmp_path_factory.mktemp("door") / "data",
            "page": False,
            "limit_send": "100000/minute",
            "providers": {
                "one": {"base_url": await one.start(), "api_key": KEY, "first_byte_seconds": 0.5, "idle_seconds": 0.5},
                "two": {"base_url": await two.start(), "api_key": KEY, "models": MODELS},
            },
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
        await signed_in(auth, "first@example.com")
        alice = await signed_in(auth, "alice@example.com")
        async with httpx.AsyncClient(base_url=url) as http:
            made = await http.post(
                "/auth/api-keys",
                json={"name": "program", "scopes": ["completions"]},
                headers={"Authorization": f"Bearer {alice.access_token}"},
            )
        yield Door(url, auth, made.json()["key"], alice.access_token, one, two)
        server.should_exit = True
        await serving
    await one.aclose()
    await two.aclose()

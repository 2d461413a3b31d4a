"""Every operation of the server, called in process by everybody who should be refused."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI

from authkeep.http import Policy
from authkeep.matrix import AsgiClient, Matrix, Sample
from authkeep.testing import SoftwareAuthenticator, add_passkey, signed_in
from authkeep.testing.provider import add_identity
from chatkeep.app import create_app, prepare
from chatkeep.identity import Auth
from chatkeep.settings import Settings

pytest_plugins = ["authkeep.pytest_plugin"]

OPERATIONS = 81
UNKNOWN = "0198c0de-0000-7000-8000-000000000000"
BODIES = {
    "POST /chat/send": lambda ids: {"session_id": ids["session_id"], "message": "x"},
    "PATCH /chat/sessions/{session_id}": lambda _: {"title": "mine now"},
    "PATCH /auth/passkeys/{passkey_id}": lambda _: {"name": "mine now"},
    "POST /chat/sessions": lambda _: {"title": "new"},
    "POST /chat/messages/{message_id}/regenerate": lambda _: {},
    "PUT /chat/sessions/{session_id}/leaf": lambda ids: {"message_id": ids["message_id"]},
}


class Chatkeep:
    """The application as it is served, without the page, which is no part of the API."""

    def __init__(self, app: FastAPI) -> None:
        self.app = app
        self.auth: Auth = app.state.auth
        self.declare: Mapping[str, Policy] = {}
        self._client = AsgiClient(app)
        self._people = 0

    async def sample(self) -> Sample:
        self._people += 1
        email = f"victim-{self._people}@example.com"
        victim = await signed_in(self.auth, email, methods=["pwd", "otp", "mfa"])
        other = await signed_in(self.auth, victim.user.email)

        async def make(path: str, body: Any) -> Any:
            headers = {"Prefer": "respond-async"}
            answer = await self._client.call("POST", path, victim.access_token, body, headers)
            assert answer.status < 300, answer
            return answer.content

        session_id = (await make("/chat/sessions", {"title": "private"}))["id"]
        accepted = await make("/chat/send", {"session_id": session_id, "message": "hello"})
        key = await make("/auth/api-keys", {"name": "backup", "scopes": ["chat"]})
        await add_passkey(self.auth, victim, SoftwareAuthenticator("http://localhost:8000"))
        (passkey,) = await self.auth.mfa.passkeys.list_all(victim.principal)
        identity_id = await add_identity(self.auth, victim)
        parameters = {
            "session_id": session_id,
            "generation_id": accepted["generation_id"],
            "message_id": accepted["message_id"],
            "sid": other.principal.login_id,
            "key_id": key["id"],
            "passkey_id": passkey.id,
            "user_id": victim.user.id,
            "provider": "nobody",
            "identity_id": identity_id,
            "model": "scripted",
        }
        return Sample(victim, parameters, dict.fromkeys(parameters, UNKNOWN), BODIES)


@asynccontextmanager
async def running(settings: Settings) -> AsyncIterator[FastAPI]:
    await prepare(settings)
    app = create_app(settings, "http://127.0.0.1:1")
    async with app.router.lifespan_context(app):
        yield app


@pytest.fixture
async def authz_host(tmp_path: Path) -> AsyncIterator[Chatkeep]:
    settings = Settings(
        data_dir=tmp_path / "data",
        llm_base_url="scripted:",
        page=False,
        limit_send="10000/minute",
    )
    async with running(settings) as app:
        host = Chatkeep(app)
        await signed_in(host.auth, "first@example.com")
        yield host


async def test_everybody_is_refused_who_should_be(authz_matrix: Matrix) -> None:
    await authz_matrix.check(operations=OPERATIONS)


async def test_strangers_with_rubbish_are_told_no_more_than_401(authz_matrix: Matrix) -> None:
    await authz_matrix.check_strangers()


async def test_no_guard_could_go_unnoticed(authz_matrix: Matrix) -> None:
    await authz_matrix.check_mutants()

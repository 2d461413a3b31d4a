"""Every operation of the server, called in process by everybody who should be refused."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI
from sqlalchemy import insert, update

from authkeep.http import Policy
from authkeep.matrix import AsgiClient, Matrix, Sample
from authkeep.testing import SoftwareAuthenticator, add_passkey, signed_in
from authkeep.testing.provider import add_identity
from chatkeep.app import create_app, prepare
from chatkeep.identity import Auth, OwnerId
from chatkeep.rag.tables import document_chunks, documents
from chatkeep.row_security import EVERYBODY
from chatkeep.settings import Settings

pytest_plugins = ["authkeep.pytest_plugin"]

OPERATIONS = 102
UNKNOWN = "0198c0de-0000-7000-8000-000000000000"
BODIES = {
    "POST /chat/send": lambda ids: {"session_id": ids["session_id"], "message": "x"},
    "PATCH /chat/sessions/{session_id}": lambda _: {"title": "mine now"},
    "PATCH /auth/passkeys/{passkey_id}": lambda _: {"name": "mine now"},
    "POST /chat/sessions": lambda _: {"title": "new"},
    "POST /search": lambda _: {"query": "x"},
    "POST /collections": lambda _: {"name": "new"},
    "PATCH /collections/{collection_id}": lambda _: {"name": "mine now"},
    "POST /collections/{collection_id}/members": lambda _: {"email": "victim-1@example.com"},
    "PUT /collections/{collection_id}/members/{user_id}": lambda _: {"role": "editor"},
    "POST /chat/messages/{message_id}/regenerate": lambda _: {},
    "PUT /chat/sessions/{session_id}/leaf": lambda ids: {"message_id": ids["message_id"]},
}

CHUNK: dict[str, Any] = {"n": 1, "text": "x", "page": None, "headings": [], "start": 0, "end": 1, "tokens": 1}


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

        session_id = (await make("/chat/sessions", {"title": "private", "use_documents": True}))["id"]
        accepted = await make("/chat/send", {"session_id": session_id, "message": "hello"})
        async for _ in self.app.state.chat.runner.find_log(accepted["generation_id"]).follow(0, until=lambda: False):
            pass
        key = await make("/auth/api-keys", {"name": "backup", "scopes": ["chat"]})
        await add_passkey(self.auth, victim, SoftwareAuthenticator("http://localhost:8000"))
        (passkey,) = await self.auth.mfa.passkeys.list_all(victim.principal)
        identity_id = await add_identity(self.auth, victim)
        collection_id = (await make("/collections", {"name": "private"}))["id"]
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
            "collection_id": collection_id,
            "document_id": await self._document_of(OwnerId(victim.user.id)),
            "n": "1",
        }
        return Sample(victim, parameters, {**dict.fromkeys(parameters, UNKNOWN), "n": "1"}, BODIES)

    async def _document_of(self, owner: OwnerId) -> str:
        async def body() -> AsyncIterator[bytes]:
            yield b'--x\r\nContent-Disposition: form-data; name="file"; filename="a.txt"\r\n\r\nhello\r\n--x--\r\n'

        async with self.app.state.documents.uploading(owner) as upload:
            await upload.receive(body(), "multipart/form-data; boundary=x")
            (document,) = await upload.queue(datetime.now(UTC))
        async with self.app.state.documents.database.writing(EVERYBODY) as db:
            # As if it had been read, which takes a process and a second.
            await db.execute(update(documents).where(documents.c.id == document.id).values(status="ready"))
            await db.execute(insert(document_chunks).values(document_id=document.id, **CHUNK))
        return str(document.id)


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
        limit_share="10000/minute",
        limit_upload="10000/minute",
        embedding_model="none",
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

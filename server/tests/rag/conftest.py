"""The application as it is served, without the page; for speed also without vectors: all is found by its words."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from authkeep.testing import SignedInUser, signed_in
from chatkeep.app import create_app, prepare
from chatkeep.settings import Settings

Serve = Callable[..., AbstractAsyncContextManager[FastAPI]]


@pytest.fixture
def serve(tmp_path: Path) -> Serve:
    @asynccontextmanager
    async def running(**changes: Any) -> AsyncIterator[FastAPI]:
        values = {"data_dir": tmp_path / "data", "llm_base_url": "scripted:", "page": False, "embedding_model": "none"}
        settings = Settings(**{**values, **changes})
        await prepare(settings)
        app = create_app(settings, "http://127.0.0.1:1")
        async with app.router.lifespan_context(app):
            yield app

    return running


@pytest.fixture
async def app(serve: Serve) -> AsyncIterator[FastAPI]:
    async with serve() as app:
        yield app


class Client:
    """Somebody who is signed in, and speaks to the application without a socket."""

    def __init__(self, app: FastAPI, user: SignedInUser) -> None:
        self.user = user
        headers = {"authorization": f"Bearer {user.access_token}"}
        self.http = httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://localhost", headers=headers)

    async def upload(self, *files: tuple[str, bytes], collection_id: str | None = None) -> httpx.Response:
        data = {"collection_id": collection_id} if collection_id else {}
        return await self.http.post("/documents", data=data, files=[("file", file) for file in files])

    async def uploaded(self, *files: tuple[str, bytes], collection_id: str | None = None) -> list[dict[str, Any]]:
        response = await self.upload(*files, collection_id=collection_id)
        assert response.status_code == 202, response.text
        items: list[dict[str, Any]] = response.json()["items"]
        return items

    async def until_ended(self, document_id: str) -> dict[str, Any]:
        """Follows the events of a document to their end."""
        response = await self.http.get(f"/documents/{document_id}/events")
        assert response.status_code == 200, response.text
        document: dict[str, Any] = (await self.http.get(f"/documents/{document_id}")).json()
        return document

    async def new_collection(self, name: str = "plans") -> str:
        response = await self.http.post("/collections", json={"name": name})
        assert response.status_code == 201, response.text
        return str(response.json()["id"])


@pytest.fixture
async def ada(app: FastAPI) -> Client:
    await signed_in(app.state.auth, "first@example.com")
    return Client(app, await signed_in(app.state.auth, "ada@example.com"))


@pytest.fixture
async def ben(app: FastAPI, ada: Client) -> Client:
    return Client(app, await signed_in(app.state.auth, "ben@example.com"))


@pytest.fixture
def make_client() -> Callable[[FastAPI], Any]:
    """Somebody at an application of the test's own making."""

    async def make(app: FastAPI) -> Client:
        return Client(app, await signed_in(app.state.auth, "ada@example.com"))

    return make

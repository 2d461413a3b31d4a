"""What one user may do with imports, to the disk and to everybody else."""

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI

from authkeep.matrix import AsgiClient
from authkeep.testing import signed_in
from chatkeep.app import create_app, prepare
from chatkeep.chat import dependencies, upload
from chatkeep.chat.errors import ImportsBusy, UploadTooSlow
from chatkeep.chat.exported_chat import FORMAT
from chatkeep.chat.import_formats import entries_of
from chatkeep.chat.importing import import_chats
from chatkeep.chat.sessions import create_session, delete_session
from chatkeep.chat.stored import stored_bytes
from chatkeep.chat.upload import read_upload
from chatkeep.db import Database
from chatkeep.identity import OwnerId
from chatkeep.settings import Settings
from server.tests.chat.test_transfer import NOW


def chat(name: str, messages: int = 1, said: str = "hello", **more: Any) -> dict[str, Any]:
    at = NOW.isoformat()
    one = {"role": "user", "content": said, "created_at": at, **more}
    said_all = [{"id": str(n), **one} for n in range(messages)]
    return {"format": FORMAT, "id": name, "title": name, "created_at": at, "updated_at": at, "messages": said_all}


def file(*chats: dict[str, Any]) -> bytes:
    return json.dumps(chats).encode()


async def stored(database: Database, owner: OwnerId) -> int:
    async with database.reading(owner) as db:
        return await stored_bytes(db, owner)


async def test_a_user_cannot_fill_the_disk_by_importing(database: Database, alice: OwnerId, bob: OwnerId) -> None:
    many_small, few_large, none = chat("small", 100, ""), chat("large", 1, "x" * 40_000), chat("none", 0)
    beside = chat("beside", 1, "x", citations=[{"title": "x" * 40_000}])
    content = file(many_small, few_large, beside, chat("fits"))
    imported = await import_chats(database, alice, entries_of(content), NOW, room=30_000)
    assert [one.title for one in imported.skipped] == ["small", "large", "beside"]
    assert all("no room" in one.reason for one in imported.skipped)
    assert imported.sessions == 1
    empty = await import_chats(database, alice, entries_of(file(none)), NOW, room=100)
    assert [one.title for one in empty.skipped] == ["none"]
    assert await stored(database, bob) == 0


async def test_what_is_measured_is_what_was_let_in(database: Database, alice: OwnerId) -> None:
    content = file(chat("a", 3, "ä" * 1000, reasoning="thoughts"), chat("b", 1, "x", citations=[{"title": "y" * 99}]))
    before = 100_000
    await import_chats(database, alice, entries_of(content), NOW, room=before)
    taken = await stored(database, alice)
    assert taken > 3 * 2000
    # To the byte it is another matter how either database writes JSON.
    again = file(chat("c", 1, "z" * (before - taken - 1500)), chat("d", 1, "z" * 2000))
    imported = await import_chats(database, alice, entries_of(again), NOW, room=before - taken)
    assert [one.title for one in imported.skipped] == ["d"]


async def test_empty_chats_count_and_what_is_deleted_does_not(database: Database, alice: OwnerId) -> None:
    async with database.writing(alice) as db:
        session = await create_session(db, alice, None, None, NOW)
    assert await stored(database, alice) > 0
    async with database.writing(alice) as db:
        await delete_session(db, alice, session.id)
    assert await stored(database, alice) == 0


async def pieces(*sizes: int, then: asyncio.Event | None = None) -> AsyncIterator[bytes]:
    for size in sizes:
        yield b"x" * size
    if then is not None:
        await then.wait()


async def test_an_upload_that_trickles_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(upload, "FIRST_SECONDS", 0.01)
    with pytest.raises(UploadTooSlow):
        await read_upload(pieces(10, 10, then=asyncio.Event()))
    assert await read_upload(pieces(1_000_000, 5)) == b"x" * 1_000_005


@pytest.fixture
async def app(tmp_path: Path) -> AsyncIterator[FastAPI]:
    settings = Settings(
        data_dir=tmp_path / "data", llm_base_url="scripted:", page=False, limit_import="3/hour", import_megabytes=1
    )
    await prepare(settings)
    app = create_app(settings, "http://127.0.0.1:1")
    async with app.router.lifespan_context(app):
        yield app


async def test_uploads_of_one_user_leave_a_place_for_others(app: FastAPI, monkeypatch: pytest.MonkeyPatch) -> None:
    alice, bob = OwnerId("alice"), OwnerId("bob")
    importing = app.state.chat.importing
    monkeypatch.setattr(dependencies, "_IMPORT_PATIENCE_SECONDS", 0.01)
    async with importing(alice):
        with pytest.raises(ImportsBusy):
            async with importing(alice):
                pass
        async with importing(bob) as room:
            assert room == 1024 * 1024
            with pytest.raises(ImportsBusy):
                async with importing(OwnerId("carol")):
                    pass
    async with importing(OwnerId("carol")):
        pass


async def test_files_without_end_are_refused_and_a_full_store_says_so(app: FastAPI) -> None:
    alice = await signed_in(app.state.auth, "alice@example.com")

    async def give(*chats: dict[str, Any]) -> Any:
        return await AsgiClient(app).call("POST", "/chat/import", alice.access_token, file(*chats))

    some = await give(*(chat(str(n), 1, "x" * 990_000) for n in range(2)))
    assert (some.status, some.content["sessions"], len(some.content["skipped"])) == (200, 1, 1)
    app.state.chat = replace(app.state.chat, imported_bytes=990_000)
    full = await give(chat("more"))
    assert (full.status, full.content["code"]) == (507, "storage_full")
    await give(chat("more"))
    refused = await give(chat("more"))
    assert (refused.status, refused.content["code"]) == (429, "rate_limited")

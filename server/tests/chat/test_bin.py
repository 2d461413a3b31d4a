"""The bin, the archive, pins and temporary chats; on SQLite and PostgreSQL."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

import pytest

from chatkeep.chat import bin as bin_of_chats
from chatkeep.chat.bin import KEEP_DELETED, empty_bin, purge, restore, throw_away
from chatkeep.chat.messages import Turn, add_message, list_messages
from chatkeep.chat.sessions import (
    TEMPORARY,
    Shelf,
    change_session,
    create_session,
    find_session,
    get_session,
    list_sessions,
    lock_session,
    touch_session,
)
from chatkeep.db import Database, Db
from chatkeep.errors import NotFound
from chatkeep.identity import OwnerId

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
LATER = NOW + KEEP_DELETED


async def titles(db: Db, owner: OwnerId, shelf: Shelf) -> list[str | None]:
    return [session.title for session in (await list_sessions(db, owner, None, 10, None, shelf)).items]


async def test_what_is_in_the_bin_is_not_there_and_comes_back_whole(database: Database, alice: OwnerId) -> None:
    async with database.writing(alice) as db:
        chat = await create_session(db, alice, "Plans", None, NOW)
        await add_message(db, alice, chat.id, Turn("user", "hello"), NOW)
        await throw_away(db, alice, chat.id, NOW)
        assert await find_session(db, alice, chat.id) is None
        for refused in (lock_session(db, alice, chat.id), throw_away(db, alice, chat.id, NOW)):
            with pytest.raises(NotFound):
                await refused
        with pytest.raises(NotFound):
            await change_session(db, alice, chat.id, {"title": "x"}, NOW)
        assert await titles(db, alice, Shelf()) == []
        assert await titles(db, alice, Shelf(deleted=True)) == ["Plans"]
        assert await restore(db, alice, chat.id) == chat
        assert await restore(db, alice, chat.id) == chat
        assert len((await list_messages(db, alice, chat.id, 9, None)).items) == 1


async def test_nobody_else_reaches_into_the_bin(database: Database, alice: OwnerId, bob: OwnerId) -> None:
    async with database.writing(alice) as db:
        chat = await create_session(db, alice, "Plans", None, NOW)
        await throw_away(db, alice, chat.id, NOW)
    async with database.writing(bob) as db:
        for refused in (restore(db, bob, chat.id), throw_away(db, bob, chat.id, NOW, forever=True)):
            with pytest.raises(NotFound):
                await refused
        assert await titles(db, bob, Shelf(deleted=True)) == []
    async with database.writing(alice) as db:
        assert (await restore(db, alice, chat.id)).title == "Plans"


@pytest.mark.parametrize("from_the_bin", [False, True])
async def test_for_ever_means_gone(database: Database, alice: OwnerId, from_the_bin: bool) -> None:
    async with database.writing(alice) as db:
        chat = await create_session(db, alice, "Plans", None, NOW)
        await add_message(db, alice, chat.id, Turn("user", "secret"), NOW)
        if from_the_bin:
            await throw_away(db, alice, chat.id, NOW)
        await throw_away(db, alice, chat.id, NOW, forever=True)
        with pytest.raises(NotFound):
            await restore(db, alice, chat.id)
        assert (await list_messages(db, alice, chat.id, 9, None)).items == []


async def test_the_bin_is_emptied_after_thirty_days_and_not_before(
    database: Database, alice: OwnerId, bob: OwnerId
) -> None:
    async with database.writing(alice) as db:
        old = await create_session(db, alice, "old", None, NOW)
        new = await create_session(db, alice, "new", None, NOW)
        await create_session(db, alice, "kept", None, NOW)
        await throw_away(db, alice, old.id, NOW)
        await throw_away(db, alice, new.id, NOW + timedelta(seconds=1))
    async with database.writing(bob) as db:
        his = await create_session(db, bob, "his", None, NOW)
        await throw_away(db, bob, his.id, NOW)
    assert await purge(database, LATER) == 2
    assert await purge(database, LATER) == 0
    async with database.reading(alice) as db:
        assert await titles(db, alice, Shelf(deleted=True)) == ["new"]
        assert await titles(db, alice, Shelf()) == ["kept"]


async def test_emptying_the_bin_takes_ones_own_and_nothing_else(
    database: Database, alice: OwnerId, bob: OwnerId
) -> None:
    async with database.writing(alice) as db:
        for title, thrown_away_at in (("one", NOW), ("two", NOW), ("just now", NOW + timedelta(seconds=1))):
            chat = await create_session(db, alice, title, None, NOW)
            await throw_away(db, alice, chat.id, thrown_away_at)
        await create_session(db, alice, "kept", None, NOW)
        archived = await create_session(db, alice, "archived", None, NOW)
        await change_session(db, alice, archived.id, {"archived": True}, NOW)
    async with database.writing(bob) as db:
        his = await create_session(db, bob, "his", None, NOW)
        await throw_away(db, bob, his.id, NOW)
    assert await empty_bin(database, alice, NOW) == (2, False)
    assert await empty_bin(database, alice, NOW) == (0, False)
    async with database.reading(alice) as db:
        assert await titles(db, alice, Shelf(deleted=True)) == ["just now"]
        assert set(await titles(db, alice, Shelf())) == {"archived", "kept"}
    async with database.reading(bob) as db:
        assert await titles(db, bob, Shelf(deleted=True)) == ["his"]


async def test_a_full_bin_is_emptied_by_several_requests(
    database: Database, alice: OwnerId, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bin_of_chats, "MOST_EMPTIED", 2)
    async with database.writing(alice) as db:
        for _ in range(3):
            chat = await create_session(db, alice, "x", None, NOW)
            await throw_away(db, alice, chat.id, NOW)
    assert await empty_bin(database, alice, NOW) == (2, True)
    assert await empty_bin(database, alice, NOW) == (1, False)


async def test_a_temporary_chat_goes_a_day_after_what_was_last_said(database: Database, alice: OwnerId) -> None:
    async with database.writing(alice) as db:
        chat = await create_session(db, alice, None, None, NOW, temporary=True)
        await touch_session(db, alice, chat.id, "hello", NOW + timedelta(hours=1))
        assert (await get_session(db, alice, chat.id)).expires_at == NOW + timedelta(hours=1) + TEMPORARY
    assert await purge(database, NOW + TEMPORARY) == 0
    assert await purge(database, NOW + TEMPORARY + timedelta(hours=1)) == 1
    async with database.reading(alice) as db:
        assert await find_session(db, alice, chat.id) is None


async def test_a_temporary_chat_does_not_lie_in_the_bin(database: Database, alice: OwnerId) -> None:
    async with database.writing(alice) as db:
        chat = await create_session(db, alice, "secret", None, NOW, temporary=True)
        await throw_away(db, alice, chat.id, NOW)
        assert await titles(db, alice, Shelf(deleted=True)) == []


async def test_pins_and_the_archive_are_shelves(database: Database, alice: OwnerId) -> None:
    async with database.writing(alice) as db:
        await create_session(db, alice, "plain", None, NOW)
        chat = await create_session(db, alice, "pinned", None, NOW)
        assert (await change_session(db, alice, chat.id, {"pinned": True}, NOW)).pinned_at == NOW
        chat = await create_session(db, alice, "archived", None, NOW)
        assert (await change_session(db, alice, chat.id, {"archived": True}, NOW)).archived_at == NOW
        assert await titles(db, alice, Shelf(archived=False)) == ["pinned", "plain"]
        assert await titles(db, alice, Shelf(archived=True)) == ["archived"]
        assert await titles(db, alice, Shelf(pinned=True)) == ["pinned"]
        await change_session(db, alice, chat.id, {"archived": False}, NOW)
        assert await titles(db, alice, Shelf(archived=True)) == []


async def test_what_comes_back_while_the_bin_is_emptied_is_kept(
    database: Database, alice: OwnerId, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with database.writing(alice) as db:
        binned = await create_session(db, alice, "binned", None, NOW)
        await throw_away(db, alice, binned.id, NOW)
        spoken = await create_session(db, alice, "spoken", None, LATER - TEMPORARY, temporary=True)
    writing, came_back = database.writing, False

    @asynccontextmanager
    async def after_somebody_else(owner: OwnerId) -> AsyncIterator[Db]:
        nonlocal came_back
        if not came_back:
            came_back = True
            async with writing(alice) as db:
                await restore(db, alice, binned.id)
                await touch_session(db, alice, spoken.id, "hello", LATER)
        async with writing(owner) as db:
            yield db

    monkeypatch.setattr(database, "writing", after_somebody_else)
    await purge(database, LATER)
    assert came_back
    async with database.reading(alice) as db:
        for kept in (binned, spoken):
            assert await find_session(db, alice, kept.id) is not None

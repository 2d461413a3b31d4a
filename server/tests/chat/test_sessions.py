"""Chat sessions and messages in SQL, on SQLite and PostgreSQL."""

from datetime import UTC, datetime, timedelta

import pytest

from chatkeep.chat.messages import Turn, add_message, list_messages, list_path
from chatkeep.chat.records import ChatSession
from chatkeep.chat.sessions import (
    change_session,
    create_session,
    delete_session,
    find_session,
    get_session,
    list_sessions,
    title_from,
    touch_session,
)
from chatkeep.db import Database
from chatkeep.errors import NotFound
from chatkeep.identity import OwnerId
from chatkeep.paging import Cursor, CursorInvalid
from chatkeep.row_security import EVERYBODY

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)


async def begin(database: Database, owner: OwnerId, title: str, minutes: int = 0) -> ChatSession:
    async with database.writing(EVERYBODY) as db:
        return await create_session(db, owner, title, None, NOW + timedelta(minutes=minutes))


async def test_a_session_comes_back_as_it_was(database: Database, alice: OwnerId) -> None:
    made = await begin(database, alice, "Plans")
    async with database.reading(EVERYBODY) as db:
        assert await get_session(db, alice, made.id) == made


async def test_someone_elses_session_does_not_exist(database: Database, alice: OwnerId, bob: OwnerId) -> None:
    made = await begin(database, alice, "Plans")
    async with database.writing(EVERYBODY) as db:
        assert await find_session(db, bob, made.id) is None
        with pytest.raises(NotFound):
            await change_session(db, bob, made.id, {"title": "mine now"}, NOW)
        with pytest.raises(NotFound):
            await delete_session(db, bob, made.id)
        assert (await list_sessions(db, bob, None, 10, None)).items == []
        assert (await get_session(db, alice, made.id)).title == "Plans"


async def test_pages_hold_every_session_once(database: Database, alice: OwnerId) -> None:
    # Three of them share a moment, where only the id decides.
    made = [await begin(database, alice, f"chat {n}", minutes=n // 3) for n in range(10)]
    seen: list[str] = []
    cursor = None
    async with database.reading(EVERYBODY) as db:
        while True:
            page = await list_sessions(db, alice, None, 3, cursor)
            seen += [session.id for session in page.items]
            if page.next_cursor is None:
                break
            cursor = Cursor.decode(page.next_cursor)
    assert len(seen) == 10
    assert set(seen) == {session.id for session in made}
    assert seen[0] == made[9].id


@pytest.mark.parametrize("text", ["", "x", "!!!", "bm90IGEgY3Vyc29y", "MjAyNi0wMS0wMXxhYmM"])
def test_a_foreign_cursor_is_refused(text: str) -> None:
    with pytest.raises(CursorInvalid):
        Cursor.decode(text)


@pytest.mark.parametrize(
    ("query", "titles"),
    [("garden", ["Garden"]), ("tomato", ["Garden"]), ("100%", ["Cost"]), ("%", []), ("_", []), ("zzz", [])],
)
async def test_search_reads_titles_and_texts(
    database: Database, alice: OwnerId, bob: OwnerId, query: str, titles: list[str]
) -> None:
    for owner, title, text in (
        (alice, "Garden", "when do I plant Tomatoes?"),
        (alice, "Cost", "is it 100% sure"),
        (bob, "garden", "100% tomato"),
    ):
        session = await begin(database, owner, title)
        async with database.writing(EVERYBODY) as db:
            await add_message(db, owner, session.id, Turn("user", text), NOW)
    async with database.reading(EVERYBODY) as db:
        found = await list_sessions(db, alice, query, 10, None)
    assert [session.title for session in found.items] == titles


async def test_messages_page_oldest_first(database: Database, alice: OwnerId) -> None:
    session = await begin(database, alice, "Long")
    async with database.writing(EVERYBODY) as db:
        for n in range(5):
            await add_message(db, alice, session.id, Turn("user", str(n)), NOW)
    async with database.reading(EVERYBODY) as db:
        first = await list_messages(db, alice, session.id, 3, None)
        assert first.next_cursor is not None
        second = await list_messages(db, alice, session.id, 3, Cursor.decode(first.next_cursor))
    assert [message.content for message in first.items + second.items] == ["0", "1", "2", "3", "4"]
    assert second.next_cursor is None


async def test_a_path_follows_parents_not_time(database: Database, alice: OwnerId) -> None:
    session = await begin(database, alice, "Tree")
    async with database.writing(EVERYBODY) as db:
        root = await add_message(db, alice, session.id, Turn("user", "root"), NOW)
        left = await add_message(db, alice, session.id, Turn("assistant", "left", root.id), NOW)
        right = await add_message(db, alice, session.id, Turn("assistant", "right", root.id), NOW)
        leaf = await add_message(db, alice, session.id, Turn("user", "leaf", left.id), NOW)
        path = await list_path(db, alice, session.id, leaf.id, 10_000)
        assert right.content not in [message.content for message in path]
    assert [message.content for message in path] == ["root", "left", "leaf"]


async def test_an_untitled_session_is_named_by_its_first_message(database: Database, alice: OwnerId) -> None:
    async with database.writing(EVERYBODY) as db:
        session = await create_session(db, alice, None, None, NOW)
        await touch_session(db, alice, session.id, "How do tides\nwork?", NOW)
        await touch_session(db, alice, session.id, "And waves?", NOW)
        assert (await get_session(db, alice, session.id)).title == "How do tides work?"


async def test_a_title_that_was_chosen_stays_even_if_it_is_new_chat(database: Database, alice: OwnerId) -> None:
    async with database.writing(EVERYBODY) as db:
        session = await create_session(db, alice, "New chat", None, NOW)
        await touch_session(db, alice, session.id, "hello", NOW)
        assert (await get_session(db, alice, session.id)).title == "New chat"
        await change_session(db, alice, session.id, {"title": None}, NOW)
        await touch_session(db, alice, session.id, "hello", NOW)
        assert (await get_session(db, alice, session.id)).title == "hello"


def test_a_title_is_cut_between_words() -> None:
    assert title_from("word " * 40) == "word word word word word word word word word word word word…"
    assert title_from("x" * 100) == "x" * 60 + "…"


async def test_deleting_a_session_deletes_its_messages(database: Database, alice: OwnerId) -> None:
    session = await begin(database, alice, "Gone")
    async with database.writing(EVERYBODY) as db:
        await add_message(db, alice, session.id, Turn("user", "secret"), NOW)
        await delete_session(db, alice, session.id)
        assert (await list_messages(db, alice, session.id, 10, None)).items == []


async def test_a_path_goes_as_far_back_as_its_budget(database: Database, alice: OwnerId) -> None:
    session = await begin(database, alice, "Long")
    async with database.writing(EVERYBODY) as db:
        parent: str | None = None
        for n in range(70):
            parent = (await add_message(db, alice, session.id, Turn("user", f"{n:02}" * 50, parent), NOW)).id
        assert parent is not None
        whole = await list_path(db, alice, session.id, parent, 1_000_000)
        part = await list_path(db, alice, session.id, parent, 4_500)
    assert [message.content[:2] for message in whole] == [f"{n:02}" for n in range(70)]
    assert part == whole[-45:]


async def test_a_page_of_long_messages_is_short(database: Database, alice: OwnerId) -> None:
    session = await begin(database, alice, "Long")
    async with database.writing(EVERYBODY) as db:
        for n in range(4):
            await add_message(db, alice, session.id, Turn("user", str(n) * 1_500_000), NOW)
    seen: list[str] = []
    cursor = None
    async with database.reading(EVERYBODY) as db:
        while True:
            page = await list_messages(db, alice, session.id, 200, cursor)
            assert sum(len(message.content) for message in page.items) <= 4 * 1024 * 1024
            seen += [message.content[0] for message in page.items]
            if page.next_cursor is None:
                break
            cursor = Cursor.decode(page.next_cursor)
    assert seen == ["0", "1", "2", "3"]

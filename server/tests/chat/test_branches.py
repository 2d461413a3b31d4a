"""The tree of a session: branches, siblings, the leaf on show; on SQLite and PostgreSQL."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from uuid import UUID

import pytest

from chatkeep.chat.branches import find_leaf_id, get_newest_below, list_branch, with_siblings
from chatkeep.chat.messages import Turn, add_message, find_message, insert_messages, list_messages, list_path
from chatkeep.chat.records import ChatSession, Message, Siblings
from chatkeep.chat.sessions import create_session, delete_session, get_session, show_leaf
from chatkeep.db import Database
from chatkeep.errors import NotFound
from chatkeep.identity import OwnerId
from chatkeep.paging import Cursor

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)


async def planted(database: Database, owner: OwnerId, tree: dict[str, str]) -> tuple[ChatSession, dict[str, str]]:
    """A session with these messages, each with its parent's name ("" for none), oldest first; and their ids."""
    ids: dict[str, str] = {}
    async with database.writing(owner) as db:
        session = await create_session(db, owner, "Tree", None, NOW)
        for name, parent in tree.items():
            turn = Turn("user" if name[0] == "q" else "assistant", name, ids.get(parent))
            message = await add_message(db, owner, session.id, turn, NOW)
            ids[name] = message.id
    return session, ids


#      q1                 q7
#    /    \                |
#   a2     a3             a8
#   |     /  \
#   q4   q5   q6
TREE = {"q1": "", "a2": "q1", "a3": "q1", "q4": "a2", "q5": "a3", "q6": "a3", "q7": "", "a8": "q7"}


def names(messages: Sequence[Message]) -> list[str]:
    return [message.content for message in messages]


@pytest.mark.parametrize("newest_first", [False, True])
@pytest.mark.parametrize("limit", [1, 2, 3, 200])
async def test_a_branch_is_paged_whole_in_either_order(
    database: Database, alice: OwnerId, limit: int, newest_first: bool
) -> None:
    session, ids = await planted(database, alice, TREE)
    seen: list[str] = []
    cursor = None
    async with database.reading(alice) as db:
        while True:
            page = await list_branch(db, alice, session.id, ids["q5"], limit, cursor, newest_first=newest_first)
            assert len(page.items) <= limit
            seen += names(page.items)
            if page.next_cursor is None:
                break
            cursor = Cursor.decode(page.next_cursor)
    assert seen == (["q5", "a3", "q1"] if newest_first else ["q1", "a3", "q5"])


async def test_all_messages_are_paged_newest_first(database: Database, alice: OwnerId) -> None:
    session, _ = await planted(database, alice, TREE)
    async with database.reading(alice) as db:
        first = await list_messages(db, alice, session.id, 5, None, newest_first=True)
        assert first.next_cursor is not None
        second = await list_messages(db, alice, session.id, 5, Cursor.decode(first.next_cursor), newest_first=True)
    assert names(first.items + second.items) == list(reversed(TREE))
    assert second.next_cursor is None


async def test_each_message_knows_its_siblings(database: Database, alice: OwnerId) -> None:
    session, ids = await planted(database, alice, TREE)
    async with database.reading(alice) as db:
        page = await list_messages(db, alice, session.id, 200, None)
        items = await with_siblings(db, alice, session.id, page.items)
    siblings = {message.content: message.siblings for message in items}
    assert siblings == {
        "q1": Siblings(1, 2, None, ids["q7"]),
        "q7": Siblings(2, 2, ids["q1"], None),
        "a2": Siblings(1, 2, None, ids["a3"]),
        "a3": Siblings(2, 2, ids["a2"], None),
        "q4": Siblings(1, 1, None, None),
        "q5": Siblings(1, 2, None, ids["q6"]),
        "q6": Siblings(2, 2, ids["q5"], None),
        "a8": Siblings(1, 1, None, None),
    }


async def test_the_newest_branch_is_on_show_until_another_is_chosen(database: Database, alice: OwnerId) -> None:
    session, ids = await planted(database, alice, TREE)
    async with database.writing(alice) as db:
        assert await find_leaf_id(db, alice, session) == ids["a8"]
        await show_leaf(db, alice, session.id, await get_newest_below(db, alice, session.id, ids["a3"]))
        assert await find_leaf_id(db, alice, await get_session(db, alice, session.id)) == ids["q6"]


async def test_a_leaf_out_of_another_session_or_of_somebody_else_is_not_there(
    database: Database, alice: OwnerId, bob: OwnerId
) -> None:
    session, ids = await planted(database, alice, TREE)
    other, _ = await planted(database, alice, {"q1": ""})
    his, _ = await planted(database, bob, {"q1": ""})
    async with database.reading(alice) as db:
        with pytest.raises(NotFound):
            await get_newest_below(db, alice, other.id, ids["q1"])
        assert (await list_branch(db, alice, other.id, ids["q5"], 9, None, newest_first=True)).items == []
    async with database.reading(bob) as db:
        with pytest.raises(NotFound):
            await get_newest_below(db, bob, his.id, ids["q1"])
        with pytest.raises(NotFound):
            await get_newest_below(db, bob, session.id, ids["q1"])
        assert (await list_branch(db, bob, session.id, ids["q5"], 9, None, newest_first=False)).items == []


async def test_a_session_that_is_deleted_while_it_is_read_is_no_error(
    database: Database, alice: OwnerId, monkeypatch: pytest.MonkeyPatch
) -> None:
    session, _ = await planted(database, alice, TREE)
    async with database.writing(alice) as db:
        items = (await list_messages(db, alice, session.id, 9, None)).items
        # Chosen by their sizes, and gone before they are read.
        with monkeypatch.context() as patched:
            patched.setattr("chatkeep.chat.messages._within", lambda *_: [session.id])
            page = await list_messages(db, alice, session.id, 2, None)
        assert (page.items, page.next_cursor) == ([], None)
        await delete_session(db, alice, session.id)
        assert await with_siblings(db, alice, session.id, items) == []


async def test_an_instance_whose_clock_is_behind_breaks_no_path_and_shows_what_is_newest(
    database: Database, alice: OwnerId
) -> None:
    session, ids = await planted(database, alice, {"q1": "", "a2": "q1"})
    ahead = UUID(int=UUID(ids["a2"]).int + (3_600_000 << 80))
    async with database.writing(alice) as db:
        # As another instance has made it, whose clock is an hour ahead.
        a2 = await find_message(db, alice, ids["a2"])
        assert a2 is not None
        await insert_messages(db, alice, [replace(a2, id=str(ahead), content="a3")])
        q4 = await add_message(db, alice, session.id, Turn("user", "q4", str(ahead)), NOW)
        a5 = await add_message(db, alice, session.id, Turn("assistant", "a5", q4.id), NOW)
        again = await add_message(db, alice, session.id, Turn("assistant", "a6", ids["q1"]), NOW, a5.id)
        assert str(ahead) < q4.id < a5.id < again.id
        assert UUID(again.id).version == 7
        path = await list_path(db, alice, session.id, a5.id, 1000)
        assert names(path) == ["q1", "a3", "q4", "a5"]
        assert await find_leaf_id(db, alice, session) == again.id

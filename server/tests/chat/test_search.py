"""Full-text search, on SQLite's FTS5 and PostgreSQL's tsvector: one's own words, and nobody's syntax."""

import asyncio
import threading
from collections.abc import Sequence
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import func, select

from chatkeep.chat import search
from chatkeep.chat.bin import restore, throw_away
from chatkeep.chat.messages import Turn, add_message, write_answer
from chatkeep.chat.records import State
from chatkeep.chat.search import search_messages
from chatkeep.chat.sessions import create_session, list_sessions
from chatkeep.chat.snippets import Snippet, snippet_of, words_of
from chatkeep.chat.tables import message_words
from chatkeep.db import Database
from chatkeep.identity import OwnerId
from chatkeep.paging import Cursor
from chatkeep.row_security import EVERYBODY

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)


async def say(database: Database, owner: OwnerId, *texts: str, temporary: bool = False) -> str:
    """Returns the id of the session it is said in."""
    async with database.writing(owner) as db:
        session = await create_session(db, owner, "Chat", None, NOW, temporary=temporary)
        for text in texts:
            await add_message(db, owner, session.id, Turn("user", text), NOW)
    return session.id


async def found(database: Database, owner: OwnerId, query: str) -> list[str]:
    async with database.reading(owner) as db:
        page = await search_messages(db, owner, query, 50, None)
        return [hit.snippet.text for hit in page.items]


GARDEN = "When do I plant the Tomatoes?"
CAFE = "Das Café in Łódź, der 3. Stock; naïve Übung"


FOUND: tuple[tuple[str, list[str]], ...] = (
    ("tomatoes", [GARDEN]),
    ("TOMATO", [GARDEN]),
    ("plant tomat", [GARDEN]),
    ("tomat plant", []),
    ("omatoes", []),
    ("plant, tomatoes!", [GARDEN]),
    ("cafe", [CAFE]),
    ("café", [CAFE]),
    ("cafe\u0301 naive UBUNG", [CAFE]),
    ("3 stock", [CAFE]),
    ("zzz", []),
    ("...", []),
    (" ", []),
    ("plant zzz", []),
)


async def test_every_word_is_found_and_the_last_by_its_beginning(database: Database, alice: OwnerId) -> None:
    await say(database, alice, GARDEN, CAFE)
    for query, texts in FOUND:
        assert await found(database, alice, query) == texts, query


SYNTAX: tuple[str, ...] = (
    *('"', "'", "''", '""', 'a"b', "a'b", "a' | 'b", "\\", "a\\'", "(", "a)(", "a:*", "content:a", "owner:a"),
    *("a AND", "OR", "NOT a", "NEAR(a b, 2)", "a <-> b", "a & | ! b", "^a", "+a", "-a", "{content}:a", "a*b*", ":"),
    *("'; DROP TABLE messages; --", '" OR 1=1', "\U0001f600", "\u0301", "²", "ﷺ", "a" * 200, "!" * 200, "a " * 100),
    "".join(map(chr, range(1, 128))),
)


async def test_a_query_is_words_and_never_syntax(database: Database, alice: OwnerId) -> None:
    await say(database, alice, "nothing to see")
    async with database.reading(alice) as db:
        for query in SYNTAX:
            assert (await search_messages(db, alice, query, 9, None)).items == [], query
            assert (await list_sessions(db, alice, query, 9, None)).items == [], query
    assert await found(database, alice, "nothing") == ["nothing to see"]


async def test_nobody_finds_the_words_of_others(database: Database, alice: OwnerId, bob: OwnerId) -> None:
    await say(database, alice, "secret")
    for query in ("secret", alice, f"owner:{alice}", alice.replace("-", ""), f'secret" OR owner : "{alice}'):
        assert await found(database, bob, query) == []
    # Not even in a transaction that sees everybody's rows.
    async with database.reading(EVERYBODY) as db:
        assert (await search_messages(db, bob, "secret", 9, None)).items == []


async def test_neither_the_bin_nor_a_temporary_chat_is_searched(database: Database, alice: OwnerId) -> None:
    await say(database, alice, "fleeting words", temporary=True)
    chat = await say(database, alice, "words in the bin")
    async with database.writing(alice) as db:
        await throw_away(db, alice, chat, NOW)
    assert await found(database, alice, "words") == []
    async with database.writing(alice) as db:
        await restore(db, alice, chat)
        assert [session.id for session in (await list_sessions(db, alice, "words", 9, None)).items] == [chat]
    assert await found(database, alice, "words") == ["words in the bin"]


async def test_an_answer_is_found_once_it_is_finished_and_by_what_it_became(database: Database, alice: OwnerId) -> None:
    async with database.writing(alice) as db:
        session = await create_session(db, alice, None, None, NOW)
        answer = await add_message(db, alice, session.id, Turn("assistant", "draft", None, State.RUNNING), NOW)
    assert await found(database, alice, "draft") == []
    for text in ("first version", "second version"):
        async with database.writing(alice) as db:
            await write_answer(db, alice, answer.id, text, State.COMPLETED)
        assert await found(database, alice, "version") == [text]
    assert await found(database, alice, "first") == []


async def test_what_is_deleted_leaves_no_words(database: Database, alice: OwnerId) -> None:
    chat = await say(database, alice, "one", "two")
    await say(database, alice, "two, kept")
    async with database.writing(alice) as db:
        await throw_away(db, alice, chat, NOW, forever=True)
    assert await found(database, alice, "two") == ["two, kept"]
    async with database.reading(EVERYBODY) as db:
        assert (await db.execute(select(func.count()).select_from(message_words))).scalar() == 1
        if database.is_sqlite:
            await db.connection.exec_driver_sql("INSERT INTO message_index (message_index) VALUES ('integrity-check')")


STRANGE = {
    "characters": " ".join(chr(n) for n in (*range(0x4E00, 0x4E00 + 20_000), *range(0x20000, 0x20000 + 40_000))),
    "numbers": " ".join(f"{n:x}" for n in range(60_000)),
    "one word": "x" * 200_000,
    "expanding": "\ufdfa" * 100_000,
    "accents": "a\u0301" * 100_000,
    "addresses": "://?&=" * 30_000,
}


async def test_no_message_is_too_strange_to_be_kept(database: Database, alice: OwnerId) -> None:
    await say(database, alice, *(f"needle {text}" for text in STRANGE.values()))
    assert len(await found(database, alice, "needl")) == len(STRANGE)


@pytest.mark.parametrize("kind", ["sqlite"])
async def test_streams_go_on_while_snippets_are_cut(
    database: Database, alice: OwnerId, monkeypatch: pytest.MonkeyPatch
) -> None:
    loop, went_on = asyncio.get_running_loop(), []

    def cut(text: str, words: Sequence[str]) -> Snippet:
        turned = threading.Event()
        loop.call_soon_threadsafe(turned.set)
        went_on.append(turned.wait(10))
        return snippet_of(text, words)

    monkeypatch.setattr(search, "snippet_of", cut)
    await say(database, alice, GARDEN)
    assert await found(database, alice, "tomatoes") == [GARDEN]
    assert went_on == [True]


async def test_hits_are_paged_newest_first(database: Database, alice: OwnerId) -> None:
    await say(database, alice, *(f"number {n}" for n in range(7)))
    seen: list[str] = []
    cursor = None
    async with database.reading(alice) as db:
        while True:
            page = await search_messages(db, alice, "number", 3, cursor)
            seen += [hit.snippet.text for hit in page.items]
            if page.next_cursor is None:
                break
            cursor = Cursor.decode(page.next_cursor)
    assert seen == [f"number {n}" for n in reversed(range(7))]


@pytest.mark.parametrize(
    ("text", "query", "marked"),
    [
        (GARDEN, "tomat", ["Tomat"]),
        (GARDEN, "when plant", ["When", "plant"]),
        (CAFE, "cafe ubung", ["Café", "Übung"]),
        ("word " * 100 + "needle\n\nand more " + "word " * 100, "needle more", ["needle", "more"]),
        ("planted plant", "plant x", ["plant"]),
        ("nothing", "zzz", []),
    ],
)
def test_a_snippet_marks_what_was_looked_for(text: str, query: str, marked: list[str]) -> None:
    snippet = snippet_of(text, words_of(query))
    assert [snippet.text[start:end] for start, end in snippet.highlights] == marked
    assert "\n" not in snippet.text
    assert len(snippet.text) <= 202


@given(st.text(max_size=600), st.text(min_size=1, max_size=20))
def test_a_highlight_is_never_beside_the_snippet(text: str, query: str) -> None:
    if words := words_of(query):
        snippet = snippet_of(text, words)
        places = [0, *(place for span in snippet.highlights for place in span), len(snippet.text)]
        assert places == sorted(places)


async def test_one_letter_does_not_look_at_every_word_of_everybody_that_begins_with_it(
    database: Database, alice: OwnerId
) -> None:
    await say(database, alice, "plan a garden", "apples", "漢字 here")
    assert await found(database, alice, "a") == ["plan a garden"]
    assert await found(database, alice, "plan a") == ["plan a garden"]
    assert await found(database, alice, "ap") == ["apples"]
    # Where a letter can be a word, it may be the first of several.
    assert await found(database, alice, "漢") == ["漢字 here"]
    async with database.reading(alice) as db:
        (hit,) = (await search_messages(db, alice, "a", 9, None)).items
    assert hit.snippet.highlights == [(5, 6)]

"""Export and import: everything comes back as it left, and no file is too strange to be refused clearly."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from chatkeep.chat.branches import list_branch
from chatkeep.chat.export import all_as_lines, as_markdown
from chatkeep.chat.exported_chat import FORMAT
from chatkeep.chat.form_file import file_of_form
from chatkeep.chat.import_formats import EntryRefused, FileRefused, draft_of, entries_of
from chatkeep.chat.importing import Imported, build, import_chats
from chatkeep.chat.messages import list_messages
from chatkeep.chat.sessions import create_session, get_session, list_sessions
from chatkeep.db import Database
from chatkeep.identity import OwnerId

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
ALICE, BOB = OwnerId("0198c0de-0000-7000-8000-00000000000a"), OwnerId("0198c0de-0000-7000-8000-00000000000b")


async def import_file(database: Database, owner: OwnerId, content: Any) -> Imported:
    body = content if isinstance(content, bytes) else json.dumps(content).encode()
    return await import_chats(database, owner, entries_of(body), NOW, room=2**40)


async def exported(database: Database, owner: OwnerId) -> bytes:
    return b"".join([piece async for piece in all_as_lines(database, owner)])


def by_place(lines: bytes) -> list[dict[str, Any]]:
    """Without ids, which are made anew: a message is known by its place in its chat."""
    chats = [json.loads(line) for line in lines.splitlines()]
    for chat in chats:
        places = {message.pop("id"): n for n, message in enumerate(chat["messages"])}
        for message in chat["messages"]:
            message["parent_id"] = places.get(message["parent_id"])
        chat["leaf_id"] = places.get(chat["leaf_id"])
        del chat["id"]
    return sorted(chats, key=lambda chat: json.dumps(chat, sort_keys=True))


texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=30)
moments = st.integers(0, 1_790_000_000).map(lambda n: datetime.fromtimestamp(n, UTC).isoformat())
scalars = st.none() | st.booleans() | st.integers(0, 9) | texts


@st.composite
def chats(draw: st.DrawFn) -> dict[str, Any]:
    count = draw(st.integers(0, 8))
    messages = [
        {
            "id": f"m{n}",
            "parent_id": None if n == 0 else draw(st.none() | st.integers(0, n - 1).map("m{}".format)),
            "role": draw(st.sampled_from(["user", "assistant"])),
            "content": draw(texts),
            "created_at": draw(moments),
            "status": draw(st.sampled_from(["completed", "stopped", "failed", "interrupted"])),
            "model": draw(st.none() | st.just("gpt")),
            "reasoning": draw(st.none() | texts),
            "citations": draw(st.lists(st.dictionaries(texts, scalars, max_size=2), max_size=2)),
            "usage": draw(st.none() | st.just({"prompt_tokens": 3, "completion_tokens": 4})),
            "error": draw(st.none() | st.just({"code": "x", "retryable": True})),
        }
        for n in range(count)
    ]
    title = draw(st.none() | st.just("A title"))
    return {
        "format": FORMAT,
        "id": f"c{draw(st.integers(0, 10**9))}",
        "title": title,
        "titled_by": draw(st.sampled_from(["user", "model", None])) if title else None,
        "model": draw(st.none() | st.just("gpt")),
        "created_at": draw(moments),
        "updated_at": draw(moments),
        "leaf_id": draw(st.none() | st.integers(0, count - 1).map("m{}".format)) if count else None,
        "pinned_at": draw(st.none() | moments),
        "archived_at": draw(st.none() | moments),
        "messages": messages,
    }


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(content=st.lists(chats(), min_size=1, max_size=3, unique_by=lambda chat: chat["id"]), n=st.integers(0, 10**12))
async def test_what_leaves_comes_back_the_same(database: Database, content: list[dict[str, Any]], n: int) -> None:
    one, other = OwnerId(f"one-{n}"), OwnerId(f"other-{n}")
    if (await list_all(database, one)) or (await list_all(database, other)):
        return
    assert (await import_file(database, one, content)).skipped == []
    first = await exported(database, one)
    assert (await import_file(database, other, first)).skipped == []
    second = await exported(database, other)
    assert by_place(first) == by_place(second)
    assert len(first.splitlines()) == len(content)


async def list_all(database: Database, owner: OwnerId) -> list[Any]:
    async with database.reading(owner) as db:
        return (await list_sessions(db, owner, None, 50, None)).items


def chatgpt() -> dict[str, Any]:
    def node(parent: str | None, role: str | None = None, text: str = "", **extra: Any) -> dict[str, Any]:
        content = {"content_type": "text", "parts": [text]}
        message = {"author": {"role": role}, "content": content, "create_time": 1700000000.5, "metadata": {}, **extra}
        return {"parent": parent, "children": [], "message": message if role else None}

    return {
        "title": "Tides",
        "create_time": 1700000000.25,
        "update_time": 1700000100,
        "current_node": "a2",
        "conversation_id": "conv-1",
        "mapping": {
            "root": node(None),
            "system": node("root", "system", "You are"),
            "q1": node("system", "user", "Why tides?"),
            "tool": node("q1", "tool", "searching"),
            "a1": node("tool", "assistant", "The moon.", metadata={"model_slug": "gpt-4o"}),
            "a2": node("q1", "assistant", "The moon, mostly."),
            "picture": node("a2", "user", "", content={"content_type": "multimodal_text", "parts": [{"asset": "x"}]}),
        },
    }


def open_webui() -> dict[str, Any]:
    messages = {
        "q": {
            "parentId": None,
            "childrenIds": ["a"],
            "role": "user",
            "content": "Hi",
            "timestamp": 1700000000,
        },
        "a": {"parentId": "q", "role": "assistant", "content": "Hello", "model": "llama3", "done": True},
    }
    chat = {"title": "Greeting", "models": ["llama3"], "history": {"messages": messages, "currentId": "a"}}
    times = {"updated_at": 1700000050, "created_at": 1700000000}
    return {"id": "w1", "title": "Greeting", "chat": chat, "pinned": True, **times}


async def test_chats_of_others_come_as_trees(database: Database, alice: OwnerId) -> None:
    imported = await import_file(database, alice, [chatgpt(), open_webui()])
    assert (imported.sessions, imported.messages, imported.skipped) == (2, 5, [])
    async with database.reading(alice) as db:
        greeting, tides = sorted((await list_sessions(db, alice, None, 9, None)).items, key=lambda one: one.title or "")
        assert (greeting.title, tides.title) == ("Greeting", "Tides")
        assert greeting.pinned_at == greeting.updated_at == datetime.fromtimestamp(1700000050, UTC)
        said = (await list_messages(db, alice, tides.id, 9, None)).items
        assert [(m.content, m.model) for m in said] == [
            ("Why tides?", None),
            ("The moon.", "gpt-4o"),
            ("The moon, mostly.", None),
        ]
        assert [m.parent_id for m in said] == [None, said[0].id, said[0].id]
        assert tides.leaf_id == said[2].id
        shown = await list_branch(db, alice, tides.id, tides.leaf_id, 9, None, newest_first=False)
        assert [m.content for m in shown.items] == ["Why tides?", "The moon, mostly."]
    assert b"The moon, mostly" in b"".join([p async for p in as_markdown(database, alice, tides, tides.leaf_id)])


async def test_the_same_file_again_changes_nothing(database: Database, alice: OwnerId, bob: OwnerId) -> None:
    await import_file(database, alice, [chatgpt()])
    before = await exported(database, alice)
    again = await import_file(database, alice, [chatgpt()])
    assert (again.sessions, [one.reason for one in again.skipped]) == (0, ["It is here already."])
    # Nor does one's own export, for chats that never left.
    assert (await import_file(database, alice, before)).sessions == 0
    assert await exported(database, alice) == before
    # Another's ids are nobody's: what is imported is a copy, and tells nothing of the original.
    assert (await import_file(database, bob, before)).sessions == 1
    assert await exported(database, alice) == before


def broken() -> Iterator[tuple[str, Any, str]]:
    circle = chatgpt()
    circle["mapping"]["q1"]["parent"] = "a1"
    yield "a circle", circle, "circle"
    own = chatgpt()
    own["mapping"]["q1"]["parent"] = "q1"
    yield "its own parent", own, "circle"
    yield "no messages", {"mapping": {"root": {"message": None}}}, "no message"
    yield "wrong types", {"mapping": [1]}, "cannot be read"
    yield "unknown", {"something": "else"}, "no known format"
    yield "no object", 7, "cannot be read"
    long = open_webui()
    long["chat"]["history"]["messages"]["q"]["content"] = "x" * 1_000_001
    yield "too long", long, "characters"
    many = {str(n): {"message": None, "parent": None} for n in range(20_001)}
    yield "too many", {"mapping": many}, "20000 messages"
    message = {"id": "m", "role": "user", "content": "x", "created_at": "2026-01-01T00:00:00Z"}
    head = {"format": FORMAT, "id": "c", "created_at": "2026-01-01T00:00:00Z", "updated_at": "2026-01-01T00:00:00Z"}
    yield "twice the same id", {**head, "messages": [message, message]}, "same id"
    yield "no time zone", {**head, "created_at": "2026-01-01T00:00:00"}, "cannot be read"
    yield "a role of its own", {**head, "messages": [{**message, "role": "system"}]}, "cannot be read"
    yield "nested citations", {**head, "messages": [{**message, "citations": [{"a": {"b": 1}}]}]}, "cannot be read"


BROKEN = tuple(broken())


async def test_a_broken_chat_is_named_and_the_others_are_taken(database: Database, alice: OwnerId) -> None:
    file = [*(entry for _, entry, _ in BROKEN), open_webui()]
    imported = await import_file(database, alice, file)
    assert imported.sessions == 1
    assert [one.index for one in imported.skipped] == list(range(len(BROKEN)))
    for one, (name, _, reason) in zip(imported.skipped, BROKEN, strict=True):
        assert reason in one.reason, name
    assert imported.skipped[0].title == "Tides"


@pytest.mark.parametrize(
    "body",
    [b"", b" ", b"7", b"null", b"[", b"{", b"[1,", b"\xff\xfe", b"[" * 100_000, b'{"a":' * 100_000, b"PK\x03\x04"],
)
def test_a_file_of_something_else_is_refused(body: bytes) -> None:
    with pytest.raises(FileRefused):
        entries_of(body)


@pytest.mark.parametrize(
    "entry", [b'{"mapping":' + b'{"a":' * 50_000, b'{"mapping": {"a": {"parent": "\\ud800"}}}', b'{"chat": "\xff"}']
)
def test_an_entry_that_nests_without_end_or_is_no_text_is_refused(entry: bytes) -> None:
    with pytest.raises(EntryRefused):
        draft_of(entry, "source")


@pytest.mark.parametrize("seconds", [-1e300, 1e300, -1, 0, 1e11, 4e9, 1700000000000])
def test_no_time_is_too_strange(seconds: float) -> None:
    entry = open_webui() | {"created_at": seconds, "updated_at": seconds}
    session, messages = build(ALICE, draft_of(json.dumps(entry).encode(), "x"), NOW)
    assert session.created_at <= NOW
    assert [message.id for message in messages] == sorted(message.id for message in messages)


def test_ids_are_the_owners_own_and_rise_with_the_tree() -> None:
    draft = draft_of(json.dumps(chatgpt()).encode(), "x")
    (hers, messages), (his, _) = build(ALICE, draft, NOW), build(BOB, draft, NOW)
    assert hers.id != his.id
    assert all(message.parent_id is None or message.parent_id < message.id for message in messages)
    later = draft_of(json.dumps(chatgpt() | {"update_time": 4e9}).encode(), "x")
    assert build(ALICE, later, NOW)[0].id == hers.id


async def test_nul_is_left_out(database: Database, alice: OwnerId) -> None:
    entry = open_webui() | {"title": "a\0b"}
    entry["chat"]["history"]["messages"]["q"]["content"] = "Hi\0 there"
    assert (await import_file(database, alice, entry)).sessions == 1
    assert b"Hi there" in await exported(database, alice)


async def test_temporary_chats_stay_behind(database: Database, alice: OwnerId) -> None:
    async with database.writing(alice) as db:
        await create_session(db, alice, "secret", None, NOW, temporary=True)
        kept = await create_session(db, alice, "kept", None, NOW)
        assert (await get_session(db, alice, kept.id)).title == "kept"
    assert [json.loads(line)["title"] for line in (await exported(database, alice)).splitlines()] == ["kept"]


def test_a_form_brings_its_file() -> None:
    body = (
        b'--x\r\nContent-Disposition: form-data; name="csrf"\r\n\r\ntoken\r\n'
        b'--x\r\nContent-Disposition: form-data; name="file"; filename="c.json"\r\n\r\n[{"a": "--x"}]\r\n--x--\r\n'
    )
    assert file_of_form("multipart/form-data; boundary=x", body) == b'[{"a": "--x"}]'
    assert file_of_form("application/json", body) == body
    for kind in ("multipart/form-data", "multipart/form-data; boundary=y", "multipart/form-data; boundary="):
        with pytest.raises(FileRefused):
            file_of_form(kind, body)


def test_a_file_may_be_a_list_an_object_or_lines(tmp_path: Path) -> None:
    assert len(list(entries_of(b'\xef\xbb\xbf [{"a": 1}, {"b": 2}] '))) == 2
    assert len(list(entries_of(b'{"a": 1}\n\n{"b": 2}\n'))) == 2
    assert len(list(entries_of(b'{\n"a": 1\n}'))) == 1


NESTED = "[" + ",".join(["[]"] * 100_000) + "]"


@pytest.mark.parametrize(
    "entry",
    [
        '{"mapping":{"a":{"message":{"author":{},"content":{"parts":[%s]}}}}}',
        '{"chat":{"history":{"messages":{"a":{"content":[%s]}}}}}',
        '{"format":%s}',
    ],
    ids=["chatgpt", "open-webui", "format"],
)
def test_what_is_nested_where_nothing_is_read_is_not_taken_apart(entry: str) -> None:
    with pytest.raises(EntryRefused):
        draft_of(entry.replace("%s", NESTED).encode(), "source")


@pytest.mark.parametrize("item", ["1", "{}"])
def test_millions_of_entries_are_refused_before_they_are_made(item: str) -> None:
    with pytest.raises(FileRefused):
        entries_of(f"[{','.join([item] * 1_100_000)}]".encode())


@pytest.mark.parametrize(
    "more",
    [{"reasoning": "x" * 1_000_001}, {"citations": [{"title": "x" * 1000}] * 1000}, {"usage": {"x" * 200_000: 1}}],
    ids=["reasoning", "citations", "usage"],
)
async def test_a_message_is_not_large_beside_its_text(database: Database, alice: OwnerId, more: dict[str, Any]) -> None:
    message = {"id": "m", "role": "assistant", "content": "hello", "created_at": NOW.isoformat(), **more}
    chat = {"format": FORMAT, "id": "c", "created_at": NOW.isoformat(), "updated_at": NOW.isoformat()}
    imported = await import_file(database, alice, {**chat, "messages": [message]})
    assert (imported.sessions, len(imported.skipped)) == (0, 1)


async def test_names_that_run_together_are_no_fault(database: Database, alice: OwnerId) -> None:
    at = NOW.isoformat()
    chats = [
        {
            "format": FORMAT,
            "id": source,
            "created_at": at,
            "updated_at": at,
            "messages": [{"id": key, "role": "user", "content": "hello", "created_at": at}],
        }
        for source, key in (("a", "b c"), ("a b", "c"))
    ]
    assert (await import_file(database, alice, chats)).sessions == 2

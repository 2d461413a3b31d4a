"""Which messages of a chat are loaded, and how the branch on show changes."""

from collections.abc import Iterator
from uuid import uuid4

import pytest

from chatkeep_ui.api_client import ApiClient
from chatkeep_ui.api_connection import ApiConnection
from chatkeep_ui.branch_on_show import load_branch
from chatkeep_ui.page_state import MESSAGES_AT_FIRST, PageState
from chatkeep_ui.problem import ApiRefused
from chatkeep_ui.vault import SignIn
from ui.tests.site import Site


@pytest.fixture
def client(site: Site) -> Iterator[ApiClient]:
    site.api.answer, site.api.pace = "Yes.", 0.0
    site.signed_in()
    with ApiConnection(site.url, {}) as connection:
        yield ApiClient(connection, SignIn(next(iter(site.api.access)), 0.0, 0.0, ()))


def long_chat(client: ApiClient, site: Site, messages: int) -> tuple[str, list[str]]:
    """A chat of so many questions, and their ids."""
    chat = client.create_session(None).id
    ids = [f"01a204c9-5576-74dd-a0e5-{number:012}" for number in range(messages)]
    parents = [None, *ids]
    site.api.chats.messages[chat] = [
        {"id": each, "parent_id": parents[n], "role": "user", "content": str(n), "status": "completed"}
        for n, each in enumerate(ids)
    ]
    site.api.chats.sessions[chat]["leaf_id"] = ids[-1]
    return chat, ids


def ask(client: ApiClient, chat: str, text: str, parent: str | None = None, *, root: bool = False) -> None:
    started = client.send(chat, text, None, parent, str(uuid4()), root=root)
    wait(client, chat, started.message_id)


def wait(client: ApiClient, chat: str, message_id: str) -> None:
    while any(
        message.id == message_id and message.status == "running" for message in client.messages(chat, 9).messages
    ):
        pass


def test_a_very_long_chat_opens_with_its_end(client: ApiClient, site: Site) -> None:
    chat, ids = long_chat(client, site, 1_000)
    before = len(site.api.seen)
    branch = load_branch(client, PageState(), chat)

    assert [message.id for message in branch.messages] == ids[-MESSAGES_AT_FIRST:]
    assert branch.earlier
    assert len(site.api.seen) == before + 1


def test_earlier_messages_are_shown_on_request(client: ApiClient, site: Site) -> None:
    chat, ids = long_chat(client, site, 300)
    state = PageState(messages_shown=250)

    assert [message.id for message in load_branch(client, state, chat).messages] == ids[-250:]
    state.messages_shown = 300
    assert not load_branch(client, state, chat).earlier


def test_another_chat_begins_at_its_end() -> None:
    state = PageState(messages_shown=500, chat_shown="a", editing="x", found="y")
    state.turn_to("a")
    assert state.messages_shown == 500
    state.turn_to("b")
    assert (state.messages_shown, state.editing, state.found) == (MESSAGES_AT_FIRST, None, None)


def test_a_message_found_far_back_is_loaded(client: ApiClient, site: Site) -> None:
    chat, ids = long_chat(client, site, 400)
    state = PageState(to_find=ids[100])

    assert ids[100] in [message.id for message in load_branch(client, state, chat).messages]
    assert ids[50] not in [message.id for message in load_branch(client, state, chat).messages]


def test_a_message_found_in_another_branch_is_shown(client: ApiClient) -> None:
    chat = client.create_session(None).id
    ask(client, chat, "Herons?")
    old = client.messages(chat, 9).messages
    ask(client, chat, "Otters?", root=True)
    assert [message.content for message in client.messages(chat, 9).messages] == ["Otters?", "Yes. "]

    state = PageState(to_find=old[0].id)
    branch = load_branch(client, state, chat)
    assert [message.id for message in branch.messages] == [message.id for message in old]
    assert (branch.messages[0].siblings.index, branch.messages[0].siblings.count) == (1, 2)

    ask(client, chat, "Pikes?", root=True)
    assert load_branch(client, state, chat).messages[0].content == "Pikes?"


def test_a_message_deleted_since_it_was_found_shows_the_chat_as_it_is(client: ApiClient) -> None:
    chat = client.create_session(None).id
    ask(client, chat, "Herons?")

    assert load_branch(client, PageState(to_find=str(uuid4())), chat).messages[0].content == "Herons?"


def test_regenerating_twice_with_one_key_answers_once(client: ApiClient) -> None:
    chat = client.create_session(None).id
    ask(client, chat, "Herons?")
    answer, key = client.messages(chat, 9).messages[-1], str(uuid4())
    started = client.regenerate(answer.id, None, key)
    wait(client, chat, started.message_id)

    assert client.regenerate(answer.id, None, key) == started
    assert client.messages(chat, 9).messages[-1].siblings.count == 2


def test_one_answer_at_a_time(client: ApiClient, site: Site) -> None:
    site.api.pace = 5.0
    chat = client.create_session(None).id
    started = client.send(chat, "Herons?", None, None, str(uuid4()))
    with pytest.raises(ApiRefused, match="Wait for it to end"):
        client.regenerate(started.message_id, None, str(uuid4()))

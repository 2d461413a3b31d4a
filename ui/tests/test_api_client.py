"""What goes into the API's paths, and how long connections to it are kept."""

from collections.abc import Iterator

import pytest
import uvicorn

from chatkeep_ui.api_client import ApiClient
from chatkeep_ui.api_connection import API_LIMITS, ApiConnection
from chatkeep_ui.chat_ids import find_chat_id
from chatkeep_ui.problem import NotThere
from chatkeep_ui.vault import SignIn
from ui.tests.site import Site


@pytest.fixture
def client(site: Site) -> Iterator[ApiClient]:
    site.signed_in()
    with ApiConnection(site.url, {}) as connection:
        yield ApiClient(connection, SignIn(next(iter(site.api.access)), 0.0, 0.0, ()))


@pytest.mark.parametrize("chat", ["../../auth/me", "%2e%2e/%2e%2e/auth/me", "\0", "x?limit=1", ".", "", "{}"])
def test_path_traversal_by_a_chats_id(client: ApiClient, site: Site, chat: str) -> None:
    before = len(site.api.seen)
    for ask in (client.get_session, client.delete_session, client.restore_session):
        with pytest.raises(NotThere):
            ask(chat)
    with pytest.raises(NotThere):
        client.messages(chat, 50)

    assert len(site.api.seen) == before


def test_titles_and_messages_are_found_apart(client: ApiClient, site: Site) -> None:
    birds, fish = client.create_session(None), client.create_session(None)
    client.rename_session(birds.id, "Herons at Dawn")
    for number, text in enumerate(["The heron nests", *["A heron, a pike"] * 120]):
        turn = {"id": str(number), "parent_id": None, "role": "user", "content": text, "status": "completed"}
        site.api.chats.messages[fish.id].append(turn)

    assert [session.title for session in client.find_titles("HERON")] == ["Herons at Dawn"]
    hits = client.search("heron", 110)
    assert (len(hits.items), hits.more) == (110, True)
    assert hits.items[0].snippet_html() == "The <mark>heron</mark> nests"


def test_an_address_that_cannot_be_asked_for_is_not_there(client: ApiClient) -> None:
    with pytest.raises(NotThere):
        client.stop("\0")


def test_a_chats_id_has_one_form() -> None:
    chat = "01a204c9-5576-74dd-a0e5-3ae86741e479"

    assert find_chat_id(chat.upper()) == find_chat_id(chat) == chat
    assert find_chat_id(None) is None


def test_a_connection_is_let_go_before_the_server_closes_it() -> None:
    """A request on a connection that the other side is just closing is lost."""
    kept = API_LIMITS.keepalive_expiry

    assert kept is not None
    assert kept < uvicorn.Config("app").timeout_keep_alive

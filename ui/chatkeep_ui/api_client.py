"""The API as the signed-in user: what Streamlit's script threads call. Made anew in each run of the script."""

from collections.abc import Mapping
from typing import Any

from chatkeep_ui.api_connection import AsUser
from chatkeep_ui.chat_ids import find_chat_id
from chatkeep_ui.chat_records import (
    NO_DOCUMENTS,
    Account,
    Branch,
    ChatMessage,
    ChatSession,
    DocumentUse,
    ModelOffer,
    SessionPage,
    Started,
)
from chatkeep_ui.problem import NotThere
from chatkeep_ui.search_hits import SearchHits
from chatkeep_ui.usage_limits import UsageLimit
from chatkeep_ui.wording import visible

# A conversation of 100,000 messages is possible; a page that shows them all is not.
MOST_MESSAGES = 2_000
MOST_PINNED = 200
MOST_COLLECTIONS = 100
_PAGE = 200
_SEARCH_PAGE = 50


class ApiClient(AsUser):
    """Every method raises what `problem.py` names, and Unreachable."""

    def account(self) -> Account:
        """Who is signed in."""
        return Account.read(self.ask("GET", "/auth/me"))

    def models(self) -> ModelOffer:
        """What can answer, and how far it is with loading."""
        return ModelOffer.read(self.ask("GET", "/chat/models"))

    def limits(self) -> list[UsageLimit]:
        """What is left of the quotas that are set."""
        return [UsageLimit.read(item) for item in self.ask("GET", "/usage")["limits"]]

    def list_sessions(self, wanted: int) -> SessionPage:
        """The pinned conversations, then the `wanted` others that were used last."""
        pinned, _ = self._pages("/chat/sessions", {"pinned": "true"}, MOST_PINNED)
        others, more = self._pages("/chat/sessions", {"pinned": "false"}, wanted)
        return SessionPage([ChatSession.read(item) for item in (*pinned, *others)], more)

    def find_titles(self, words: str) -> list[ChatSession]:
        """Conversations with all of the words in their titles, out of those that the API finds first."""
        items, _ = self._pages("/chat/sessions", {"q": words}, _PAGE)
        wanted = words.casefold().split()
        sessions = [ChatSession.read(item) for item in items]
        return [session for session in sessions if all(word in session.title.casefold() for word in wanted)]

    def search(self, words: str, wanted: int) -> SearchHits:
        """The newest `wanted` messages with these words."""
        found, more = self._pages("/chat/search", {"q": words}, wanted, page=_SEARCH_PAGE)
        return SearchHits.read(found, more=more)

    def get_session(self, session_id: str) -> ChatSession:
        """One conversation."""
        return ChatSession.read(self.ask("GET", _path_of(session_id)))

    def create_session(
        self, model: str | None, documents: DocumentUse = NO_DOCUMENTS, *, temporary: bool = False
    ) -> ChatSession:
        """Begin a conversation; it is named after its first message."""
        wanted: dict[str, Any] = ({"model": model} if model else {}) | ({"temporary": True} if temporary else {})
        wanted |= documents.body if documents.on else {}
        return ChatSession.read(self.ask("POST", "/chat/sessions", json=wanted))

    def rename_session(self, session_id: str, title: str) -> None:
        """Give it another title."""
        self.ask("PATCH", _path_of(session_id), json={"title": title})

    def choose_documents(self, session_id: str, documents: DocumentUse) -> None:
        """What its answers draw on from now on."""
        self.ask("PATCH", _path_of(session_id), json=documents.body)

    def collections(self) -> dict[str, str]:
        """The names of those that are open to the user, by id, the newest first.

        Raises:
            NotThere: this server holds no documents.
        """
        items = self.ask("GET", "/collections", params={"limit": str(MOST_COLLECTIONS)})["items"]
        return {item["id"]: visible(item["name"]) for item in items}

    def pin_session(self, session_id: str, *, pinned: bool) -> None:
        """Keep it at the top of the list, or no longer."""
        self.ask("PATCH", _path_of(session_id), json={"pinned": pinned})

    def archive_session(self, session_id: str, *, archived: bool) -> None:
        """Take it out of the list, or put it back."""
        self.ask("PATCH", _path_of(session_id), json={"archived": archived})

    def delete_session(self, session_id: str) -> None:
        """Into the bin, with all its messages; a temporary one is gone."""
        self.send_request("DELETE", _path_of(session_id))

    def restore_session(self, session_id: str) -> None:
        """Out of the bin again."""
        self.send_request("POST", f"{_path_of(session_id)}/restore")

    def messages(self, session_id: str, wanted: int) -> Branch:
        """The newest `wanted` messages of the branch on show, oldest first."""
        query = {"branch": "current", "order": "desc"}
        found, more = self._pages(f"{_path_of(session_id)}/messages", query, min(wanted, MOST_MESSAGES))
        return Branch([ChatMessage.read(item) for item in reversed(found)], earlier=more)

    def show_branch(self, session_id: str, message_id: str) -> None:
        """Show the branch through that message from now on."""
        self.send_request("PUT", f"{_path_of(session_id)}/leaf", json={"message_id": message_id})

    def send(
        self,
        session_id: str,
        text: str,
        model: str | None,
        parent_id: str | None,
        key: str,
        *,
        root: bool = False,
    ) -> Started:
        """Say something: at the end of the branch on show, after `parent_id`, or as the `root` of another branch.

        `key` makes a retry of the same words harmless (Idempotency-Key).
        """
        body = {"session_id": session_id, "message": text, "model": model, "parent_id": parent_id}
        wanted: dict[str, Any] = {name: value for name, value in body.items() if value is not None}
        if root:
            wanted["root"] = True
        return self._start("/chat/send", wanted, key)

    def regenerate(self, message_id: str, model: str | None, key: str) -> Started:
        """Have the question of this answer answered once more, beside it."""
        return self._start(f"/chat/messages/{message_id}/regenerate", {"model": model} if model else {}, key)

    def stop(self, generation_id: str) -> None:
        """End an answer; what was written so far is kept."""
        self.send_request("POST", f"/chat/generations/{generation_id}/stop")

    def _start(self, path: str, body: Mapping[str, Any], key: str) -> Started:
        headers = {"Idempotency-Key": key, "Prefer": "respond-async"}
        return Started.read(self.ask("POST", path, json=body, headers=headers))

    def _pages(self, path: str, query: Mapping[str, str], wanted: int, page: int = _PAGE) -> tuple[list[Any], bool]:
        """The first `wanted` items of a list, and whether there are more."""
        found: list[Any] = []
        asked = dict(query)
        while True:
            asked["limit"] = str(min(page, wanted - len(found)))
            answer = self.ask("GET", path, params=asked)
            found += answer["items"]
            cursor = answer.get("next_cursor")
            if cursor is None or len(found) >= wanted:
                return found, cursor is not None
            asked["cursor"] = cursor


def _path_of(session_id: str) -> str:
    """Where a conversation lies. Its id may come from the address bar: as anything but a UUID it could lead elsewhere.

    Raises:
        NotThere: no conversation has such an id.
    """
    chat = find_chat_id(session_id)
    if chat is None:
        raise NotThere(404, "not_found", "There is no such chat.")
    return f"/chat/sessions/{chat}"

"""The API as the signed-in user: what Streamlit's script threads call.

`ApiConnection` is shared by all threads; `ApiClient` is one user's, made anew in each run of the script.
"""

import ssl
from collections.abc import Iterator, Mapping
from typing import Any, Self

import httpx

from chatkeep_ui.chat_ids import find_chat_id
from chatkeep_ui.chat_records import Account, ChatMessage, ChatSession, ModelOffer, SessionPage, Started
from chatkeep_ui.problem import NotThere, Unreachable, raise_for_problem
from chatkeep_ui.vault import SignIn

API_TIMEOUT = httpx.Timeout(30.0, connect=5.0)
# Shorter than the five seconds after which our server closes an idle connection: a request sent while it does is lost.
API_LIMITS = httpx.Limits(max_connections=100, max_keepalive_connections=20, keepalive_expiry=2.0)
# A conversation of 100,000 messages is possible; a page that shows them all is not.
MOST_MESSAGES = 1_000
_PAGE = 200


class ApiConnection:
    """The connection pool towards the API, and what each call carries."""

    def __init__(self, api_url: str, headers: Mapping[str, str]) -> None:
        self.url = api_url
        self.headers = dict(headers)
        # Made once: reading the system's certificates takes longer than most calls.
        self.tls = ssl.create_default_context()
        self.http = httpx.Client(
            base_url=api_url,
            headers=self.headers,
            timeout=API_TIMEOUT,
            limits=API_LIMITS,
            trust_env=False,
            verify=self.tls,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.http.close()


class ApiClient:
    """Every method raises what `problem.py` names, and Unreachable."""

    def __init__(self, connection: ApiConnection, sign_in: SignIn) -> None:
        self.connection = connection
        self.access_token = sign_in.access_token
        self.user_id = sign_in.user_id
        self.headers = {"Authorization": f"Bearer {sign_in.access_token}"}
        if sign_in.forwarded_for:
            self.headers["X-Forwarded-For"] = sign_in.forwarded_for

    def account(self) -> Account:
        """Who is signed in."""
        return Account.read(self._json("GET", "/auth/me"))

    def models(self) -> ModelOffer:
        """What can answer, and how far it is with loading."""
        return ModelOffer.read(self._json("GET", "/chat/models"))

    def list_sessions(self, search: str, wanted: int) -> SessionPage:
        """The `wanted` most recently used conversations; with `search`, of those that contain it."""
        found: list[ChatSession] = []
        query = {"q": search} if search else {}
        while True:
            query["limit"] = str(min(_PAGE, wanted - len(found)))
            body = self._json("GET", "/chat/sessions", params=query)
            found += [ChatSession.read(item) for item in body["items"]]
            cursor = body.get("next_cursor")
            if cursor is None or len(found) >= wanted:
                return SessionPage(found, more=cursor is not None)
            query["cursor"] = cursor

    def get_session(self, session_id: str) -> ChatSession:
        """One conversation."""
        return ChatSession.read(self._json("GET", _path_of(session_id)))

    def create_session(self, model: str | None) -> ChatSession:
        """Begin a conversation; it is named after its first message."""
        return ChatSession.read(self._json("POST", "/chat/sessions", json={"model": model} if model else {}))

    def rename_session(self, session_id: str, title: str) -> None:
        """Give it another title."""
        self._json("PATCH", _path_of(session_id), json={"title": title})

    def delete_session(self, session_id: str) -> None:
        """Delete it with all its messages."""
        self._send("DELETE", _path_of(session_id))

    def messages(self, session_id: str) -> list[ChatMessage]:
        """The newest messages of a conversation, oldest first."""
        found = list(self._all_messages(session_id))
        return found[-MOST_MESSAGES:]

    def send(self, session_id: str, text: str, model: str | None, parent_id: str | None, key: str) -> Started:
        """Say something. `key` makes a retry of the same words harmless (Idempotency-Key)."""
        body = {"session_id": session_id, "message": text, "model": model, "parent_id": parent_id}
        headers = {"Idempotency-Key": key, "Prefer": "respond-async"}
        wanted = {name: value for name, value in body.items() if value is not None}
        return Started.read(self._json("POST", "/chat/send", json=wanted, headers=headers))

    def stop(self, generation_id: str) -> None:
        """End an answer; what was written so far is kept."""
        self._send("POST", f"/chat/generations/{generation_id}/stop")

    def _all_messages(self, session_id: str) -> Iterator[ChatMessage]:
        cursor: str | None = None
        while True:
            query = {"limit": str(_PAGE)} | ({"cursor": cursor} if cursor else {})
            page = self._json("GET", f"{_path_of(session_id)}/messages", params=query)
            yield from (ChatMessage.read(item) for item in page["items"])
            cursor = page.get("next_cursor")
            if cursor is None:
                return

    def _json(self, method: str, path: str, **request: Any) -> Any:
        return self._send(method, path, **request).json()

    def _send(self, method: str, path: str, headers: Mapping[str, str] | None = None, **request: Any) -> httpx.Response:
        try:
            response = self.connection.http.request(method, path, headers=self.headers | dict(headers or {}), **request)
        except httpx.HTTPError as error:
            raise Unreachable from error
        except httpx.InvalidURL:
            raise NotThere(404, "not_found", "There is nothing here that you can see.") from None
        raise_for_problem(response)
        return response


def _path_of(session_id: str) -> str:
    """Where a conversation lies. Its id may come from the address bar: as anything but a UUID it could lead elsewhere.

    Raises:
        NotThere: no conversation has such an id.
    """
    chat = find_chat_id(session_id)
    if chat is None:
        raise NotThere(404, "not_found", "There is no such chat.")
    return f"/chat/sessions/{chat}"

"""Somebody who uses the server over HTTP: registers, signs in, sends messages, reads events."""

import json
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx
from httpx_sse import ServerSentEvent, connect_sse

PASSWORD = "turnips sleep under violet lamps"


class Person:
    """A signed-in user with a client of their own."""

    def __init__(self, url: str, name: str) -> None:
        self.email = f"{name}-{secrets.token_hex(4)}@example.org"
        # No connection outlives its request, so there is nothing to close when a test is done with somebody.
        limits = httpx.Limits(max_keepalive_connections=0)
        self.http = httpx.Client(base_url=url, timeout=30, trust_env=False, limits=limits)
        self.user: dict[str, Any] = {}
        self.refresh_token = ""

    def register(self, **extra: Any) -> "Person":
        """Make an account and sign in."""
        body = {"email": self.email, "password": PASSWORD, "name": self.email.split("-")[0].title(), **extra}
        response = self.http.post("/auth/register", json=body)
        assert response.status_code == 201, response.text
        self.user = response.json()
        return self.sign_in()

    def sign_in(self) -> "Person":
        """Sign in anew; requests carry the access token from here on."""
        response = self.http.post("/auth/login", json={"email": self.email, "password": PASSWORD})
        assert response.status_code == 200, response.text
        self.refresh_token = response.json()["refresh_token"]
        self.http.headers["Authorization"] = f"Bearer {response.json()['access_token']}"
        return self

    def new_chat(self, **fields: Any) -> str:
        """Begin a session; returns its id."""
        response = self.http.post("/chat/sessions", json=fields)
        assert response.status_code == 201, response.text
        return str(response.json()["id"])

    @contextmanager
    def sending(self, session_id: str, message: str, **headers: str) -> Iterator[Iterator[ServerSentEvent]]:
        """Send, and read the answer's events while the block lasts."""
        body = {"session_id": session_id, "message": message}
        with connect_sse(self.http, "POST", "/chat/send", json=body, headers=headers) as source:
            assert source.response.status_code == 200, source.response.read()
            yield source.iter_sse()

    def send(self, session_id: str, message: str, **headers: str) -> list[dict[str, Any]]:
        """Send, and read to the end."""
        with self.sending(session_id, message, **headers) as events:
            return [json.loads(event.data) for event in events]

    def start(self, session_id: str, message: str) -> dict[str, Any]:
        """Send without following; returns the ids."""
        body = {"session_id": session_id, "message": message}
        response = self.http.post("/chat/send", json=body, headers={"Prefer": "respond-async"})
        assert response.status_code == 202, response.text
        accepted: dict[str, Any] = response.json()
        return accepted

    def follow(self, generation_id: str, after: int) -> list[dict[str, Any]]:
        """Resume behind event `after`, and read to the end."""
        headers = {"Last-Event-ID": str(after)}
        with connect_sse(self.http, "GET", f"/chat/generations/{generation_id}/events", headers=headers) as source:
            if source.response.status_code == 204:
                return []
            assert source.response.status_code == 200, source.response.read()
            return [json.loads(event.data) for event in source.iter_sse()]

    def messages(self, session_id: str) -> list[dict[str, Any]]:
        """The first page of a session's messages."""
        response = self.http.get(f"/chat/sessions/{session_id}/messages")
        assert response.status_code == 200, response.text
        items: list[dict[str, Any]] = response.json()["items"]
        return items

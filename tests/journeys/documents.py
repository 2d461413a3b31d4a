"""Documents by HTTP, as a program uploads and follows them."""

import json
from typing import Any

from httpx_sse import connect_sse

from testbed.people import Person


def upload(person: Person, name: str, content: bytes, **data: str) -> dict[str, Any]:
    """One file; it is queued then."""
    answer = person.http.post("/documents", files={"file": (name, content)}, data=data)
    assert answer.status_code == 202, answer.text
    document: dict[str, Any] = answer.json()["items"][0]
    return document


def follow(person: Person, document_id: str) -> list[dict[str, Any]]:
    """Its events up to the end."""
    with connect_sse(person.http, "GET", f"/documents/{document_id}/events") as source:
        assert source.response.status_code == 200, document_id
        return [json.loads(event.data) for event in source.iter_sse()]

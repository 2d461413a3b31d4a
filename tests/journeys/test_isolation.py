"""Isolation: every operation of the API, walked with another user's ids. Not yours and not there are one answer."""

import re
import time
from collections.abc import Callable
from typing import Any

import pytest

from authkeep.testing import SoftwareAuthenticator
from testbed.people import Person

UNKNOWN = "0198c0de-0000-7000-8000-000000000000"
# What a request needs besides its ids, so that nothing but ownership can refuse it.
BODIES: dict[tuple[str, str], dict[str, Any]] = {
    ("POST", "/chat/messages/{message_id}/regenerate"): {},
    ("PATCH", "/chat/sessions/{session_id}"): {"title": "mine now"},
    ("PATCH", "/auth/passkeys/{passkey_id}"): {"name": "mine now"},
    ("PATCH", "/admin/users/{user_id}"): {"role": "admin"},
    ("PATCH", "/collections/{collection_id}"): {"name": "mine now"},
    ("POST", "/collections/{collection_id}/members"): {"email": "mallory@example.org", "role": "editor"},
    ("PUT", "/collections/{collection_id}/members/{user_id}"): {"role": "editor"},
}
# Operations that take an id in the body.
SEND = ("POST", "/chat/send")
NAMING: dict[tuple[str, str], Callable[[dict[str, str]], Any]] = {
    SEND: lambda ids: {"session_id": ids["session_id"], "message": "x"},
    ("PUT", "/chat/sessions/{session_id}/leaf"): lambda ids: {"message_id": ids["message_id"]},
}


def operations(spec: dict[str, Any]) -> list[tuple[str, str]]:
    return [(method.upper(), path) for path, item in spec["paths"].items() for method in item]


def ids_of(victim: Person) -> dict[str, str]:
    """One object of each kind, all of them the victim's."""
    chat = victim.new_chat(title="private")
    accepted = victim.start(chat, "count to 100000 [[delay 20ms]]")
    sid = victim.http.get("/auth/logins").json()["items"][0]["sid"]
    key = victim.http.post("/auth/api-keys", json={"name": "backup", "scopes": ["chat"]}).json()["id"]
    collection = victim.http.post("/collections", json={"name": "private"}).json()["id"]
    files = {"file": ("plan.txt", b"private")}
    document = victim.http.post("/documents", data={"collection_id": collection}, files=files).json()["items"][0]["id"]
    # Followed to its end: from then on there is a passage to be denied.
    victim.http.get(f"/documents/{document}/events")
    return {
        "session_id": chat,
        "collection_id": collection,
        "document_id": document,
        "n": "1",
        "generation_id": accepted["generation_id"],
        "message_id": accepted["message_id"],
        "sid": sid,
        "key_id": key,
        "passkey_id": new_passkey(victim),
        "user_id": victim.user["id"],
        # No provider is set up here, so there is none to name and no identity to make: authkeep's own tests have them.
        "provider": "nobody",
        "identity_id": UNKNOWN,
        # Models are nobody's.
        "model": UNKNOWN,
    }


def new_passkey(owner: Person) -> str:
    asked = owner.http.post("/auth/passkeys/options").json()
    credential = SoftwareAuthenticator("http://localhost:8000").create(asked["options"])
    made = owner.http.post("/auth/passkeys", json={"ticket": asked["ticket"], "credential": credential}).json()
    return str(made["id"])


def ask(person: Person, method: str, path: str, ids: dict[str, str]) -> tuple[int, Any, dict[str, str]]:
    url = re.sub(r"{(\w+)}", lambda match: ids[match[1]], path)
    naming = NAMING.get((method, path))
    body = naming(ids) if naming else BODIES.get((method, path))
    response = person.http.request(method, url, json=body)
    headers = {name: value for name, value in response.headers.items() if name not in ("x-request-id", "date")}
    headers = {name: value for name, value in headers.items() if not name.startswith("ratelimit")}
    answer = response.json() if response.content else None
    if isinstance(answer, dict):
        answer.pop("request_id", None)
    return response.status_code, answer, headers


def test_no_operation_opens_another_users_object(alice: Person, bob: Person) -> None:
    spec = alice.http.get("/openapi.json").json()
    with_ids = [operation for operation in operations(spec) if "{" in operation[1] or operation == SEND]
    ids = ids_of(alice)
    nothing = dict.fromkeys(ids, UNKNOWN) | {"n": "1"}
    for method, path in with_ids:
        stranger = ask(bob, method, path, ids)
        assert stranger[0] == (403 if path.startswith("/admin/") else 404), (method, path, stranger)
        assert stranger == ask(bob, method, path, nothing), (method, path)
    # The walk is worth what it walked: a route that hides from the list would pass unseen.
    assert len(with_ids) == 40
    assert alice.http.get(f"/chat/sessions/{ids['session_id']}").json()["title"] == "private"
    assert alice.messages(ids["session_id"])[1]["status"] == "running"
    alice.http.post(f"/chat/generations/{ids['generation_id']}/stop")


def test_every_operation_needs_a_sign_in_or_says_it_is_public(alice: Person) -> None:
    spec = alice.http.get("/openapi.json").json()
    stranger = Person(str(alice.http.base_url), "nobody")
    ids = (
        "session_id",
        "collection_id",
        "document_id",
        "n",
        "generation_id",
        "message_id",
        "sid",
        "key_id",
        "passkey_id",
        "user_id",
        "provider",
        "identity_id",
        "model",
    )
    nothing = dict.fromkeys(ids, UNKNOWN)
    public = set()
    for method, path in operations(spec):
        status, _, headers = ask(stranger, method, path, nothing)
        if status == 401 and headers.get("www-authenticate", "").startswith("Bearer"):
            continue
        public.add((method, path))
    assert public == {
        ("POST", "/auth/register"),
        ("POST", "/auth/login"),
        ("POST", "/auth/login/mfa"),
        ("POST", "/auth/login/mfa/passkey-options"),
        ("POST", "/auth/login/passkey"),
        ("POST", "/auth/login/passkey/options"),
        ("POST", "/auth/refresh"),
        ("GET", "/auth/registration"),
        ("POST", "/auth/verify-email"),
        ("POST", "/auth/verify-email/resend"),
        ("POST", "/auth/forgot-password"),
        ("POST", "/auth/reset-password"),
        ("GET", "/auth/oidc"),
        ("GET", "/auth/oidc/{provider}/login"),
        ("GET", "/auth/oidc/{provider}/callback"),
        ("GET", "/.well-known/jwks.json"),
        ("GET", "/livez"),
        ("GET", "/readyz"),
        ("GET", "/version"),
    }


def test_lists_and_search_never_include_others(alice: Person, bob: Person) -> None:
    marker = f"marker-{time.time_ns()}"
    alice.send(alice.new_chat(title=marker), marker)
    for params in ({}, {"q": marker}, {"limit": "200"}):
        items = bob.http.get("/chat/sessions", params=params).json()["items"]
        assert items == []
    for query in (marker, f"owner:{alice.user['id']}", f"owner {alice.user['id']}"):
        assert bob.http.get("/chat/search", params={"q": query}).json()["items"] == []
    assert alice.http.get("/chat/search", params={"q": marker}).json()["items"] != []


@pytest.mark.parametrize("given", ["of another user", "of another chat"])
def test_a_parent_from_elsewhere_is_refused(alice: Person, bob: Person, given: str) -> None:
    owner = alice if given == "of another user" else bob
    foreign = owner.send(owner.new_chat(), "hello")[0]["message_id"]
    chat = bob.new_chat()
    body = {"session_id": chat, "message": "x", "parent_id": foreign}
    refused = bob.http.post("/chat/send", json=body)
    unknown = bob.http.post("/chat/send", json={**body, "parent_id": UNKNOWN})
    assert refused.status_code == unknown.status_code == 422
    assert refused.json()["code"] == unknown.json()["code"] == "parent_invalid"
    assert bob.messages(chat) == []


def test_an_idempotency_key_of_another_user_is_ones_own(alice: Person, bob: Person) -> None:
    key = {"Idempotency-Key": "the-same-for-both"}
    hers = alice.send(alice.new_chat(), "hello from alice", **key)
    his = bob.send(bob.new_chat(), "hello from bob", **key)
    assert hers[0]["generation_id"] != his[0]["generation_id"]
    assert "bob" not in str(hers)
    assert "alice" not in str(his)


def test_an_id_or_an_owner_of_ones_own_choosing_overwrites_nothing(alice: Person, bob: Person) -> None:
    hers = alice.new_chat(title="private")
    for chosen in ({"id": hers}, {"session_id": hers}, {"owner": alice.user["id"]}, {"user_id": alice.user["id"]}):
        assert bob.http.post("/chat/sessions", json={"title": "mine", **chosen}).status_code == 422
    assert bob.http.get("/chat/sessions").json()["items"] == []
    assert [chat["title"] for chat in alice.http.get("/chat/sessions").json()["items"]] == ["private"]


def test_a_cursor_of_another_user_pages_through_ones_own(alice: Person, bob: Person) -> None:
    for person in (bob, alice, bob, alice):
        person.new_chat(title=person.email)
    cursor = alice.http.get("/chat/sessions", params={"limit": "1"}).json()["next_cursor"]
    items = bob.http.get("/chat/sessions", params={"cursor": cursor}).json()["items"]
    assert {chat["title"] for chat in items} == {bob.email}


def test_another_users_chat_gets_no_title_from_what_is_sent_to_it(alice: Person, bob: Person) -> None:
    hers = alice.new_chat()
    untitled = alice.http.get(f"/chat/sessions/{hers}").json()["title"]
    refused = bob.http.post("/chat/send", json={"session_id": hers, "message": "a title of bob's"})
    assert refused.status_code == 404
    assert alice.http.get(f"/chat/sessions/{hers}").json()["title"] == untitled
    assert alice.messages(hers) == []

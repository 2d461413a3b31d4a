"""Programs with API keys: what they may do with chats, and how that ends."""

from collections.abc import Callable
from typing import Any

from httpx_sse import connect_sse

from testbed.people import Person

ENDLESS = "count to 100000 [[delay 5ms]]"


def program_of(person: Person) -> tuple[Person, str]:
    """Something that has a key of theirs for chats, and the key's id."""
    created = person.http.post("/auth/api-keys", json={"name": "program", "scopes": ["chat"]})
    assert created.status_code == 201, created.text
    program = Person(str(person.http.base_url), "program")
    program.http.headers["Authorization"] = f"Bearer {created.json()['key']}"
    return program, created.json()["id"]


def refusal(program: Person, path: str) -> tuple[int, Any]:
    response = program.http.get(path)
    return response.status_code, response.json()["code"]


def test_a_program_chats_as_its_user_and_does_nothing_else(alice: Person) -> None:
    program, _ = program_of(alice)
    chat = program.new_chat(title="by a program")
    assert program.send(chat, "count to 3")[-1]["type"] == "generation.completed"
    assert alice.http.get(f"/chat/sessions/{chat}").json()["title"] == "by a program"
    for path in ("/auth/me", "/auth/logins", "/auth/api-keys", "/admin/users", "/auth/mfa"):
        assert refusal(program, path) == (403, "insufficient_scope")


def test_an_admins_key_administers_nothing(admin: Person) -> None:
    program, _ = program_of(admin)
    assert admin.http.get("/admin/users").status_code == 200
    assert refusal(program, "/admin/users") == (403, "insufficient_scope")
    assert refusal(program, "/admin/audit") == (403, "insufficient_scope")


def test_a_key_opens_no_chat_of_another_user(alice: Person, bob: Person) -> None:
    program, _ = program_of(bob)
    chat = alice.new_chat()
    refused = program.http.get(f"/chat/sessions/{chat}")
    unknown = program.http.get("/chat/sessions/0198c0de-0000-7000-8000-000000000000")
    assert (refused.status_code, refused.json()["code"]) == (404, unknown.json()["code"])


def test_a_revoked_key_is_refused_and_its_stream_ends(alice: Person) -> None:
    program, key_id = program_of(alice)
    accepted = program.start(program.new_chat(), ENDLESS)
    path = f"/chat/generations/{accepted['generation_id']}/events"
    with connect_sse(program.http, "GET", path) as source:
        events = source.iter_sse()
        next(events)
        assert alice.http.delete(f"/auth/api-keys/{key_id}").status_code == 204
        last = list(events)[-1].json()
    assert last["type"] == "stream.ended"
    assert refusal(program, path) == (401, "invalid_token")


def test_a_key_of_a_disabled_user_is_refused(admin: Person, person: Callable[[str], Person]) -> None:
    carol = person("carol")
    program, _ = program_of(carol)
    chat = program.new_chat()
    assert admin.http.patch(f"/admin/users/{carol.user['id']}", json={"disabled": True}).status_code == 200
    assert refusal(program, f"/chat/sessions/{chat}") == (401, "invalid_token")

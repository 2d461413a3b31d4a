"""The tree of a chat over HTTP: edit, regenerate, switch between siblings, and go on from there."""

from typing import Any

import pytest

from testbed.people import Person


def branch(person: Person, chat: str, **params: Any) -> list[dict[str, Any]]:
    """What is on show, oldest first."""
    response = person.http.get(f"/chat/sessions/{chat}/messages", params={"branch": "current", **params})
    assert response.status_code == 200, response.text
    items: list[dict[str, Any]] = response.json()["items"]
    return items


def regenerate(person: Person, message_id: str, body: Any = None, **headers: str) -> Any:
    path = f"/chat/messages/{message_id}/regenerate"
    return person.http.post(path, json=body or {}, headers={"Prefer": "respond-async", **headers})


def finished(person: Person, accepted: Any) -> dict[str, Any]:
    assert accepted.status_code == 202, accepted.text
    ids: dict[str, Any] = accepted.json()
    assert person.follow(ids["generation_id"], 0)[-1]["type"] == "generation.completed"
    return ids


def edit(person: Person, chat: str, text: str, **place: Any) -> dict[str, Any]:
    body = {"session_id": chat, "message": text, **place}
    return finished(person, person.http.post("/chat/send", json=body, headers={"Prefer": "respond-async"}))


def test_an_edited_question_is_a_branch_and_the_other_stays(alice: Person) -> None:
    chat = alice.new_chat()
    alice.send(chat, "first")
    alice.send(chat, "second")
    first, answer, second, _ = branch(alice, chat)
    edit(alice, chat, "second, edited", parent_id=answer["id"])
    assert [m["content"] for m in branch(alice, chat) if m["role"] == "user"] == ["first", "second, edited"]
    edited = branch(alice, chat)[2]
    assert (edited["siblings"]["index"], edited["siblings"]["count"]) == (2, 2)
    assert edited["siblings"]["previous_id"] == second["id"]
    edit(alice, chat, "first, edited", root=True)
    assert [m["content"] for m in branch(alice, chat) if m["role"] == "user"] == ["first, edited"]
    assert branch(alice, chat)[0]["siblings"]["previous_id"] == first["id"]


def test_another_answer_is_a_sibling_and_is_on_show(alice: Person) -> None:
    chat = alice.new_chat()
    alice.send(chat, "count to 3")
    question, answer = branch(alice, chat)
    again = finished(alice, regenerate(alice, answer["id"], {"model": "scripted"}))
    assert again["user_message_id"] == question["id"]
    shown = branch(alice, chat)
    assert [m["id"] for m in shown] == [question["id"], again["message_id"]]
    assert shown[1]["siblings"] == {"index": 2, "count": 2, "previous_id": answer["id"], "next_id": None}
    # The question itself can be answered once more, too.
    third = finished(alice, regenerate(alice, question["id"]))
    assert branch(alice, chat)[1]["id"] == third["message_id"]
    assert branch(alice, chat)[1]["siblings"]["count"] == 3


def test_what_is_sent_follows_the_branch_on_show(alice: Person) -> None:
    chat = alice.new_chat()
    alice.send(chat, "first")
    _, old = branch(alice, chat)
    finished(alice, regenerate(alice, old["id"]))
    shown = alice.http.put(f"/chat/sessions/{chat}/leaf", json={"message_id": old["id"]})
    assert shown.json()["leaf_id"] == old["id"]
    alice.send(chat, "second")
    assert [m["id"] for m in branch(alice, chat)][1] == old["id"]
    assert len(branch(alice, chat)) == 4
    assert [m["id"] for m in branch(alice, chat, order="desc")] == [m["id"] for m in branch(alice, chat)][::-1]


def test_a_retry_of_regenerate_is_the_same_answer(alice: Person) -> None:
    chat = alice.new_chat()
    alice.send(chat, "first")
    answer = branch(alice, chat)[1]["id"]
    first = regenerate(alice, answer, **{"Idempotency-Key": "once"}).json()
    assert regenerate(alice, answer, **{"Idempotency-Key": "once"}).json() == first
    reused = regenerate(alice, first["message_id"], **{"Idempotency-Key": "once"})
    assert (reused.status_code, reused.json()["code"]) == (409, "idempotency_key_reused")


def test_nothing_is_regenerated_while_an_answer_is_being_written(alice: Person) -> None:
    chat = alice.new_chat()
    alice.send(chat, "first")
    running = alice.start(chat, "count to 100000 [[delay 20ms]]")
    refused = regenerate(alice, branch(alice, chat)[1]["id"])
    assert (refused.status_code, refused.json()["code"]) == (409, "generation_running")
    alice.http.post(f"/chat/generations/{running['generation_id']}/stop")


@pytest.mark.parametrize("params", [{"order": "up"}, {"branch": "x"}, {"branch": ""}, {"order": ""}])
def test_a_strange_branch_or_order_is_refused(alice: Person, params: dict[str, str]) -> None:
    response = alice.http.get(f"/chat/sessions/{alice.new_chat()}/messages", params=params)
    assert (response.status_code, response.json()["code"]) == (422, "validation_failed")


def test_root_and_parent_exclude_each_other(alice: Person) -> None:
    chat = alice.new_chat()
    answer = alice.send(chat, "hello")[0]["message_id"]
    body = {"session_id": chat, "message": "x", "parent_id": answer, "root": True}
    assert alice.http.post("/chat/send", json=body).status_code == 422


def test_another_users_message_is_neither_regenerated_nor_shown(alice: Person, bob: Person) -> None:
    hers, his = alice.new_chat(), bob.new_chat()
    ids = alice.send(hers, "hello")[0]
    bob.send(his, "hello")
    assert regenerate(bob, ids["message_id"]).status_code == 404
    shown = bob.http.put(f"/chat/sessions/{his}/leaf", json={"message_id": ids["message_id"]})
    assert shown.status_code == 404
    params = {"branch": ids["message_id"]}
    assert bob.http.get(f"/chat/sessions/{his}/messages", params=params).json()["items"] == []
    assert len(alice.messages(hers)) == 2


def test_a_deleted_chat_stops_and_can_be_taken_back(alice: Person) -> None:
    chat = alice.new_chat(title="Plans")
    running = alice.start(chat, "count to 100000 [[delay 20ms]]")
    assert alice.http.delete(f"/chat/sessions/{chat}").status_code == 204
    assert alice.follow(running["generation_id"], 0)[-1]["type"] == "generation.stopped"
    for path in (f"/chat/sessions/{chat}", f"/chat/sessions/{chat}/messages"):
        assert alice.http.get(path).status_code == 404
    assert alice.http.post("/chat/send", json={"session_id": chat, "message": "x"}).status_code == 404
    assert regenerate(alice, running["message_id"]).status_code == 404
    (binned,) = alice.http.get("/chat/sessions", params={"deleted": True}).json()["items"]
    assert binned["deleted_at"]
    assert alice.http.post(f"/chat/sessions/{chat}/restore").json()["title"] == "Plans"
    assert [message["status"] for message in alice.messages(chat)] == ["completed", "stopped"]
    assert alice.http.post("/chat/bin/empty").json() == {"deleted": 0, "more": False}
    alice.http.delete(f"/chat/sessions/{chat}")
    assert alice.http.post("/chat/bin/empty").json() == {"deleted": 1, "more": False}
    assert alice.http.post(f"/chat/sessions/{chat}/restore").status_code == 404
    chat = alice.new_chat(title="Plans")
    assert alice.http.delete(f"/chat/sessions/{chat}", params={"forever": True}).status_code == 204
    assert alice.http.get("/chat/sessions", params={"deleted": True}).json()["items"] == []
    assert alice.http.post(f"/chat/sessions/{chat}/restore").status_code == 404


def test_pin_archive_and_a_temporary_chat(alice: Person) -> None:
    chat = alice.new_chat(title="Plans")
    assert alice.http.patch(f"/chat/sessions/{chat}", json={"pinned": True, "archived": True}).json()["pinned_at"]
    temporary = alice.http.post("/chat/sessions", json={"temporary": True}).json()
    assert temporary["expires_at"] > temporary["created_at"]
    assert [c["id"] for c in alice.http.get("/chat/sessions").json()["items"]] == [temporary["id"]]
    for params in ({"archived": True}, {"q": "plans"}):
        assert [c["id"] for c in alice.http.get("/chat/sessions", params=params).json()["items"]] == [chat]
    assert alice.http.patch(f"/chat/sessions/{chat}", json={"archived": False}).json()["archived_at"] is None
    assert alice.http.patch(f"/chat/sessions/{chat}", json={"pinned": None}).status_code == 422


def test_a_chat_leaves_and_comes_to_somebody_else(alice: Person, bob: Person) -> None:
    chat = alice.new_chat(title="Plans")
    alice.send(chat, "first")
    edit(alice, chat, "first, edited", root=True)
    answer = alice.http.get(f"/chat/sessions/{chat}/export")
    assert answer.headers["content-disposition"] == 'attachment; filename="chat.json"'
    assert [m["role"] for m in answer.json()["messages"]] == ["user", "assistant"] * 2
    markdown = alice.http.get(f"/chat/sessions/{chat}/export", params={"format": "markdown"}).text
    assert markdown.startswith("# Plans\n\n## You\n\nfirst, edited\n\n## Assistant (scripted)")
    everything = alice.http.get("/chat/export")
    assert everything.content == answer.content
    form = {"file": ("chats.jsonl", everything.content)}
    assert bob.http.post("/chat/import", files=form).json() == {"sessions": 1, "messages": 4, "skipped": []}
    (copy,) = bob.http.get("/chat/sessions").json()["items"]
    assert (copy["title"], copy["id"] != chat) == ("Plans", True)
    assert branch(bob, copy["id"])[0]["content"] == "first, edited"
    (skipped,) = bob.http.post("/chat/import", content=everything.content).json()["skipped"]
    assert skipped == {"index": 0, "title": "Plans", "reason": "It is here already."}


@pytest.mark.parametrize("content", [b"", b"[", b"PK", b"[" * 100_000])
def test_a_file_of_something_else_is_refused_in_words(alice: Person, content: bytes) -> None:
    refused = alice.http.post("/chat/import", content=content)
    assert (refused.status_code, refused.json()["code"]) == (422, "import_invalid")


def test_a_file_beyond_all_bounds_is_refused_before_it_is_read(alice: Person) -> None:
    refused = alice.http.post("/chat/import", content=b" " * (33 * 1024 * 1024))
    assert (refused.status_code, refused.json()["code"]) == (413, "body_too_large")

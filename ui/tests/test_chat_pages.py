"""The pages of chats that are out of sight, of one's data and of usage, as a browser without JavaScript sees them."""

from datetime import UTC, datetime
from typing import Any

import pytest

from chatkeep_ui.account.notices import NOTICES
from ui.tests.api_stand_in import problem
from ui.tests.site import Browser, Site

NO_CHAT = "01a204c9-5576-74dd-a0e5-3ae86741e479"
TODAY = datetime.now(UTC).date().isoformat()


def add_chat(site: Site, title: str, **more: Any) -> str:
    """A chat of Ada's."""
    chat = NO_CHAT[:-4] + f"{len(site.api.chats.sessions):04}"
    session: dict[str, Any] = {"id": chat, "title": title, "model": None, "leaf_id": None}
    session |= {"owner": site.api.users["ada@example.org"]["id"], "updated_at": "2026-11-25T13:45:00Z"}
    session |= {"pinned_at": None, "archived_at": None, "deleted_at": None, "expires_at": None} | more
    site.api.chats.sessions[chat], site.api.chats.messages[chat] = session, []
    return chat


def used(**more: Any) -> dict[str, Any]:
    day = {"day": TODAY, "model": "qwen3", "requests": 3, "prompt_tokens": 1200, "completion_tokens": 300, "cost": 0.5}
    return day | more


def test_an_archived_chat_is_put_back(ada: Browser, site: Site) -> None:
    chat = add_chat(site, "Herons <b>", archived_at="2026-11-25T13:45:00Z")
    assert "Herons &lt;b&gt;" in ada.get("/account/archive").text

    answer = ada.submit("/account/archive", do="unarchive", chat=chat)
    assert answer.headers["location"] == "/account/archive?done=chat-back"
    page = ada.get("/account/archive?done=chat-back").text
    assert NOTICES["chat-back"] in page
    assert "The archive is empty" in page


def test_a_deleted_chat_is_restored(ada: Browser, site: Site) -> None:
    chat = add_chat(site, "Herons", archived_at="2026-11-25T13:45:00Z")
    assert ada.submit("/account/archive", do="delete", chat=chat).status_code == 303
    assert "Herons" in ada.get("/account/bin").text
    assert ada.submit("/account/bin", do="restore", chat=chat).status_code == 303
    assert "The bin is empty" in ada.get("/account/bin").text


def test_a_chat_is_deleted_for_good_out_of_the_bin_alone(ada: Browser, site: Site) -> None:
    chat = add_chat(site, "Herons", deleted_at="2026-11-25T13:45:00Z")
    answer = ada.submit("/account/bin", do="delete", chat=chat)
    assert answer.headers["location"] == "/account/bin?done=chat-gone"
    assert site.api.chats.sessions == {}


def test_the_bin_is_emptied_however_full_it_is(ada: Browser, site: Site) -> None:
    assert "Empty the bin" not in ada.get("/account/bin").text
    kept = add_chat(site, "Kept")
    for title in ("Herons", "Tides", "Rain"):
        add_chat(site, title, deleted_at="2026-11-25T13:45:00Z")
    assert "Empty the bin" in ada.get("/account/bin").text
    answer = ada.submit("/account/bin", do="empty")
    assert answer.headers["location"] == "/account/bin?done=bin-emptied"
    assert list(site.api.chats.sessions) == [kept]


@pytest.mark.parametrize("chat", ["../../auth/me", "", "%2e%2e", NO_CHAT, "x" * 500])
def test_a_chat_that_is_not_there_is_refused_alike(ada: Browser, site: Site, chat: str) -> None:
    answer = ada.submit("/account/bin", do="restore", chat=chat)
    assert answer.status_code == 404
    assert not any("auth/me/restore" in path for _, path, _ in site.api.seen)


@pytest.mark.parametrize(("asked", "ending"), [("markdown", "md"), ("json", "json"), ("pdf", "json")])
def test_a_chat_is_exported_as_a_file(ada: Browser, site: Site, asked: str, ending: str) -> None:
    answer = ada.get(f"/chats/{add_chat(site, 'Herons')}/export?format={asked}")
    assert answer.headers["content-disposition"] == f'attachment; filename="chat.{ending}"'
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert "Herons" in answer.text


def test_export_of_somebody_elses_chat(ada: Browser, site: Site) -> None:
    chat = add_chat(site, "Herons", owner="somebody else")
    for path in (f"/chats/{chat}/export", f"/chats/{NO_CHAT}/export", "/chats/../export", "/chats/%2e%2e/export"):
        answer = ada.get(path)
        assert answer.status_code == 404
        assert "Herons" not in answer.text


def test_export_needs_a_sign_in(ada: Browser, site: Site) -> None:
    assert site.browser().get(f"/chats/{NO_CHAT}/export").headers["location"].startswith("/sign-in?")


def test_everything_is_exported(ada: Browser) -> None:
    answer = ada.submit("/account/data", do="export")
    assert answer.headers["content-disposition"] == 'attachment; filename="chats.jsonl"'
    assert answer.text == '{"title":"Tides"}\n'


def test_a_file_is_handed_on_as_it_is_and_told_of(ada: Browser, site: Site) -> None:
    # Longer than any other form may be.
    content = b'[{"title": "Tides"}]' + b" " * 100_000
    answer = ada.http.post("/account/data", files={"file": ("conversations.json", content)})
    assert "2 chats with 7 messages came in." in " ".join(answer.text.split())
    assert "Number 2: has no messages" in answer.text
    assert content in site.api.chats.imported[0]


def test_an_import_from_another_site(ada: Browser, site: Site) -> None:
    files = {"file": ("conversations.json", b"[]")}
    answer = ada.http.post("/account/data", files=files, headers={"Sec-Fetch-Site": "cross-site"})
    assert answer.status_code == 403
    assert site.api.chats.imported == []


def test_an_import_without_a_file(ada: Browser, site: Site) -> None:
    answer = ada.submit("/account/data", do="import")
    assert answer.status_code == 422
    assert "Choose a file first." in answer.text
    assert site.api.chats.imported == []


def test_why_an_import_was_refused_is_said(ada: Browser, site: Site) -> None:
    site.api.refusals["POST /chat/import"] = problem(422, "import_unreadable", "This is not a file of chats.")
    answer = ada.http.post("/account/data", files={"file": ("x.json", b"hm")})
    assert answer.status_code == 422
    assert "This is not a file of chats." in answer.text


def test_a_file_that_was_too_large_to_be_let_through_is_spoken_of(ada: Browser) -> None:
    page = ada.get("/account/data?error=file_too_large").text
    assert "That file is too large" in page
    assert "<script>alert" not in ada.get("/account/data?error=<script>alert(1)</script>").text


def test_usage_is_drawn_and_told(ada: Browser, site: Site) -> None:
    site.api.days = [used(), used(model="llama <3", requests=1), used(day="2020-01-01", requests=99)]
    page = ada.get("/account/usage?days=7").text
    assert page.count("<g><title>") == 7
    assert f"{TODAY}: 3,000 tokens, 4 messages" in page
    assert "llama &lt;3" in page
    assert "99" not in page
    assert "style=" not in page


def test_nothing_used_is_said(ada: Browser) -> None:
    assert "Nothing was used in these days." in ada.get("/account/usage?days=1e9").text


def test_what_is_left_stands_above(ada: Browser, site: Site) -> None:
    site.api.limits = [{"name": "tokens", "window": "day", "limit": 1000, "remaining": 250, "resets_at": None}]
    page = ada.get("/account/usage").text
    assert "Tokens a day" in page
    assert "250 of 1,000 left" in page
    assert 'value="0.250"' in page


def test_only_an_administrator_sees_what_everybody_used(ada: Browser, site: Site) -> None:
    bob = site.signed_in("bob@example.org")
    site.api.days = [used(user_id=site.api.users["bob@example.org"]["id"]), used(user_id=NO_CHAT)]
    page = ada.get("/manage/usage").text
    assert "bob@example.org" in page
    assert "an account that is no more" in page
    assert f"{TODAY}: 3,000 tokens, 6 messages" in page

    answer = bob.get("/manage/usage")
    assert answer.status_code == 403
    assert "Nothing was used" not in answer.text

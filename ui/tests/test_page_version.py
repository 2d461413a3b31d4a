"""By what tabs know that they do not show the same."""

from dataclasses import replace
from datetime import UTC, datetime

from chatkeep_ui.chat_records import ChatMessage, ChatSession, Siblings
from chatkeep_ui.page_version import version_of

CHAT = ChatSession("c", "Herons", None, datetime(2026, 11, 25, tzinfo=UTC))
FIRST, LAST = ChatMessage("1", None, "user", "Herons?", "completed"), ChatMessage("2", "1", "assistant", "", "running")


def test_how_far_back_a_tab_has_loaded_does_not_count() -> None:
    assert version_of(CHAT, [FIRST, LAST]) == version_of(CHAT, [LAST])


def test_what_another_tab_would_see_counts() -> None:
    changed = [
        version_of(CHAT, [replace(LAST, status="completed")]),
        version_of(CHAT, [replace(LAST, siblings=Siblings(1, 2, None, "3"))]),
        version_of(CHAT, [FIRST]),
        version_of(replace(CHAT, title="Otters"), [LAST]),
        version_of(replace(CHAT, archived=True), [LAST]),
    ]
    assert len({version_of(CHAT, [LAST]), *changed}) == 6


def test_where_there_is_no_chat_there_is_no_version() -> None:
    assert version_of(None, []) == version_of(CHAT, []) == 0

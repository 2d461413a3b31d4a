"""What is left of a quota, in words; and when there will be more."""

from datetime import datetime
from zoneinfo import ZoneInfo

import pytest

from chatkeep_ui.problem import spoken_seconds
from chatkeep_ui.usage_limits import UsageLimit, remaining_line

NOW = datetime(2026, 11, 25, 13, 45, tzinfo=ZoneInfo("Europe/Berlin"))


def limit(name: str = "requests", most: float = 50, left: float = 12, **more: object) -> UsageLimit:
    body = {"name": name, "window": "day", "limit": most, "remaining": left, "resets_at": "2026-11-26T00:00:00Z"}
    return UsageLimit.read(body | more)


def line(*limits: UsageLimit, model: str | None = None) -> str:
    return remaining_line(limits, model, NOW)


def test_where_no_quota_is_set_nothing_is_said() -> None:
    assert line() == ""
    assert line(limit("concurrent", 3, 1, window=None)) == ""


def test_what_is_left_is_said() -> None:
    assert line(limit()) == "12 of 50 messages left today."
    assert line(limit("tokens", 1e6, 250_000, window="month")) == "250,000 of 1,000,000 tokens left this month."
    assert line(limit("cost", 20, 5, window="month")) == "25% of the budget left this month."


def test_the_quota_that_runs_out_first_is_told_of() -> None:
    assert line(limit(left=40), limit("tokens", 1000, 10)) == "10 of 1,000 tokens left today."


def test_a_quota_of_another_model_does_not_count() -> None:
    other = limit("tokens", 1000, 10, model="gpt-5")
    assert line(limit(), other, model="qwen3") == "12 of 50 messages left today."
    assert line(limit(), other, model="gpt-5") == "10 of 1,000 tokens of gpt-5 left today."


def test_when_there_will_be_more_is_told_by_the_readers_clock() -> None:
    assert line(limit(left=0)) == "No messages left today. There will be more tomorrow at 01:00."
    ends = limit("cost", 20, -1, window="month", resets_at="2026-12-01T00:00:00Z")
    assert line(ends) == "Nothing of the budget left this month. There will be more on 1 December at 01:00."


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(1, "1 second"), (40, "40 seconds"), (180, "3 minutes"), (3 * 3600 + 1, "4 hours"), (200_000, "3 days")],
)
def test_a_long_wait_is_not_told_in_seconds(seconds: int, words: str) -> None:
    assert spoken_seconds(seconds) == words

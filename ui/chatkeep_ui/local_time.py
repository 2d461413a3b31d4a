"""Times as the reader's own clock and calendar show them."""

from datetime import date, datetime
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import streamlit as st


def local_now() -> datetime:
    """The time where the reader's browser is, as far as it tells."""
    return datetime.now(_zone())


def group_name(day: date, today: date) -> str:
    """The heading that a chat last used on `day` stands under."""
    ago = (today - day).days
    if ago <= 0:
        return "Today"
    if ago == 1:
        return "Yesterday"
    if ago <= 7:
        return "Last 7 days"
    if ago <= 30:
        return "Last 30 days"
    return f"{day:%B %Y}"


def spoken_moment(at: datetime, now: datetime) -> str:
    """`at 14:05`, `tomorrow at 00:00`, `on 1 December at 00:00`: by the clock that `now` is on."""
    local = at.astimezone(now.tzinfo)
    ahead = (local.date() - now.date()).days
    if ahead <= 0:
        return f"at {local:%H:%M}"
    if ahead == 1:
        return f"tomorrow at {local:%H:%M}"
    return f"on {local.day} {local:%B} at {local:%H:%M}"


def _zone() -> ZoneInfo:
    try:
        return ZoneInfo(st.context.timezone or "UTC")
    except (ZoneInfoNotFoundError, ValueError):
        return ZoneInfo("UTC")

"""The side of the page: a new chat, the search, the chats by date, and who is signed in."""

from collections.abc import Sequence
from datetime import date, datetime
from itertools import groupby
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import streamlit as st

from chatkeep_ui.answer_html import plain_html
from chatkeep_ui.api_client import ApiClient
from chatkeep_ui.chat_dialogs import confirm_delete, rename
from chatkeep_ui.chat_records import Account, ChatSession
from chatkeep_ui.labels import label
from chatkeep_ui.page_state import SESSIONS_AT_FIRST, PageState, chat_id, go_to

_BRAND = '<div class="ck-brand"><img src="/assets/icon.svg" alt="" width="26" height="26"><span>chatkeep</span></div>'


def show_chat_list(client: ApiClient, state: PageState, account: Account) -> None:
    """Fill the sidebar.

    Raises:
        SignInEnded, ApiRefused, Unreachable: as in `problem.py`.
    """
    with st.sidebar:
        st.html(_BRAND)
        st.button(
            "New chat", icon=":material/edit_square:", key="ck-new", width="stretch", on_click=go_to, args=(None,)
        )
        search = (
            st.text_input(
                "Search chats",
                key="ck-search",
                type="search",
                placeholder="Search chats",
                live="300ms",
                label_visibility="collapsed",
                max_chars=200,
                persist_state="session",
            )
            or ""
        )
        page = client.list_sessions(search.strip(), state.sessions_shown)
        with st.container(key="ck-chats"):
            _show_groups(page.items)
            if not page.items:
                _show_none(search.strip())
            if page.more:
                st.button("Show older chats", key="ck-older", type="tertiary", on_click=_show_older, args=(state,))
        _show_account(account)


def _show_groups(sessions: Sequence[ChatSession]) -> None:
    zone = _zone()
    today = datetime.now(zone).date()
    for name, group in groupby(
        sessions, key=lambda session: group_name(session.updated_at.astimezone(zone).date(), today)
    ):
        st.html(f'<h2 class="ck-group">{name}</h2>')
        for session in group:
            _show_row(session, selected=session.id == chat_id())


def _show_row(session: ChatSession, *, selected: bool) -> None:
    state = "on" if selected else "off"
    with st.container(
        key=f"ck-row-{state}-{session.id}", horizontal=True, gap=None, wrap=False, vertical_alignment="center"
    ):
        st.button(
            label(session.title),
            key=f"ck-open-{session.id}",
            type="tertiary",
            width="stretch",
            on_click=go_to,
            args=(session.id,),
        )
        chosen = st.menu_button(
            f"Options for {label(session.title)}",
            ["Rename", "Delete"],
            key=f"ck-menu-{session.id}",
            type="tertiary",
            icon=":material/more_horiz:",
        )
    if chosen == "Rename":
        rename(session)
    elif chosen == "Delete":
        confirm_delete(session)


def _show_none(search: str) -> None:
    words = f"No chat contains “{plain_html(search)}”." if search else "Your chats will appear here."
    st.html(f'<p class="ck-none">{words}</p>')


def _show_older(state: PageState) -> None:
    state.sessions_shown += SESSIONS_AT_FIRST


def _show_account(account: Account) -> None:
    name = plain_html(account.name or account.email.split("@")[0])
    email = plain_html(account.email)
    role = '<span class="ck-role">admin</span>' if account.role == "admin" else ""
    who = f'<strong>{name}</strong>{role}<br><span class="ck-mail" title="{email}">{email}</span>'
    leave = '<form method="post" action="/sign-out"><button type="submit">Sign out</button></form>'
    # A link that opens here and now: Streamlit gives its own a target, which would be another tab.
    own = f'<a href="/account" target="_self" title="Your account">{who}</a>'
    st.html(f'<div class="ck-account">{own}{leave}</div>')


def _zone() -> ZoneInfo:
    try:
        return ZoneInfo(st.context.timezone or "UTC")
    except (ZoneInfoNotFoundError, ValueError):
        return ZoneInfo("UTC")


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

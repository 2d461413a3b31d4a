"""The side of the page: a new chat, the search, the chats or what was found, and who is signed in."""

import streamlit as st

from chatkeep_ui.answer_html import plain_html
from chatkeep_ui.api_client import ApiClient
from chatkeep_ui.chat_filing import show_undo
from chatkeep_ui.chat_records import Account
from chatkeep_ui.chat_rows import show_rows
from chatkeep_ui.page_state import HITS_AT_FIRST, SESSIONS_AT_FIRST, PageState, go_to
from chatkeep_ui.search_results import show_search_results

_LONGEST_SEARCH = 200
_BRAND = '<div class="ck-brand"><img src="/assets/icon.svg" alt="" width="26" height="26"><span>chatkeep</span></div>'
# Links that open here and now: Streamlit gives its own a target, which would be another tab.
_PLACES = (
    '<a href="/account/archive" target="_self">Archive</a>'
    '<a href="/account/bin" target="_self">Bin</a><a href="/account/usage" target="_self">Usage</a>'
)
_DOCUMENTS = '<a href="/library" target="_self">Documents</a>'


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
        words = _search_box()
        with st.container(key="ck-chats"):
            if words:
                show_search_results(client, state, words)
            else:
                state.hits_shown = HITS_AT_FIRST
                _show_chats(client, state)
        with st.container(key="ck-foot", gap=None):
            show_undo(state)
            _show_account(state, account)


def _search_box() -> str:
    typed = st.text_input(
        "Search chats",
        key="ck-search",
        type="search",
        placeholder="Search chats",
        live="300ms",
        label_visibility="collapsed",
        persist_state="session",
    )
    return (typed or "").strip()[:_LONGEST_SEARCH]


def _show_chats(client: ApiClient, state: PageState) -> None:
    page = client.list_sessions(state.sessions_shown)
    show_rows(page.items)
    if not page.items:
        st.html('<p class="ck-none">Your chats will appear here.</p>')
    if page.more:
        st.button("Show older chats", key="ck-older", type="tertiary", on_click=_show_older, args=(state,))


def _show_older(state: PageState) -> None:
    state.sessions_shown += SESSIONS_AT_FIRST


def _show_account(state: PageState, account: Account) -> None:
    name = plain_html(account.name or account.email.split("@")[0])
    email = plain_html(account.email)
    role = '<span class="ck-role">admin</span>' if account.role == "admin" else ""
    who = f'<strong>{name}</strong>{role}<br><span class="ck-mail" title="{email}">{email}</span>'
    leave = '<form method="post" action="/sign-out"><button type="submit">Sign out</button></form>'
    own = f'<a href="/account" target="_self" title="Your account">{who}</a>'
    places = _DOCUMENTS + _PLACES if state.holds_documents else _PLACES
    nav = f'<nav class="ck-places" aria-label="Other pages">{places}</nav>'
    st.html(f'{nav}<div class="ck-account">{own}{leave}</div>')

"""The page of chats, put together: the list at the side, the conversation in the middle, the composer at the bottom."""

import streamlit as st

from chatkeep_ui.answer_html import plain_html
from chatkeep_ui.api_client import ApiClient
from chatkeep_ui.branch_on_show import load_branch
from chatkeep_ui.chat_list import show_chat_list
from chatkeep_ui.chat_records import Branch
from chatkeep_ui.chat_standing import show_standing
from chatkeep_ui.clicks import show_channel
from chatkeep_ui.composer import AroundTheBox, do_what_was_asked, show_around_box, show_box
from chatkeep_ui.conversation import answer_being_written, show_growing, show_messages
from chatkeep_ui.document_choice import documents_asked, look_for_collections, take_up_link
from chatkeep_ui.follow_clicks import do_what_was_clicked
from chatkeep_ui.page_state import PageState, chat_id, go_to, names_no_chat, page_state
from chatkeep_ui.page_version import version_of
from chatkeep_ui.problem import ApiError, NotThere, SignInEnded
from chatkeep_ui.quota_line import quota_line
from chatkeep_ui.signed_in import ask_to_renew, client_for, page_key
from chatkeep_ui.title_to_come import look_for_title
from chatkeep_ui.welcome import show_welcome


def show_chats() -> None:
    """One run of the script."""
    st.set_page_config(page_title="chatkeep", layout="centered", initial_sidebar_state="auto")
    # Clicked by static/page.js when the connection is back: the page may have missed the rest of an answer.
    st.button("Refresh", key="ck-refresh")
    show_channel()
    state = page_state()
    around = show_box(state)
    key = page_key()
    client: ApiClient | None = None
    try:
        client = client_for(key)
        if not state.belongs_to(client.user_id):
            # Somebody else has signed in in this browser: nothing of the one before may be shown, or sent.
            st.session_state.clear()
            st.rerun()
        _show(client, state, around)
    except SignInEnded:
        ask_to_renew(key, client)
    except ApiError as error:
        _show_trouble(error)


def _show(client: ApiClient, state: PageState, around: AroundTheBox) -> None:
    account = state.account = state.account or client.account()
    state.offer = client.models()
    take_up_link(state)
    look_for_collections(client, state)
    do_what_was_asked(client, state)
    do_what_was_clicked(client, state)
    show_chat_list(client, state, account)
    if names_no_chat():
        _show_no_such_chat()
        return
    current = chat_id()
    state.turn_to(current)
    try:
        session = client.get_session(current) if current else None
        branch = load_branch(client, state, session.id) if session else Branch([], earlier=False)
    except NotThere:
        _show_no_such_chat()
        return
    growing = answer_being_written(branch.messages)
    version = version_of(session, branch.messages)
    use = documents_asked(state, session)
    state.asks_documents = use.on
    show_around_box(around, state, growing, quota_line(client, state, version), use)
    if session is None or not branch.messages:
        show_welcome(account, state)
        return
    st.set_page_config(page_title=f"{session.title} · chatkeep")
    st.html(f'<h1 class="ck-hidden" data-ck-version="{version}">{plain_html(session.title)}</h1>')
    show_standing(session)
    show_messages(state, branch, settled=growing is None)
    if growing is None:
        look_for_title(state, session)
    else:
        show_growing(growing)


def _show_no_such_chat() -> None:
    st.html(
        '<div class="ck-welcome"><h1>No such chat</h1>'
        "<p>It may have been deleted for good, or it belongs to another account.</p></div>"
    )
    with st.container(key="ck-instead", horizontal_alignment="center"):
        st.button("Start a new chat", type="primary", key="ck-new-instead", on_click=go_to, args=(None,))


def _show_trouble(error: ApiError) -> None:
    st.html(f'<div class="ck-notice ck-trouble" role="alert"><p>{plain_html(str(error))}</p></div>')
    st.button("Try again", icon=":material/refresh:", key="ck-again")

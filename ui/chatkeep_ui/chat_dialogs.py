"""Renaming and deleting a chat. Each dialog asks for a client of its own: it may stay open longer than a token."""

import streamlit as st

from chatkeep_ui.answer_html import plain_html
from chatkeep_ui.chat_records import ChatSession
from chatkeep_ui.page_state import chat_id, go_to
from chatkeep_ui.problem import ApiError, SignInEnded
from chatkeep_ui.signed_in import client_for, page_key

_LONGEST_TITLE = 200


@st.dialog("Rename chat")
def rename(session: ChatSession) -> None:
    """Ask for another title."""
    with st.form("ck-rename", border=False):
        title = st.text_input("Title", value=session.title, max_chars=_LONGEST_TITLE, key=f"ck-title-{session.id}")
        saved = st.form_submit_button("Save", type="primary")
    if not saved:
        return
    if not (title or "").strip():
        st.html('<p class="ck-refused" role="alert">A chat needs a title.</p>')
        return
    try:
        client_for(page_key()).rename_session(session.id, (title or "").strip())
    except SignInEnded:
        st.rerun()
    except ApiError as error:
        _refused(error)
    else:
        st.rerun()


@st.dialog("Delete this chat?")
def confirm_delete(session: ChatSession) -> None:
    """Ask once more; deleted means gone."""
    st.html(f"<p>“{plain_html(session.title)}” and all its messages will be gone. This cannot be undone.</p>")
    with st.container(horizontal=True, key="ck-delete-choice"):
        deleted = st.button("Delete", type="primary", key="ck-delete-yes")
        if st.button("Keep it", key="ck-delete-no"):
            st.rerun()
    if not deleted:
        return
    try:
        client_for(page_key()).delete_session(session.id)
    except SignInEnded:
        st.rerun()
    except ApiError as error:
        _refused(error)
        return
    if chat_id() == session.id:
        go_to(None)
    st.rerun()


def _refused(error: ApiError) -> None:
    st.html(f'<p class="ck-refused" role="alert">{plain_html(str(error))}</p>')

"""A question put differently: it is asked again beside the old one, whose answers stay where they are."""

import streamlit as st

from chatkeep_ui.chat_records import ChatMessage
from chatkeep_ui.composer import say_instead
from chatkeep_ui.page_state import PageState


def show_editor(state: PageState, question: ChatMessage) -> None:
    """In place of the question."""
    with st.container(key="ck-editor"), st.form("ck-edit", border=False, enter_to_submit=True):
        text = st.text_area(
            "Your question",
            value=question.content,
            key=f"ck-edit-{question.id}",
            label_visibility="collapsed",
            height="content",
        )
        with st.container(horizontal=True, horizontal_alignment="right", key="ck-edit-choice"):
            left = st.form_submit_button("Cancel", type="tertiary", key="ck-edit-cancel")
            sent = st.form_submit_button("Send", type="primary", key="ck-edit-send")
    if left:
        state.editing = None
        st.rerun()
    if sent and text and text.strip():
        say_instead(state, question, text)
        st.rerun()

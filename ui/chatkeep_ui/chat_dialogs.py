"""Renaming a chat, and exporting it. A dialog asks for a client of its own: it may outlive a token."""

import streamlit as st

from chatkeep_ui.answer_html import plain_html
from chatkeep_ui.chat_records import ChatSession
from chatkeep_ui.problem import ApiError, SignInEnded
from chatkeep_ui.signed_in import client_for, page_key

_LONGEST_TITLE = 200
_EXPORT = """
<p>“{title}” as a file: in Markdown the questions and answers on show, in JSON every version of them.</p>
<p class="ck-downloads"><a href="/chats/{id}/export?format=markdown" download target="_self">Markdown, to read</a>
<a href="/chats/{id}/export?format=json" download target="_self">JSON, to import again</a></p>
"""


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
        st.html(f'<p class="ck-refused" role="alert">{plain_html(str(error))}</p>')
    else:
        st.rerun()


@st.dialog("Export chat")
def export(session: ChatSession) -> None:
    """Offer the files."""
    st.html(_EXPORT.format(title=plain_html(session.title), id=plain_html(session.id)))

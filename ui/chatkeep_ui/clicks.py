"""Clicks on buttons that are plain HTML within a message or a search result, and how they reach the script.

A Streamlit button beside each of two hundred messages would make every redraw slow. So static/conversation.js writes
what was clicked into one hidden text box. No link can fill that box: what it asks for was clicked on this page.
"""

from html import escape

import streamlit as st

from chatkeep_ui.click import Click, Verb
from chatkeep_ui.page_state import page_state

_CHANNEL = "ck-click"


def button_html(
    verb: Verb, message_id: str, words: str, *, session_id: str = "", name: str = "", kind: str = "ck-copy"
) -> str:
    """A button that says `words`, which are HTML; `name` is for screen readers where the words alone say too little."""
    said = f"{verb} {message_id} {session_id}".strip()
    label = f' aria-label="{escape(name)}"' if name else ""
    return f'<button type="button" class="{kind}" data-ck-click="{escape(said)}"{label}>{words}</button>'


def show_channel() -> None:
    """The hidden box. What was clicked is noted before anything else in the run happens."""
    st.text_input("Clicked", key=_CHANNEL, on_change=_note, label_visibility="collapsed")


def _note() -> None:
    written = st.session_state.get(_CHANNEL) or ""
    # Emptied, so that the browser does not offer it again when it reconnects, and the same click counts twice.
    st.session_state[_CHANNEL] = ""
    page_state().clicked = Click.find(written) or page_state().clicked

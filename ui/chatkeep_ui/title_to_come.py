"""The model may name a chat some seconds after its first answer, and no event tells: the page looks a few times."""

import streamlit as st

from chatkeep_ui.chat_records import ChatSession
from chatkeep_ui.page_state import PageState
from chatkeep_ui.problem import ApiError
from chatkeep_ui.signed_in import client_for, page_key

_EVERY_SECONDS = 2.0
_LOOKS = 5


def expect_title(state: PageState, session_id: str) -> None:
    """A chat has just been begun."""
    state.untitled, state.looks_for_title = session_id, _LOOKS


def look_for_title(state: PageState, session: ChatSession) -> None:
    """Once its answer is there."""
    if state.untitled != session.id:
        return
    if session.titled_by is None and session.expires_at is None and state.looks_for_title > 0:
        _look(state, session.id)
    else:
        state.untitled = None


@st.fragment(run_every=_EVERY_SECONDS)
def _look(state: PageState, session_id: str) -> None:
    state.looks_for_title -= 1
    if state.looks_for_title <= 0 or _has_title(session_id):
        # Found by static/in_step.js, which has the page drawn anew, but closes no dialog and no menu by it.
        st.html('<span data-ck-stale=""></span>')


def _has_title(session_id: str) -> bool:
    try:
        return client_for(page_key()).get_session(session_id).titled_by is not None
    except ApiError:
        # The page drawn anew has the words for it.
        return True

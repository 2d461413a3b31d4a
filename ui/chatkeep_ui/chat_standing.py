"""A line above a chat that is not like the others: kept for a while only, in the archive, or in the bin."""

import streamlit as st

from chatkeep_ui.chat_filing import bring_back
from chatkeep_ui.chat_records import ChatSession
from chatkeep_ui.local_time import local_now, spoken_moment
from chatkeep_ui.page_state import Undoable


def show_standing(session: ChatSession) -> None:
    """Nothing where there is nothing to say."""
    if session.expires_at is not None:
        until = spoken_moment(session.expires_at, local_now())
        st.html(f'<p class="ck-standing" role="note">A temporary chat: it deletes itself {until}.</p>')
    if session.deleted or session.archived:
        away = Undoable(session.id, session.title, "bin" if session.deleted else "archive")
        with st.container(key="ck-away", horizontal=True, horizontal_alignment="center", gap="small"):
            st.html(f'<p class="ck-standing" role="note">This chat is in the {away.into}.</p>', width="content")
            st.button("Put it back", key="ck-away-back", type="tertiary", on_click=_put_back, args=(away,))


def _put_back(away: Undoable) -> None:
    bring_back(away)

"""The chats at the side, by date, each with a menu of what can be done with it."""

from collections.abc import Sequence
from itertools import groupby
from typing import Final

import streamlit as st

from chatkeep_ui.chat_dialogs import export, rename
from chatkeep_ui.chat_filing import archive, delete, pin
from chatkeep_ui.chat_records import ChatSession
from chatkeep_ui.labels import label
from chatkeep_ui.local_time import group_name, local_now
from chatkeep_ui.page_state import chat_id, go_to

_DEEDS: Final = {"Pin": pin, "Unpin": pin, "Rename": rename, "Export": export, "Archive": archive, "Delete": delete}
PINNED: Final = "Pinned"


def show_rows(sessions: Sequence[ChatSession], heading: str = "") -> None:
    """In the order in which they come: those pinned, and the others by date; or all under one heading."""
    now = local_now()

    def group(session: ChatSession) -> str:
        if heading:
            return heading
        if session.pinned:
            return PINNED
        return group_name(session.updated_at.astimezone(now.tzinfo).date(), now.date())

    for name, rows in groupby(sessions, key=group):
        st.html(f'<h2 class="ck-group">{name}</h2>')
        for session in rows:
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
            ["Unpin" if session.pinned else "Pin", "Rename", "Export", "Archive", "Delete"],
            key=f"ck-menu-{session.id}",
            type="tertiary",
            icon=":material/more_horiz:",
        )
    if chosen is not None:
        _DEEDS[chosen](session)

"""Pinning, archiving and deleting chats. What takes a chat out of sight is done at once, and can be undone."""

from collections.abc import Callable

import streamlit as st

from chatkeep_ui.answer_html import plain_html
from chatkeep_ui.api_client import ApiClient
from chatkeep_ui.chat_records import ChatSession
from chatkeep_ui.labels import label
from chatkeep_ui.page_state import PageState, Undoable, chat_id, go_to, page_state
from chatkeep_ui.problem import ApiError, SignInEnded
from chatkeep_ui.signed_in import client_for, page_key

_WHERE = {"bin": "is in the bin", "archive": "is in the archive"}


def pin(session: ChatSession) -> None:
    """To the top of the list, or back to its place."""
    if _done(lambda client: client.pin_session(session.id, pinned=not session.pinned)):
        st.rerun()


def archive(session: ChatSession) -> None:
    """Out of the list; nothing is lost."""
    if _done(lambda client: client.archive_session(session.id, archived=True)):
        _put_away(Undoable(session.id, session.title, "archive"))


def delete(session: ChatSession) -> None:
    """Into the bin, where it stays for thirty days. A temporary chat has no bin to go to: that one asks."""
    if session.expires_at is not None:
        _confirm(session)
    elif _done(lambda client: client.delete_session(session.id)):
        _put_away(Undoable(session.id, session.title, "bin"))


@st.dialog("Delete this chat?")
def _confirm(session: ChatSession) -> None:
    st.html(f"<p>“{plain_html(session.title)}” is a temporary chat: it will be gone, and cannot be brought back.</p>")
    with st.container(horizontal=True, key="ck-delete-choice"):
        deleted = st.button("Delete", type="primary", key="ck-delete-yes")
        if st.button("Keep it", key="ck-delete-no"):
            st.rerun()
    if deleted and _done(lambda client: client.delete_session(session.id)):
        _leave(session.id)


def bring_back(away: Undoable) -> bool:
    """Out of the bin, or the archive; whether it worked."""

    def back(client: ApiClient) -> None:
        if away.into == "bin":
            client.restore_session(away.session_id)
        else:
            client.archive_session(away.session_id, archived=False)

    return _done(back)


def show_undo(state: PageState) -> None:
    """What has just been put away, and the way back. It stays until something else is done."""
    undoable = state.undoable
    if undoable is None:
        return
    with st.container(key="ck-undo", horizontal=True, vertical_alignment="center", gap="small"):
        title = plain_html(undoable.title if len(undoable.title) <= 40 else undoable.title[:39].rstrip() + "…")
        st.html(f'<p class="ck-undo" role="status">“{title}” {_WHERE[undoable.into]}.</p>')
        st.button("Undo", key="ck-undo-button", type="tertiary", on_click=_undo, args=(state, undoable))
        st.button(
            "Dismiss", key="ck-undo-dismiss", type="tertiary", icon=":material/close:", on_click=_forget, args=(state,)
        )


def _undo(state: PageState, undoable: Undoable) -> None:
    if bring_back(undoable):
        state.undoable = None
        go_to(undoable.session_id)


def _forget(state: PageState) -> None:
    state.undoable = None


def _put_away(undoable: Undoable) -> None:
    page_state().undoable = undoable
    _leave(undoable.session_id)


def _leave(session_id: str) -> None:
    if chat_id() == session_id:
        go_to(None)
    st.rerun()


def _done(deed: Callable[[ApiClient], None]) -> bool:
    """Whether it was; otherwise the reader has been told why not."""
    try:
        deed(client_for(page_key()))
    except SignInEnded:
        # The run that follows has the sign-in renewed; the reader asks again.
        st.toast("Your sign-in was renewed. Please do that once more.")
        return False
    except ApiError as error:
        st.toast(label(str(error), longest=300))
        return False
    return True

"""Which documents the answers of a chat draw on: none, all that are open to its owner, or those of a collection.

The API keeps it with the chat; until there is a chat, the tab does. A link `/?ask=...` on the pages of documents begins
a chat about them.
"""

import time
from typing import Final

import streamlit as st

from chatkeep_ui.api_client import ApiClient
from chatkeep_ui.chat_ids import find_chat_id
from chatkeep_ui.chat_records import ChatSession, DocumentUse
from chatkeep_ui.labels import label
from chatkeep_ui.page_state import PageState, chat_id
from chatkeep_ui.problem import ApiError, NotThere, SignInEnded

_CHOICE: Final = "ck-documents"
_ASK: Final = "ask"
_NONE: Final = ""
_ALL: Final = "all"
_LOOK_AGAIN_SECONDS: Final = 30.0


def take_up_link(state: PageState) -> None:
    """Begin with the documents that a link has asked for, once."""
    asked = st.query_params.get(_ASK)
    if asked is not None:
        del st.query_params[_ASK]
        state.documents = _use_of(find_chat_id(asked) or _ALL)


def do_what_was_chosen(client: ApiClient, state: PageState) -> None:
    """Note it where it belongs.

    Raises:
        SignInEnded: nothing was done yet, and nothing is forgotten.
    """
    wanted = state.to_choose
    if wanted is None:
        return
    state.documents = wanted
    session_id = chat_id()
    try:
        if session_id is not None:
            client.choose_documents(session_id, wanted)
    except SignInEnded:
        raise
    except ApiError as error:
        st.toast(label(f"The choice could not be kept. {error}", longest=300))
    state.to_choose = None


def look_for_collections(client: ApiClient, state: PageState) -> None:
    """What there is to choose from, looked up now and then; nothing where the server holds no documents.

    Raises:
        SignInEnded: the sign-in has to be renewed.
    """
    now = time.monotonic()
    if state.collections is not None and now - state.collections_at < _LOOK_AGAIN_SECONDS:
        return
    try:
        state.collections = client.collections()
    except SignInEnded:
        raise
    except NotThere:
        state.collections = {}
        state.holds_documents = False
    except ApiError:
        # A chat without the choice is better than none.
        state.collections = state.collections or {}
    else:
        state.holds_documents = True
    state.collections_at = now


def documents_asked(state: PageState, session: ChatSession | None) -> DocumentUse:
    """By the chat, or else by the tab."""
    return session.documents if session is not None else state.documents


def show_document_choice(state: PageState, use: DocumentUse) -> None:
    """Under the box, beside the model."""
    if not state.holds_documents and not use.on:
        return
    chosen = _option_of(use)
    options = list(dict.fromkeys([_NONE, _ALL, *(state.collections or {}), chosen]))
    # What the chat says, be it chosen in another tab.
    st.session_state[_CHOICE] = chosen
    with st.container(key="ck-documents-choice", width="content"):
        st.selectbox(
            "Documents",
            options,
            key=_CHOICE,
            format_func=lambda option: _name_of(state, option),
            label_visibility="collapsed",
            width=150,
            on_change=_choose,
            args=(state,),
        )


def _choose(state: PageState) -> None:
    state.to_choose = _use_of(st.session_state[_CHOICE])


def _use_of(option: str) -> DocumentUse:
    if option in (_NONE, _ALL):
        return DocumentUse(on=option == _ALL)
    return DocumentUse(on=True, collection_ids=tuple(option.split(",")))


def _option_of(use: DocumentUse) -> str:
    if not use.on:
        return _NONE
    return ",".join(use.collection_ids) if use.collection_ids else _ALL


def _name_of(state: PageState, option: str) -> str:
    if option in (_NONE, _ALL):
        return "All documents" if option == _ALL else "No documents"
    known = state.collections or {}
    names = [known[each] for each in option.split(",") if each in known]
    return ", ".join(names) or "No longer open to you"

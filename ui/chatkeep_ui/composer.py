"""Where messages are written and sent from, and answers stopped.

A click only notes what to do. It is done in the run that follows, once that run has a client: when the sign-in has to
be renewed in between, nothing is lost. What the API refuses goes back into the box, with the reason above it.
"""

import streamlit as st

from chatkeep_ui.answer_html import plain_html
from chatkeep_ui.api_client import ApiClient
from chatkeep_ui.chat_records import ChatMessage
from chatkeep_ui.model_choice import chosen_model, show_honest_line, show_model_state
from chatkeep_ui.page_state import Outgoing, PageState, chat_id, go_to
from chatkeep_ui.problem import ApiError, SignInEnded

_BOX = "ck-message"


def do_what_was_asked(client: ApiClient, state: PageState) -> None:
    """Stop and send what the clicks before this run have noted.

    Raises:
        SignInEnded: nothing was done yet, and nothing is forgotten.
    """
    if state.to_stop is not None:
        _stop(client, state, state.to_stop)
    if state.outgoing is not None:
        _send(client, state, state.outgoing)


def say(state: PageState, text: str, parent_id: str | None = None) -> None:
    """Note a message to send, for a button's callback."""
    state.outgoing = Outgoing(text, chat_id(), parent_id)


def show_composer(state: PageState, writing: ChatMessage | None) -> None:
    """The box at the bottom; while an answer is `writing`, a button to stop it."""
    with st.bottom:
        if writing is not None and writing.generation_id is not None:
            with st.container(key="ck-stop", horizontal_alignment="center"):
                if st.button("Stop", icon=":material/stop_circle:", key="ck-stop-button"):
                    state.to_stop = writing.generation_id
                    st.rerun()
        if state.refused:
            st.html(f'<p class="ck-refused" role="alert"><strong>Not sent.</strong> {plain_html(state.refused)}</p>')
        show_model_state(state)
        st.chat_input("Message chatkeep", key=_BOX, on_submit=_submitted, args=(state,))
        show_honest_line(state)


def _submitted(state: PageState) -> None:
    text = str(st.session_state[_BOX] or "")
    if text.strip():
        say(state, text)


def _stop(client: ApiClient, state: PageState, generation_id: str) -> None:
    try:
        client.stop(generation_id)
    except SignInEnded:
        raise
    except ApiError as error:
        st.toast(plain_html(f"The answer could not be stopped. {error}"))
    state.to_stop = None


def _send(client: ApiClient, state: PageState, outgoing: Outgoing) -> None:
    try:
        session_id = outgoing.session_id or client.create_session(chosen_model(state)).id
        # From here on a retry goes to the same chat.
        state.outgoing = Outgoing(outgoing.text, session_id, outgoing.parent_id)
        go_to(session_id)
        key = state.idempotency_key(session_id, outgoing.text)
        client.send(session_id, outgoing.text, chosen_model(state), outgoing.parent_id, key)
    except SignInEnded:
        raise
    except ApiError as error:
        state.refused = str(error)
        st.session_state[_BOX] = outgoing.text
    else:
        state.refused = ""
        state.attempt = ("", "")
    state.outgoing = None

"""Where messages are written and sent from, and answers stopped.

What is typed or clicked is only noted. It is done once the run has a client: when the sign-in has to be renewed in
between, nothing is lost. What the API refuses goes back into the box, with the reason above it.
"""

from dataclasses import dataclass, replace

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from chatkeep_ui.answer_html import plain_html
from chatkeep_ui.api_client import ApiClient
from chatkeep_ui.chat_records import ChatMessage, DocumentUse
from chatkeep_ui.document_choice import do_what_was_chosen, show_document_choice
from chatkeep_ui.labels import label
from chatkeep_ui.model_choice import chosen_model, show_honest_line, show_model_choice, show_model_state
from chatkeep_ui.page_state import Outgoing, PageState, Refusal, chat_id, go_to
from chatkeep_ui.problem import ApiError, ApiRefused, SignInEnded
from chatkeep_ui.quota_line import show_quota_line
from chatkeep_ui.title_to_come import expect_title

_BOX = "ck-message"


def do_what_was_asked(client: ApiClient, state: PageState) -> None:
    """Stop, choose and send what has been noted.

    Raises:
        SignInEnded: nothing was done yet, and nothing is forgotten.
    """
    if state.to_stop is not None:
        _stop(client, state, state.to_stop)
    do_what_was_chosen(client, state)
    if state.outgoing is not None:
        _send(client, state, state.outgoing)


def say(state: PageState, text: str) -> None:
    """Note a message to send, for a button's callback."""
    state.outgoing = Outgoing(text, chat_id(), chosen_model(state))


def say_instead(state: PageState, question: ChatMessage, text: str) -> None:
    """Note a message to send in place of `question`: after the same answer, or at the beginning."""
    state.outgoing = Outgoing(text, chat_id(), chosen_model(state), question.id, question.parent_id)


@dataclass(frozen=True, slots=True)
class AroundTheBox:
    """Places above and below the box, filled once the run knows what belongs there."""

    above: DeltaGenerator
    below: DeltaGenerator


def show_box(state: PageState) -> AroundTheBox:
    """The box at the bottom. Comes first in a run, so that what was typed is noted whatever goes wrong after it."""
    if state.back_into_box is not None:
        st.session_state[_BOX], state.back_into_box = state.back_into_box, None
    with st.bottom:
        above = st.container(key="ck-above", gap="small")
        # The returned value, not a callback: callbacks are lost in the first run after the server has been restarted.
        text = st.chat_input("Message chatkeep", key=_BOX)
        below = st.container(key="ck-below")
    if text and text.strip():
        say(state, text)
        st.rerun()
    return AroundTheBox(above, below)


def show_around_box(
    around: AroundTheBox, state: PageState, growing: ChatMessage | None, quota: str, use: DocumentUse
) -> None:
    """Why a message was not sent, how the model does, a button to stop what is `growing`, the `quota`, and what can be
    chosen: a model, and the documents that are in `use`.
    """
    with around.above:
        if growing is not None and growing.generation_id is not None:
            _show_stop(state, growing.generation_id)
        if state.refusal is not None and state.refusal.session_id == chat_id():
            _show_refusal(state, state.refusal, growing)
        show_model_state(state)
    with around.below:
        with st.container(key="ck-choices", horizontal=True, gap="small"):
            show_document_choice(state, use)
            show_model_choice(state)
        show_quota_line(quota)
        show_honest_line(state)


def _show_refusal(state: PageState, refusal: Refusal, growing: ChatMessage | None) -> None:
    if refusal.passing and growing is None:
        state.refusal = None
        return
    st.html(f'<p class="ck-refused" role="alert"><strong>{refusal.what}</strong> {plain_html(refusal.reason)}</p>')


def _show_stop(state: PageState, generation_id: str) -> None:
    with st.container(key="ck-stop", horizontal_alignment="center"):
        if st.button("Stop", icon=":material/stop_circle:", key="ck-stop-button"):
            state.to_stop = generation_id
            st.rerun()


def _stop(client: ApiClient, state: PageState, generation_id: str) -> None:
    try:
        client.stop(generation_id)
    except SignInEnded:
        raise
    except ApiError as error:
        st.toast(label(f"The answer could not be stopped. {error}", longest=300))
    state.to_stop = None


def _send(client: ApiClient, state: PageState, outgoing: Outgoing) -> None:
    try:
        session_id = outgoing.session_id or _begin_chat(client, state, outgoing)
        # From here on a retry goes to the same chat.
        state.outgoing = replace(outgoing, session_id=session_id)
        go_to(session_id)
        key = state.idempotency_key(session_id, outgoing)
        root = outgoing.edited is not None and outgoing.parent_id is None
        client.send(session_id, outgoing.text, outgoing.model, outgoing.parent_id, key, root=root)
    except SignInEnded:
        raise
    except ApiError as error:
        state.refusal = why_not(error, "Not sent.")
        if outgoing.edited is None:
            state.back_into_box = outgoing.text
    else:
        state.refusal = state.editing = None
        state.temporary = False
        state.attempt = ("", "")
    state.outgoing = None
    if state.back_into_box is not None:
        # The box of this run is drawn already: it gets its words in the next.
        st.rerun()


def _begin_chat(client: ApiClient, state: PageState, outgoing: Outgoing) -> str:
    session = client.create_session(outgoing.model, state.documents, temporary=state.temporary)
    expect_title(state, session.id)
    return session.id


def why_not(error: ApiError, what: str) -> Refusal:
    """What the page says above the box about something that was refused."""
    if isinstance(error, ApiRefused) and error.code == "generation_running":
        reason = "An answer is still being written. Try again when it has ended, or stop it."
        return Refusal(chat_id(), reason, what, passing=True)
    return Refusal(chat_id(), str(error), what)

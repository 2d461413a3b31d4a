"""Does what was clicked within a message or a search result."""

import streamlit as st

from chatkeep_ui.api_client import ApiClient
from chatkeep_ui.click import Click
from chatkeep_ui.composer import why_not
from chatkeep_ui.labels import label
from chatkeep_ui.model_choice import chosen_model
from chatkeep_ui.page_state import PageState, chat_id, go_to
from chatkeep_ui.problem import ApiError, SignInEnded


def do_what_was_clicked(client: ApiClient, state: PageState) -> None:
    """Do it, and forget it.

    Raises:
        SignInEnded: nothing was done yet, and nothing is forgotten.
    """
    click = state.clicked
    if click is None:
        return
    match click.verb:
        case "edit":
            state.editing = click.message_id
        case "again":
            _regenerate(client, state, click)
        case "show":
            _show(client, state, click)
        case "open":
            go_to(click.session_id)
            state.turn_to(click.session_id)
            state.to_find = click.message_id
    state.clicked = None


def _regenerate(client: ApiClient, state: PageState, click: Click) -> None:
    try:
        client.regenerate(click.message_id, chosen_model(state), click.key)
    except SignInEnded:
        raise
    except ApiError as error:
        state.refusal = why_not(error, "Not answered again.")
    else:
        state.refusal = state.editing = None


def _show(client: ApiClient, state: PageState, click: Click) -> None:
    state.editing = None
    try:
        client.show_branch(chat_id() or "", click.message_id)
    except SignInEnded:
        raise
    except ApiError as error:
        st.toast(label(f"The other version could not be shown. {error}", longest=300))

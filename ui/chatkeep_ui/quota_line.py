"""Under the composer: what is left of a quota, where one is set."""

import logging
from datetime import datetime

import streamlit as st

from chatkeep_ui.answer_html import plain_html
from chatkeep_ui.api_client import ApiClient
from chatkeep_ui.local_time import local_now
from chatkeep_ui.model_choice import chosen_model
from chatkeep_ui.page_state import PageState
from chatkeep_ui.problem import ApiError, SignInEnded
from chatkeep_ui.usage_limits import remaining_line

log = logging.getLogger(__name__)


def quota_line(client: ApiClient, state: PageState, shown: int) -> str:
    """The sentence; empty where no quota is set, or the API does not say.

    `shown` changes with what the tab shows of a chat. The API is asked when it does, and once a minute.

    Raises:
        SignInEnded: the sign-in has to be renewed.
    """
    now = local_now()
    moment = (shown, chosen_model(state), now.replace(second=0, microsecond=0))
    if state.quota is None or state.quota[0] != moment:
        state.quota = (moment, _ask(client, state, now))
    return state.quota[1]


def _ask(client: ApiClient, state: PageState, now: datetime) -> str:
    try:
        limits = client.limits()
    except SignInEnded:
        raise
    except ApiError as error:
        # A chat without this line is better than none.
        log.warning("what is left of the quotas is not known: %s", type(error).__name__)
        return ""
    default = state.offer.models[0].id if state.offer is not None and state.offer.models else None
    return remaining_line(limits, chosen_model(state) or default, now)


def show_quota_line(line: str) -> None:
    """In a place of its own, so that it is read out when it changes."""
    if line:
        st.html(f'<p class="ck-quota" role="status"><a href="/account/usage" target="_self">{plain_html(line)}</a></p>')

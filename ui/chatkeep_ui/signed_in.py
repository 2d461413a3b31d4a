"""From the browser's page cookie to a client that acts for its user, or a request to the browser to renew."""

import streamlit as st

from chatkeep_ui import open_page
from chatkeep_ui.api_client import ApiClient
from chatkeep_ui.cookies import PAGE_COOKIE
from chatkeep_ui.problem import SignInEnded


def page_key() -> str:
    """The vault key of this tab's websocket, which the front door let in and put it there. Empty when there is none."""
    return st.context.cookies.get(PAGE_COOKIE) or ""


def client_for(key: str) -> ApiClient:
    """A client with the access token that lies in the vault now.

    Raises:
        SignInEnded: there is none, or it has expired; the browser may be able to renew.
    """
    page = open_page.current()
    sign_in = page.vault.find(key)
    if sign_in is None:
        raise SignInEnded(401, "token_expired", "Your sign-in has to be renewed.")
    return ApiClient(page.api, sign_in)


def ask_to_renew(key: str, client: ApiClient | None) -> None:
    """Let the page's script (static/page.js) renew and run this script again, or go to the sign-in page."""
    if client is not None:
        open_page.current().vault.expire(key, client.access_token)
    st.html('<p class="ck-renewing" role="status">One moment, renewing your sign-in…</p>')
    st.button("Continue", key="ck-renewed")

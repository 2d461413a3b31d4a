"""What the search found: chats by their titles, then messages, each of which leads to its place in the chat."""

from html import escape

import streamlit as st

from chatkeep_ui.answer_html import plain_html
from chatkeep_ui.api_client import ApiClient
from chatkeep_ui.chat_rows import show_rows
from chatkeep_ui.clicks import button_html
from chatkeep_ui.local_time import local_now
from chatkeep_ui.page_state import HITS_AT_FIRST, PageState
from chatkeep_ui.problem import ApiError, SignInEnded
from chatkeep_ui.search_hits import SearchHit

_MOST_TITLES = 10


def show_search_results(client: ApiClient, state: PageState, words: str) -> None:
    """Under the box.

    Raises:
        SignInEnded: the sign-in has to be renewed.
    """
    try:
        titles, hits = client.find_titles(words), client.search(words, state.hits_shown)
    except SignInEnded:
        raise
    except ApiError as error:
        # The chat beside it is there all the same.
        st.html(f'<p class="ck-refused" role="alert">{plain_html(str(error))}</p>')
        return
    if not titles and not hits.items:
        st.html(f'<p class="ck-none" role="status">Nothing in your chats contains “{plain_html(words)}”.</p>')
        return
    count = f"{len(titles) + len(hits.items)}{' or more' if hits.more else ''} found"
    st.html(f'<p class="ck-hidden" role="status">{count}</p>')
    if titles:
        show_rows(titles[:_MOST_TITLES], heading="In titles")
    if hits.items:
        found = "".join(f"<li>{_hit(hit)}</li>" for hit in hits.items)
        st.html(f'<h2 class="ck-group">In messages</h2><ul class="ck-hits">{found}</ul>')
    if hits.more:
        st.button("Show more", key="ck-more-hits", type="tertiary", on_click=_show_more, args=(state,))


def _hit(hit: SearchHit) -> str:
    who = "You" if hit.role == "user" else "Answer"
    at = hit.created_at.astimezone(local_now().tzinfo)
    when = f'<time datetime="{escape(at.isoformat())}">{at.day} {at:%b %Y}</time>'
    words = (
        f'<span class="ck-hit-title">{plain_html(hit.title)}</span>'
        f'<span class="ck-hit-words">{hit.snippet_html()}</span><span class="ck-hit-who">{who} · {when}</span>'
    )
    return button_html("open", hit.message_id, words, session_id=hit.session_id, kind="ck-hit")


def _show_more(state: PageState) -> None:
    state.hits_shown += HITS_AT_FIRST

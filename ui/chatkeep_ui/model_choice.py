"""Which model answers, and an honest word where it is the small built-in one."""

import streamlit as st

from chatkeep_ui.answer_html import plain_html
from chatkeep_ui.chat_records import QUOTES
from chatkeep_ui.labels import label
from chatkeep_ui.page_state import PageState, page_state
from chatkeep_ui.problem import ApiError
from chatkeep_ui.signed_in import client_for, page_key

_CHOICE = "ck-model"
# Beside the one that quotes, the server chooses better than the small built-in model is.
_AUTOMATIC = ""
_NAMES = {_AUTOMATIC: "Automatic", QUOTES: "quotes, word for word"}
_CONNECT = """
<p>Any service that speaks the OpenAI protocol will do: Ollama, vLLM, llama.cpp, or a provider. Set these where the
server runs, in its environment or in a file named <code>.env</code>, and start it again.</p>
<pre class="ck-settings" tabindex="0" role="region" aria-label="Settings"><code>CHATKEEP_LLM_BASE_URL=http://127.0.0.1:11434/v1
CHATKEEP_LLM_API_KEY=only if the service wants one
CHATKEEP_LLM_MODELS=llama3.2, qwen3</code></pre>
<p>The first of <code>CHATKEEP_LLM_MODELS</code> is the default. Leave the line out to offer everything the service
has.</p>
"""


def chosen_model(state: PageState) -> str | None:
    """The model picked in this tab; None leaves it to the chat and the server."""
    offered = [model.id for model in state.offer.models] if state.offer else []
    # The widget knows of a choice made a moment ago, the state of one whose widget this run has not come to yet.
    choice: str | None = st.session_state.get(_CHOICE, state.model)
    return choice if choice in offered and len(offered) > 1 else None


def show_model_choice(state: PageState) -> None:
    """A choice where there is one."""
    if state.offer is None or len(state.offer.models) < 2:
        return
    names = [model.id for model in state.offer.models]
    leave_it = QUOTES in names and state.offer.models[0].builtin
    with st.container(key="ck-models", width="content"):
        state.model = st.selectbox(
            "Model",
            [_AUTOMATIC, *names] if leave_it else names,
            key=_CHOICE,
            format_func=lambda name: _NAMES.get(name, name),
            label_visibility="collapsed",
            width=190,
            persist_state="session",
        )


def show_model_state(state: PageState) -> None:
    """Above the composer: that the models cannot be reached, or how far they are with loading."""
    if state.offer is None:
        return
    if state.offer.error:
        reason = plain_html(state.offer.error)
        st.html(
            f'<p class="ck-refused" role="alert"><strong>The model does not answer at the moment.</strong> {reason} '
            "You can read your chats; new messages may fail until it is back.</p>"
        )
    elif any(not model.ready for model in state.offer.models):
        _show_loading()


def show_honest_line(state: PageState) -> None:
    """Under the composer: that the small built-in model answers, or none, and where to learn how to change that."""
    words = _honest_words(state)
    if words is None or state.notice_dismissed:
        return
    with st.container(key="ck-honest", horizontal=True, gap=None, horizontal_alignment="center"):
        st.html(
            f'<p class="ck-honest" role="note">{words}</p>',
            width="content",
        )
        if st.button("Connect a better one", key="ck-connect", type="tertiary"):
            _show_how_to_connect()
        if st.button("Dismiss this notice", key="ck-dismiss", type="tertiary", icon=":material/close:"):
            state.notice_dismissed = True
            st.rerun()


def _honest_words(state: PageState) -> str | None:
    offered = state.offer.models if state.offer else []
    chosen = chosen_model(state)
    if chosen == QUOTES and not state.asks_documents:
        return "This only quotes from documents: choose some."
    if not any(model.builtin for model in offered):
        return None
    if chosen == QUOTES or (chosen is None and state.asks_documents and len(offered) > 1):
        return "Answers are quoted from your documents, word for word."
    return "This is the small built-in model: quick to try, and often wrong."


@st.dialog("Connect a better model")
def _show_how_to_connect() -> None:
    st.html(_CONNECT)


@st.fragment(run_every=1.0)
def _show_loading() -> None:
    """Look again every second until the model is there, then draw the page anew."""
    state = page_state()
    try:
        state.offer = client_for(page_key()).models()
    except ApiError:
        # The page as a whole knows what to do about it.
        st.rerun()
    loading = [model for model in state.offer.models if not model.ready]
    if not loading:
        st.rerun()
    st.progress(min(1.0, max(0.0, loading[0].progress)), text=f"Loading {label(loading[0].id)}")

"""The first minute: who you are, what you can do here, and something to begin with."""

import streamlit as st

from chatkeep_ui.answer_html import plain_html
from chatkeep_ui.chat_records import Account
from chatkeep_ui.composer import say
from chatkeep_ui.page_state import PageState

_PROMPTS = (
    ("Explain something", "Explain in three sentences how tides work."),
    ("Write a draft", "Write a short, friendly e-mail that moves a meeting to Thursday."),
    ("Plan a meal", "Suggest a simple dinner with eggs, spinach and rice."),
    ("Compare", "What is the difference between a list and a tuple in Python?"),
)
_OF_ANYTHING = "Ask anything. Your chats are kept on your own server, and nobody else who uses it can open them."
_OF_DOCUMENTS = "Ask your documents. Each answer names the passages it is from, and each of them opens at its page."


def show_welcome(account: Account, state: PageState) -> None:
    """Shown where there is no conversation yet."""
    name = account.name.split(" ", 1)[0] if account.name else ""
    greeting = f"Hello, {plain_html(name)}" if name else "Hello"
    words = _OF_DOCUMENTS if state.asks_documents else _OF_ANYTHING
    st.html(f'<div class="ck-welcome"><h1>{greeting}</h1><p>{words}</p></div>')
    if not state.asks_documents:
        _show_prompts(state)
    with st.container(key="ck-temporary", horizontal_alignment="center"):
        state.temporary = st.toggle(
            "Temporary: this chat deletes itself after a day", value=state.temporary, key="ck-temporary-toggle"
        )


def _show_prompts(state: PageState) -> None:
    with st.container(key="ck-prompts"):
        for number, (title, prompt) in enumerate(_PROMPTS):
            st.button(
                f"**{title}**  \n{prompt}",
                key=f"ck-prompt-{number}",
                width="stretch",
                on_click=say,
                args=(state, prompt),
            )

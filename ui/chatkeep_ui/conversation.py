"""The messages of a chat, and the answer that is being written."""

import time
from collections.abc import Sequence
from contextlib import closing

import streamlit as st

from chatkeep_ui.answer_html import answer_html, plain_html
from chatkeep_ui.answer_stream import Answer, follow
from chatkeep_ui.chat_records import RUNNING, ChatMessage
from chatkeep_ui.composer import say
from chatkeep_ui.page_state import PageState
from chatkeep_ui.signed_in import client_for, page_key

# How often a growing answer is drawn: at least this many seconds apart, and never more than a fifth of the time.
_DRAW_EVERY = 0.08
_DRAW_SHARE = 0.2
_COPY = '<button type="button" class="ck-copy" data-ck-copy="answer">Copy</button>'
_THINKING = '<p class="ck-thinking" role="status"><span class="ck-dots" aria-hidden="true"></span>Thinking</p>'
_ENDINGS = {
    "stopped": "You stopped this answer. What was written is kept.",
    "interrupted": "This answer was cut off because the server stopped. What was written is kept.",
    "failed": "This answer failed.",
}


def answer_being_written(path: Sequence[ChatMessage]) -> ChatMessage | None:
    """The last message, if it is an answer that still grows."""
    last = path[-1] if path else None
    return last if last is not None and last.status in RUNNING and last.generation_id is not None else None


def show_messages(state: PageState, path: Sequence[ChatMessage]) -> None:
    """All messages that are done, in one piece of HTML: a long conversation stays quick."""
    done = [message for message in path if message.status not in RUNNING]
    articles = "".join(_article(state, message) for message in done)
    st.html(f'<div class="ck-chat" role="log" aria-label="Conversation">{articles}</div>')
    last = path[-1]
    if last.status in _ENDINGS and len(path) > 1:
        before = path[-3].id if len(path) > 2 else None
        st.button(
            "Try again", icon=":material/refresh:", key="ck-retry", on_click=say, args=(state, path[-2].content, before)
        )


def show_growing(message: ChatMessage) -> None:
    """Draw the answer as it grows, until it has ended; then have the page drawn anew with what the server has kept.

    Raises:
        SignInEnded, ApiRefused, Unreachable: as in `problem.py`.
    """
    place = st.empty()
    place.html(_growing(Answer(status=message.status), message.content))
    took, ended = 0.0, False

    def interval() -> float:
        return max(_DRAW_EVERY, took / _DRAW_SHARE)

    with closing(follow(lambda: client_for(page_key()), message.generation_id or "", interval)) as answers:
        for answer in answers:
            began = time.perf_counter()
            # Also when nothing is new: it is here that Streamlit may interrupt, to stop, or to go elsewhere.
            place.html(_growing(answer, message.content))
            took = time.perf_counter() - began
            ended = answer.status not in RUNNING
    if ended:
        st.rerun()
    _look_again([])


@st.fragment(run_every=2.0)
def _look_again(looked: list[bool]) -> None:
    """The events are gone, yet the message says that it grows: the server has not yet found out that it was cut off."""
    if looked:
        st.rerun()
    looked.append(True)


def _growing(answer: Answer, known: str) -> str:
    if answer.text or known:
        body = answer_html(answer.text or known, growing=True)
    elif answer.status == "queued":
        body = f'<p class="ck-thinking" role="status">Waiting for its turn: number {answer.position} in the queue.</p>'
    else:
        body = _THINKING
    return f'<article class="ck-message ck-answer ck-growing" aria-label="Answer" aria-busy="true">{body}</article>'


def _article(state: PageState, message: ChatMessage) -> str:
    known = state.html.get(message.id)
    if known is None or known[0] != message.status:
        known = (message.status, _user(message) if message.role == "user" else _answer(message))
        state.html[message.id] = known
    return known[1]


def _user(message: ChatMessage) -> str:
    return f'<article class="ck-message ck-user" aria-label="You"><div>{plain_html(message.content)}</div></article>'


def _answer(message: ChatMessage) -> str:
    body = f'<div class="ck-words">{answer_html(message.content)}</div>' if message.content else ""
    note = _ENDINGS.get(message.status, "")
    if message.status == "failed" and message.error:
        note = f"{note} {message.error}"
    if note:
        body += f'<p class="ck-ending">{plain_html(note)}</p>'
    copy = f'<div class="ck-tools">{_COPY}</div>' if message.content else ""
    return f'<article class="ck-message ck-answer" aria-label="Answer">{body}{copy}</article>'

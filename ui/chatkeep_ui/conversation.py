"""The messages of a chat, and the answer that is being written."""

import time
from collections.abc import Sequence
from contextlib import closing

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from chatkeep_ui.answer_stream import Answer, follow
from chatkeep_ui.chat_records import RUNNING, Branch, ChatMessage
from chatkeep_ui.edit_question import show_editor
from chatkeep_ui.message_html import growing_html, message_html, reasoning_html
from chatkeep_ui.page_state import MESSAGES_AT_FIRST, PageState
from chatkeep_ui.signed_in import client_for, page_key

# How often a growing answer is drawn: at least this many seconds apart, and never more than a fifth of the time.
_DRAW_EVERY = 0.08
_DRAW_SHARE = 0.2


def answer_being_written(messages: Sequence[ChatMessage]) -> ChatMessage | None:
    """The last message, if it is an answer that still grows."""
    last = messages[-1] if messages else None
    return last if last is not None and last.status in RUNNING and last.generation_id is not None else None


def show_messages(state: PageState, branch: Branch, *, settled: bool) -> None:
    """All messages that are done, in one piece of HTML: a long conversation stays quick."""
    if branch.earlier:
        with st.container(key="ck-earlier", horizontal_alignment="center"):
            st.button("Show earlier", type="tertiary", key="ck-earlier-button", on_click=_show_earlier, args=(state,))
    done = [message for message in branch.messages if message.status not in RUNNING]
    edited = [n for n, message in enumerate(done) if message.id == state.editing] if settled else []
    if not edited:
        _show_part(state, done, settled=settled)
        return
    place = edited[0]
    _show_part(state, done[:place], settled=settled)
    show_editor(state, done[place])
    _show_part(state, done[place + 1 :], settled=settled)


def show_growing(message: ChatMessage) -> None:
    """Draw the answer as it grows, until it has ended; then have the page drawn anew with what the server has kept.

    Raises:
        SignInEnded, ApiRefused, Unreachable: as in `problem.py`.
    """
    # Two places: what is folded open in the first stays open while the second grows.
    thoughts, words = st.empty(), st.empty()
    drawn = Answer(status=message.status, reasoning=message.reasoning)
    _draw(thoughts, words, drawn, message)
    took, ended = 0.0, False

    def interval() -> float:
        return max(_DRAW_EVERY, took / _DRAW_SHARE)

    with closing(follow(lambda: client_for(page_key()), message.generation_id or "", interval)) as answers:
        for answer in answers:
            began = time.perf_counter()
            # Also when nothing is new: it is here that Streamlit may interrupt, to stop, or to go elsewhere.
            _draw(thoughts, words, answer, message)
            took = time.perf_counter() - began
            ended = answer.status not in RUNNING
    if ended:
        st.rerun()
    _look_again([])


def _draw(thoughts: DeltaGenerator, words: DeltaGenerator, answer: Answer, message: ChatMessage) -> None:
    reasoning = answer.reasoning or message.reasoning
    if reasoning:
        thoughts.html(reasoning_html(reasoning, growing=not answer.text))
    words.html(growing_html(answer, message.content))


def _show_part(state: PageState, messages: Sequence[ChatMessage], *, settled: bool) -> None:
    articles = "".join(message_html(state, message, settled=settled) for message in messages)
    st.html(f'<div class="ck-chat" role="log" aria-label="Conversation">{articles}</div>')


def _show_earlier(state: PageState) -> None:
    state.messages_shown += 2 * MESSAGES_AT_FIRST


@st.fragment(run_every=2.0)
def _look_again(looked: list[bool]) -> None:
    """The events are gone, yet the message says that it grows: the server has not yet found out that it was cut off."""
    if looked:
        st.rerun()
    looked.append(True)

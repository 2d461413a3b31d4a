"""What one open tab remembers between two runs of the script, in Streamlit's session state. It ends with the tab."""

from dataclasses import dataclass, field
from typing import cast
from uuid import uuid4

import streamlit as st

from chatkeep_ui.chat_ids import find_chat_id
from chatkeep_ui.chat_records import Account, ModelOffer

_KEY = "chatkeep"
SESSIONS_AT_FIRST = 30


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A message on its way to a chat, or to a new one. `parent_id` is the answer it follows, if not the last."""

    text: str
    session_id: str | None
    model: str | None
    parent_id: str | None = None


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why the API did not take the last message of a chat; `passing` when it is only waiting for an answer to end."""

    session_id: str | None
    reason: str
    passing: bool = False


@dataclass(slots=True)
class PageState:
    """Typed, unlike the dictionary it lies in."""

    owner: str = ""
    account: Account | None = None
    offer: ModelOffer | None = None
    model: str | None = None
    outgoing: Outgoing | None = None
    refusal: Refusal | None = None
    back_into_box: str | None = None
    to_stop: str | None = None
    attempt: tuple[str, str] = ("", "")
    sessions_shown: int = SESSIONS_AT_FIRST
    notice_dismissed: bool = False
    html: dict[str, tuple[str, str]] = field(default_factory=dict)

    def belongs_to(self, user_id: str) -> bool:
        """Whether this is `user_id`'s memory. A tab belongs to whom it was first shown to."""
        self.owner = self.owner or user_id
        return self.owner == user_id

    def idempotency_key(self, session_id: str, text: str) -> str:
        """The same key for the same words sent to the same chat, until they have been taken."""
        words = f"{session_id}\n{text}"
        if self.attempt[0] != words:
            self.attempt = (words, str(uuid4()))
        return self.attempt[1]


def page_state() -> PageState:
    """This tab's memory."""
    state = cast("PageState | None", st.session_state.get(_KEY))
    if state is None:
        state = st.session_state[_KEY] = PageState()
    return state


def chat_id() -> str | None:
    """The chat in the address, `?chat=<id>`."""
    return find_chat_id(st.query_params.get("chat"))


def names_no_chat() -> bool:
    """Whether the address asks for a chat by something that is no chat's id."""
    return bool(st.query_params.get("chat")) and chat_id() is None


def go_to(session_id: str | None) -> None:
    """Put another chat, or none, into the address."""
    if session_id is None:
        st.query_params.pop("chat", None)
    else:
        st.query_params["chat"] = session_id

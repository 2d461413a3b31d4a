"""What one open tab remembers between two runs of the script, in Streamlit's session state. It ends with the tab."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, cast
from uuid import uuid4

import streamlit as st

from chatkeep_ui.chat_ids import find_chat_id
from chatkeep_ui.chat_records import NO_DOCUMENTS, Account, DocumentUse, ModelOffer
from chatkeep_ui.click import Click

_KEY = "chatkeep"
SESSIONS_AT_FIRST = 30
HITS_AT_FIRST = 20
MESSAGES_AT_FIRST = 50


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A message on its way to a chat, or to a new one.

    `edited` is the question that it takes the place of: it follows the same answer, `parent_id`, or begins the chat.
    """

    text: str
    session_id: str | None
    model: str | None
    edited: str | None = None
    parent_id: str | None = None


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why the API did not do the last thing asked of it in a chat; `what` says which, for the reader.

    It is `passing` when it is only waiting for an answer to end.
    """

    session_id: str | None
    reason: str
    what: str = "Not sent."
    passing: bool = False


@dataclass(frozen=True, slots=True)
class Undoable:
    """A chat that has just gone to the bin, or to the archive."""

    session_id: str
    title: str
    into: Literal["bin", "archive"]


@dataclass(slots=True)
class PageState:
    """Typed, unlike the dictionary it lies in. `documents` is for the next new chat; whether the answers of the one on
    show draw on any, `asks_documents` says.
    """

    owner: str = ""
    account: Account | None = None
    offer: ModelOffer | None = None
    model: str | None = None
    outgoing: Outgoing | None = None
    refusal: Refusal | None = None
    back_into_box: str | None = None
    to_stop: str | None = None
    clicked: Click | None = None
    editing: str | None = None
    to_find: str | None = None
    found: str | None = None
    undoable: Undoable | None = None
    temporary: bool = False
    documents: DocumentUse = NO_DOCUMENTS
    to_choose: DocumentUse | None = None
    collections: Mapping[str, str] | None = None
    collections_at: float = 0.0
    holds_documents: bool = False
    asks_documents: bool = False
    untitled: str | None = None
    looks_for_title: int = 0
    attempt: tuple[str, str] = ("", "")
    sessions_shown: int = SESSIONS_AT_FIRST
    hits_shown: int = HITS_AT_FIRST
    messages_shown: int = MESSAGES_AT_FIRST
    chat_shown: str | None = None
    quota: tuple[object, str] | None = None
    notice_dismissed: bool = False
    html: dict[str, tuple[str, str]] = field(default_factory=dict)

    def belongs_to(self, user_id: str) -> bool:
        """Whether this is `user_id`'s memory. A tab belongs to whom it was first shown to."""
        self.owner = self.owner or user_id
        return self.owner == user_id

    def turn_to(self, session_id: str | None) -> None:
        """Another chat than the one shown before begins at its end, with nothing open in it."""
        if session_id != self.chat_shown:
            self.chat_shown, self.messages_shown = session_id, MESSAGES_AT_FIRST
            self.editing = self.to_find = self.found = None

    def idempotency_key(self, session_id: str, outgoing: Outgoing) -> str:
        """The same key for the same words sent to the same place, until they have been taken."""
        words = f"{session_id}\n{outgoing.edited}\n{outgoing.text}"
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

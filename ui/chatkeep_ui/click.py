"""What a click on a button within a message, or within a search result, asks for."""

from dataclasses import dataclass
from typing import Literal, Self, cast, get_args
from uuid import uuid4

from chatkeep_ui.chat_ids import find_chat_id

Verb = Literal["edit", "again", "show", "open"]


@dataclass(frozen=True, slots=True)
class Click:
    """`edit` a question, answer it `again`, `show` the branch through a message, `open` the chat where it was found.

    `key` makes it harmless to do it twice.
    """

    verb: Verb
    message_id: str
    session_id: str | None
    key: str

    @classmethod
    def find(cls, written: str) -> Self | None:
        """What stands in the box; None where it is nothing that a button of ours says."""
        verb, _, ids = written.partition(" ")
        found = [find_chat_id(each) for each in ids.split(" ")]
        if verb not in get_args(Verb) or len(found) not in (1, 2) or found[0] is None:
            return None
        return cls(cast(Verb, verb), found[0], found[1] if len(found) == 2 else None, str(uuid4()))

"""Where a sign-in leads: back to the page that one came for. Never to another site."""

import re
from collections.abc import Mapping

from chatkeep_ui.chat_ids import find_chat_id

# The pages of the account, of the administration and of documents, as they are written in our own links.
_OWN_PAGE = re.compile(r"/(?:account|manage|library)(?:/[a-z0-9-]{1,64}){0,3}")


def own_page_in(text: object) -> str:
    """A path below /account, /manage or /library; empty where it is anything else."""
    return text if isinstance(text, str) and _OWN_PAGE.fullmatch(text) else ""


def destination(typed: Mapping[str, str]) -> str:
    """The address that the form's hidden fields ask for: a chat, one of our own pages, or the chats."""
    chat = find_chat_id(typed.get("chat"))
    return f"/?chat={chat}" if chat else own_page_in(typed.get("then")) or "/"

"""Which messages of a chat are loaded: the newest, and as many more as it takes to see one that was found."""

from chatkeep_ui.api_client import MOST_MESSAGES, ApiClient
from chatkeep_ui.chat_records import Branch
from chatkeep_ui.page_state import PageState
from chatkeep_ui.problem import NotThere

# So many messages before the one found tell where it stands.
_BEFORE_FOUND = 10


def load_branch(client: ApiClient, state: PageState, session_id: str) -> Branch:
    """The end of the branch on show. A message found by a search may lie far back in it, or in another branch.

    Raises:
        SignInEnded, NotThere, ApiRefused, Unreachable: as in `problem.py`.
    """
    if state.to_find is not None:
        _make_room_for(client, state, session_id, state.to_find)
        # Once only: what is shown afterwards is for the reader to say.
        state.found, state.to_find = state.to_find, None
    return client.messages(session_id, state.messages_shown)


def _make_room_for(client: ApiClient, state: PageState, session_id: str, message_id: str) -> None:
    branch = client.messages(session_id, MOST_MESSAGES)
    if not _from_end(branch, message_id):
        try:
            client.show_branch(session_id, message_id)
        except NotThere:
            # Deleted since it was found. The chat is shown as it is.
            return
        branch = client.messages(session_id, MOST_MESSAGES)
    state.messages_shown = max(state.messages_shown, _from_end(branch, message_id) + _BEFORE_FOUND)


def _from_end(branch: Branch, message_id: str) -> int:
    """How many messages it takes from the end to have this one among them; 0 where it is not there."""
    for number, message in enumerate(reversed(branch.messages), 1):
        if message.id == message_id:
            return number
    return 0

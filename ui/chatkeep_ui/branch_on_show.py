"""Which messages of a chat are loaded: the newest, and as many more as it takes to see one that was found."""

from chatkeep_ui.api_client import MOST_MESSAGES, ApiClient
from chatkeep_ui.chat_records import Branch
from chatkeep_ui.page_state import PageState

# So many messages before the one found tell where it stands.
_BEFORE_FOUND = 10


def load_branch(client: ApiClient, state: PageState, session_id: str) -> Branch:
    """The end of the branch on show. A message found by a search may lie far back in it, or in another branch.

    Raises:
        SignInEnded, NotThere, ApiRefused, Unreachable: as in `problem.py`.
    """
    branch = client.messages(session_id, state.messages_shown)
    if state.found is None or _from_end(branch, state.found):
        return branch
    further = client.messages(session_id, MOST_MESSAGES) if branch.earlier else branch
    if not _from_end(further, state.found):
        client.show_branch(session_id, state.found)
        further = client.messages(session_id, MOST_MESSAGES)
    state.messages_shown = max(state.messages_shown, _from_end(further, state.found) + _BEFORE_FOUND)
    return client.messages(session_id, state.messages_shown)


def _from_end(branch: Branch, message_id: str) -> int:
    """How many messages it takes from the end to have this one among them; 0 where it is not there."""
    for number, message in enumerate(reversed(branch.messages), 1):
        if message.id == message_id:
            return number
    return 0

"""Ids of chats, where they come from outside: the address bar, and the sign-in form that leads back to a chat."""

from uuid import UUID


def find_chat_id(text: object) -> str | None:
    """The id that `text` means, in canonical form; None unless a UUID, so that it can lead nowhere else."""
    try:
        return str(UUID(str(text)))
    except ValueError:
        return None

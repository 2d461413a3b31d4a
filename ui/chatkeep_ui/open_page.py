"""The page that is open in this process: how Streamlit's script finds its way back.

Streamlit executes the script by path, on threads of its own, and hands it nothing: no argument, no app, no context
variable. Module state is the only way across, so the one process-wide registry of the project is here. `page.py` opens
it for as long as the page runs; everything else is passed down.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from chatkeep_ui.api_connection import ApiConnection
from chatkeep_ui.vault import Vault


@dataclass(frozen=True, slots=True)
class OpenPage:
    """What the script needs to act for the user in front of it."""

    vault: Vault
    api: ApiConnection


_open: list[OpenPage] = []


@contextmanager
def opened(page: OpenPage) -> Iterator[None]:
    """Register the page.

    Raises:
        RuntimeError: another page is open in this process; Streamlit cannot run two.
    """
    if _open:
        raise RuntimeError("another page is open in this process, and Streamlit runs one at a time")
    _open.append(page)
    try:
        yield
    finally:
        _open.remove(page)


def current() -> OpenPage:
    """The open page.

    Raises:
        RuntimeError: the script runs outside a page.
    """
    if not _open:
        raise RuntimeError("no page is open: start it with `chatkeep serve`")
    return _open[0]

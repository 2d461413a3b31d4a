"""The data directory: made private, and with SQLite used by one server at a time."""

import contextlib
import fcntl
from collections.abc import Iterator
from pathlib import Path

LOCK_FILE = "server.lock"


class DataDirUnusable(Exception):
    """The server refuses to start: the message says what to do."""


def make_private(directory: Path) -> None:
    """Create the directory if need be, open to nobody else.

    Raises:
        DataDirUnusable: it cannot be created or written to.
    """
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        (directory / LOCK_FILE).touch(mode=0o600)
    except OSError as error:
        raise DataDirUnusable(f"CHATKEEP_DATA_DIR: cannot use {directory} ({error.strerror})") from None


@contextlib.contextmanager
def one_server(directory: Path) -> Iterator[None]:
    """Hold the directory while the block lasts; the kernel lets go of it however the process ends.

    With SQLite a server takes for granted that answers marked as running at its start are nobody's.

    Raises:
        DataDirUnusable: another server holds it.
    """
    with (directory / LOCK_FILE).open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise DataDirUnusable(
                f"CHATKEEP_DATA_DIR: another chatkeep server is using {directory.absolute()}. Stop it, choose another "
                "directory with --data-dir, or set CHATKEEP_DATABASE_URL to PostgreSQL to run several."
            ) from None
        yield

"""The data directory, made private; and with SQLite one server at a time on one database."""

import contextlib
import fcntl
import os
import stat
from collections.abc import Iterator
from pathlib import Path


class DataDirUnusable(Exception):
    """The server refuses to start: the message says what to do."""


def make_private(directory: Path) -> None:
    """Create the directory if need be; nobody else may look into it from here on.

    Raises:
        DataDirUnusable: it cannot be created or written to.
    """
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        _close_to_others(directory)
    except OSError as error:
        raise DataDirUnusable(f"CHATKEEP_DATA_DIR: cannot use {directory} ({error.strerror})") from None
    if not os.access(directory, os.W_OK | os.X_OK):
        raise DataDirUnusable(f"CHATKEEP_DATA_DIR: cannot write to {directory}")


def _close_to_others(directory: Path) -> None:
    found = directory.stat()
    # A directory with the sticky bit, such as /tmp, is there for everybody: closing it would break the machine.
    if found.st_uid == os.geteuid() and found.st_mode & 0o077 and not found.st_mode & stat.S_ISVTX:
        directory.chmod(0o700)


@contextlib.contextmanager
def one_server(database: Path) -> Iterator[None]:
    """Hold the database file while the block lasts; the kernel lets go of it however the process ends.

    With SQLite a server takes for granted that answers marked as running at its start are nobody's. The lock is on a
    file beside the database: to open and close the database itself would drop SQLite's own locks.

    Raises:
        DataDirUnusable: another server holds it, or there can be no file.
    """
    file = database.resolve()
    try:
        lock = file.with_name(f"{file.name}.lock").open("a")
    except OSError as error:
        raise DataDirUnusable(f"CHATKEEP_DATABASE_URL: cannot use {file} ({error.strerror})") from None
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise DataDirUnusable(
                f"CHATKEEP_DATA_DIR, CHATKEEP_DATABASE_URL: another chatkeep server is using {file}. Stop it, choose "
                "another directory with --data-dir, or set CHATKEEP_DATABASE_URL to PostgreSQL to run several."
            ) from None
        except OSError as error:
            raise DataDirUnusable(f"CHATKEEP_DATABASE_URL: cannot lock {file} ({error.strerror})") from None
        yield

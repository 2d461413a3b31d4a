"""The file that holds the keys: readable by its owner alone, replaced as a whole, changed by one process at a time."""

import contextlib
import os
import secrets
import stat
import sys
from collections.abc import Iterator
from pathlib import Path

if sys.platform != "win32":
    import fcntl


class KeyFile:
    """One file, by its path."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @property
    def _target(self) -> Path:
        """Where the content lies, if `path` is a symbolic link: a replacement must not replace the link."""
        return self.path.resolve()

    def stamp(self) -> tuple[int, int, int]:
        """Differs when the file was replaced, written to, or had its mode changed. One system call.

        Raises:
            OSError: the file is not there.
        """
        found = self.path.stat()
        return found.st_ino, found.st_ctime_ns, found.st_size

    def read(self) -> bytes:
        """The content.

        Raises:
            OSError: the file cannot be read.
            ValueError: others than its owner can.
        """
        mode = stat.S_IMODE(self.path.stat().st_mode)
        if os.name == "posix" and mode & 0o077:
            raise ValueError(f"{self.path} holds private keys but has mode {mode:04o}: run chmod 600 on it")
        return self.path.read_bytes()

    def create(self, content: str) -> None:
        """Write `content` where no file is yet; where one is, it stays as it is."""
        with self._draft(content) as draft, contextlib.suppress(FileExistsError):
            # A hard link appears whole or not at all, so processes that start at once end with the same keys.
            os.link(draft, self._target)

    def replace(self, content: str) -> None:
        """Put `content` in the place of what is there. A reader, and a crash, find the old or the new.

        Raises:
            OSError: the directory cannot be written to, or the file would change its owner.
        """
        before = self.path.stat()
        with self._draft(content) as draft:
            # A rotation by root must not take the file away from the server that runs as somebody else.
            if os.name == "posix" and (before.st_uid, before.st_gid) != (os.geteuid(), os.getegid()):
                os.chown(draft, before.st_uid, before.st_gid)
            draft.replace(self._target)
        self._sync_directory()

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Hold off every other process that would change the file; the kernel lets go however this one ends.

        The lock is on a file beside it, because the file itself is replaced.
        """
        descriptor = os.open(self._target.with_name(f"{self._target.name}.lock"), os.O_WRONLY | os.O_CREAT, 0o600)
        try:
            if sys.platform != "win32":
                fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)

    @contextlib.contextmanager
    def _draft(self, content: str) -> Iterator[Path]:
        draft = self._target.with_name(f".{self._target.name}.{secrets.token_hex(8)}")
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            with os.fdopen(descriptor, "w", encoding="utf-8") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            yield draft
        finally:
            draft.unlink(missing_ok=True)

    def _sync_directory(self) -> None:
        # Without it a power cut may bring the old directory entry back, after tokens were signed with the new key.
        if os.name == "posix":
            descriptor = os.open(self._target.parent, os.O_RDONLY)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)

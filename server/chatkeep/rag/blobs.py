"""The originals, on the disk: one file for each document, in a folder for each tenant. Instances share that directory.

A file gets its name once it is whole and on the disk; until then it is under `arriving`, where nobody looks for it.
"""

import asyncio
import contextlib
import hashlib
import os
import shutil
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import BinaryIO

from uuid_utils.compat import uuid7

from chatkeep.index.port import TenantId
from chatkeep.rag.errors import DocumentsFull

_ARRIVING = "arriving"
_PIECE = 2**20
_READ = 2**18
# Whatever has lain there so long belongs to nobody: no upload takes an hour.
_ABANDONED_SECONDS = 3600.0


class Blobs:
    """The files in `directory`."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def path(self, tenant: TenantId, document_id: str) -> Path:
        """Where the original is, or would be."""
        return self._folder(tenant) / document_id

    @contextlib.asynccontextmanager
    async def arriving(self) -> AsyncIterator["Arrival"]:
        """A file that comes piece by piece; what has not been kept by the end of the block is gone.

        Raises:
            DocumentsFull: the disk is full.
        """
        arrival = Arrival(await asyncio.to_thread(self._create))
        try:
            yield arrival
        finally:
            await asyncio.shield(asyncio.to_thread(arrival.discard))

    async def keep(self, arrival: "Arrival", tenant: TenantId, document_id: str) -> None:
        """Give a file that has arrived its name. It is on the disk when this returns.

        Raises:
            DocumentsFull: the disk is full.
        """
        await arrival.flush()
        with told_of_a_full_disk():
            await asyncio.to_thread(_rename, arrival.path, self.path(tenant, document_id))

    async def read(self, tenant: TenantId, document_id: str) -> AsyncIterator[bytes]:
        """The original, piece by piece.

        Raises:
            FileNotFoundError
        """
        # Not in a thread: cancelled in between, nobody would close it.
        with self.path(tenant, document_id).open("rb") as file:
            while piece := await asyncio.to_thread(file.read, _READ):
                yield piece

    async def delete(self, tenant: TenantId, document_id: str | None) -> int:
        """Delete one original, or all of a tenant; returns how many there were."""
        if document_id is None:
            return await asyncio.to_thread(_delete_folder, self._folder(tenant))
        return await asyncio.to_thread(_delete_file, self.path(tenant, document_id))

    async def sweep(self, older_than_seconds: float = _ABANDONED_SECONDS) -> int:
        """Delete what began to arrive and whose process has ended since; returns how many."""
        return await asyncio.to_thread(self._sweep, older_than_seconds)

    def list_files(self) -> Iterator[tuple[str, str, Path]]:
        """Folder, document and path of every original: for counting orphans."""
        for folder in _entries(self._directory):
            if folder.name != _ARRIVING:
                yield from ((folder.name, file.name, file) for file in _entries(folder))

    def folder_name(self, tenant: TenantId) -> str:
        """As `list_files` gives it. It tells no user's id to whoever sees a listing."""
        return hashlib.sha256(tenant.encode()).hexdigest()[:40]

    def _folder(self, tenant: TenantId) -> Path:
        return self._directory / self.folder_name(tenant)

    def _create(self) -> Path:
        with told_of_a_full_disk():
            folder = self._directory / _ARRIVING
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            path = folder / str(uuid7())
            path.touch(mode=0o600, exist_ok=False)
            return path

    def _sweep(self, older_than_seconds: float) -> int:
        before = time.time() - older_than_seconds
        count = 0
        for file in _entries(self._directory / _ARRIVING):
            with contextlib.suppress(FileNotFoundError):
                if file.stat().st_mtime <= before:
                    file.unlink()
                    count += 1
        return count


class Arrival:
    """A file on its way in.

    Attributes:
        size: of what has come.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.size = 0
        self._digest = hashlib.sha256()
        self._waiting = bytearray()

    @property
    def sha256(self) -> str:
        return self._digest.hexdigest()

    async def write(self, piece: bytes) -> None:
        """Take the next piece.

        Raises:
            DocumentsFull: the disk is full.
        """
        self.size += len(piece)
        self._waiting += piece
        if len(self._waiting) >= _PIECE:
            await self._write_out(sync=False)

    async def flush(self) -> None:
        """Let all that has come be on the disk.

        Raises:
            DocumentsFull: the disk is full.
        """
        await self._write_out(sync=True)

    def discard(self) -> None:
        """Without effect once it has a name."""
        self.path.unlink(missing_ok=True)

    async def _write_out(self, *, sync: bool) -> None:
        waiting, self._waiting = bytes(self._waiting), bytearray()

        def run() -> None:
            self._digest.update(waiting)
            with self.path.open("ab") as file:
                file.write(waiting)
                if sync:
                    _flush(file)

        with told_of_a_full_disk():
            await asyncio.to_thread(run)


@contextlib.contextmanager
def told_of_a_full_disk() -> Iterator[None]:
    """Whatever keeps a file from being written is the disk's matter, and no error of the request's.

    Raises:
        DocumentsFull
    """
    try:
        yield
    except OSError as error:
        raise DocumentsFull("The server cannot store the file now. Tell its operator, and try again.") from error


def _flush(file: BinaryIO) -> None:
    file.flush()
    os.fsync(file.fileno())


def _rename(source: Path, target: Path) -> None:
    while True:
        target.parent.mkdir(mode=0o700, exist_ok=True)
        try:
            source.replace(target)
            break
        except FileNotFoundError:
            # Whoever deletes the last file of a folder takes the folder along, perhaps between these two lines.
            if not source.exists():
                raise
    # The name is on the disk once its directory is.
    for directory in (target.parent, target.parent.parent):
        descriptor = os.open(directory, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _delete_file(path: Path) -> int:
    try:
        path.unlink()
    except FileNotFoundError:
        return 0
    with contextlib.suppress(OSError):  # others are in it, or another has just removed it
        path.parent.rmdir()
    return 1


def _delete_folder(folder: Path) -> int:
    count = sum(1 for _ in _entries(folder))
    shutil.rmtree(folder, ignore_errors=False) if folder.exists() else None
    return count


def _entries(folder: Path) -> list[Path]:
    try:
        return sorted(folder.iterdir())
    except (FileNotFoundError, NotADirectoryError):
        return []

"""The folder of the embedded indexes: which there are, and that nobody else has them open."""

import contextlib
import fcntl
import os
import shutil
import time
from collections.abc import Iterable
from pathlib import Path

import msgspec

from chatkeep.index.edge_shard import EdgeShard
from chatkeep.index.naming import description, index_name, read_description
from chatkeep.index.port import IndexSpec

# Written last: a folder without it was never finished, or is being deleted.
_DESCRIPTION = "index.json"
# A predecessor whose server has just been killed may take a moment to let go; then it is tried again from outside.
_LOCK_SECONDS = 1.0


class ShelfUnusable(Exception):
    """The indexes cannot be used; the message says why, and names no path."""


class Shelf:
    """Opens indexes with their first use, and holds them and their lock until the process ends.

    Raises:
        ShelfUnusable: the folder cannot be used, or another process has it.
    """

    def __init__(self, directory: Path, *, lock_seconds: float = _LOCK_SECONDS) -> None:
        self._directory = directory
        self._shards: dict[IndexSpec, EdgeShard] = {}
        try:
            directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            # Held until the process ends, however it does.
            self._lock = (directory / "lock").open("a")
        except OSError as error:
            raise ShelfUnusable(f"the folder of the index cannot be used ({error.strerror})") from None
        self._take_lock(time.monotonic() + lock_seconds)

    def open(self, spec: IndexSpec) -> EdgeShard:
        """The index, created if there is none yet.

        Raises:
            ShelfUnusable: it is damaged.
        """
        if spec not in self._shards:
            folder = self._directory / index_name(spec)
            if not (folder / _DESCRIPTION).exists():
                _create(folder, spec)
            try:
                self._shards[spec] = EdgeShard(folder / "shard", spec)
            except Exception:  # noqa: BLE001 - the engine raises nothing finer
                raise ShelfUnusable(
                    f"the index {folder.name} cannot be opened: it is damaged. Put its folder back from a backup, or "
                    "move it away and index the documents again"
                ) from None
        return self._shards[spec]

    def opened(self) -> Iterable[EdgeShard]:
        return self._shards.values()

    def list_specs(self) -> list[IndexSpec]:
        specs = []
        for file in sorted(self._directory.glob(f"*/{_DESCRIPTION}")):
            with contextlib.suppress(msgspec.DecodeError):
                spec = read_description(msgspec.json.decode(file.read_bytes()))
                if spec is not None:
                    specs.append(spec)
        return specs

    def drop(self, spec: IndexSpec) -> None:
        shard = self._shards.pop(spec, None)
        if shard is not None:
            shard.close()
        folder = self._directory / index_name(spec)
        (folder / _DESCRIPTION).unlink(missing_ok=True)
        if folder.exists():
            shutil.rmtree(folder)

    def close(self) -> None:
        for shard in self._shards.values():
            shard.close()
        self._shards.clear()

    def _take_lock(self, until: float) -> None:
        while True:
            with contextlib.suppress(BlockingIOError):
                fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return
            if time.monotonic() > until:
                raise ShelfUnusable(
                    "another server has the index of this data directory open. Stop it, or let several share a Qdrant "
                    "server: CHATKEEP_QDRANT_URL"
                )
            time.sleep(0.05)


def _create(folder: Path, spec: IndexSpec) -> None:
    """A crash in the middle leaves a folder without a description, and the next attempt begins with an empty one."""
    if folder.exists():
        shutil.rmtree(folder)
    (folder / "shard").mkdir(mode=0o700, parents=True)
    EdgeShard.create(folder / "shard", spec)
    new = folder / f"{_DESCRIPTION}.new"
    with new.open("wb") as file:
        file.write(msgspec.json.format(msgspec.json.encode(description(spec))))
        file.flush()
        os.fsync(file.fileno())
    new.rename(folder / _DESCRIPTION)
    _sync_folder(folder)
    _sync_folder(folder.parent)


def _sync_folder(folder: Path) -> None:
    fd = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)

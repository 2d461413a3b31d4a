"""A Chromium for tests. Playwright drives it; a browser of Playwright's own is never downloaded."""

import os
import shutil
import sys
from pathlib import Path

from testbed.unavailable import Unavailable

VARIABLE = "CHATKEEP_TEST_CHROMIUM"

_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
_MAC_APPLICATIONS = (
    "/Applications/Chromium.app/Contents/MacOS/Chromium",
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
)

# A browser that looks nothing up on its own, so that what it asks for is what the page asked for.
FLAGS = (
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


def find_chromium() -> Path:
    """The browser's program.

    Raises:
        Unavailable: there is none.
    """
    if named := os.environ.get(VARIABLE):
        if not Path(named).is_file():
            raise Unavailable(f"no Chromium at {named}, which {VARIABLE} names")
        return Path(named)
    for name in _NAMES:
        if found := shutil.which(name):
            return Path(found)
    if sys.platform == "darwin":
        for application in map(Path, _MAC_APPLICATIONS):
            if application.exists():
                return application
    raise Unavailable(f"no Chromium: install your system's package chromium, or name one in {VARIABLE}")


def launch_flags() -> list[str]:
    """Flags for Playwright's `launch(args=...)`."""
    # Chromium's sandbox refuses to run as root, as continuous integration often is.
    return [*FLAGS, *(["--no-sandbox"] if os.geteuid() == 0 else [])]

"""What a process does that the server has started, before anything else."""

import ctypes
import os
import signal
import sys
from collections.abc import Callable

_PR_SET_PDEATHSIG = 1  # <linux/prctl.h>


def die_with(parent: int) -> None:
    """End when the parent does, however it goes. Elsewhere than on Linux, the end of standard input has to tell."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    # The parent may have died before the line above took hold.
    if os.getppid() != parent:
        os._exit(0)


def keep_output() -> Callable[[bytes], None]:
    """What writes to standard output from here on, all of it: whatever a library prints goes to standard error."""
    output = os.fdopen(os.dup(1), "wb", buffering=0)
    os.dup2(2, 1)

    def write(message: bytes) -> None:
        unsent = memoryview(message)
        while unsent:
            unsent = unsent[output.write(unsent) :]

    return write

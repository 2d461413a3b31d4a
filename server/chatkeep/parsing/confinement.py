"""What the process that reads documents gives up before it reads one: time, memory, files, the network, its parent's
lifetime. Each wall stands on its own; those that a system does not have are left out.
"""

import contextlib
import ctypes
import os
import resource
import signal
import sys

from chatkeep.parsing.landlock import give_up_files
from chatkeep.parsing.limits import Limits

# <linux/prctl.h>, <linux/sched.h>
_PR_SET_PDEATHSIG = 1
_PR_SET_NO_NEW_PRIVS = 38
_CLONE_NEWUSER = 0x10000000
_CLONE_NEWNET = 0x40000000

# Beside Python's own folders: what a library that is loaded later, such as PDFium, is linked to.
_LIBRARIES = ("/lib", "/lib64", "/usr/lib", "/usr/lib64", "/usr/local/lib", "/etc/ld.so.cache")
_NICENESS = 10
_OPEN_FILES = 64
_RESERVE = 32 * 2**20


def confine(limits: Limits, parent: int) -> None:
    """From here on for good. `parent` is the process without which this one is to end."""
    if sys.platform == "linux":
        _tie_to(parent)
        _leave_the_network()
        give_up_files([*sys.path, *_LIBRARIES, *filter(None, [limits.tokenizer])])
    os.nice(_NICENESS)
    _limit(resource.RLIMIT_AS, limits.memory_bytes, limits.memory_bytes + _RESERVE)
    # The kernel's first word is SIGXCPU, by which the parent knows; its second, a little later, SIGKILL.
    _limit(resource.RLIMIT_CPU, limits.cpu_seconds, limits.cpu_seconds + 2)
    for what, most in (
        (resource.RLIMIT_NOFILE, _OPEN_FILES),
        (resource.RLIMIT_FSIZE, 0),  # pipes are no files: the result still goes out
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_NPROC, 0),  # no process and no thread; root is not bound by it
    ):
        _limit(what, most, most)


def open_reserve() -> None:
    """Memory enough to say that there was not enough."""
    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    _limit(resource.RLIMIT_AS, hard, hard)


def _limit(what: int, soft: int, hard: int) -> None:
    # A hard limit that is lower already stays, and is as good.
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(what, (soft, hard))


def _tie_to(parent: int) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    if os.getppid() != parent:  # it ended before the tie was there
        os._exit(1)


def _leave_the_network() -> None:
    """Into a network of its own, in which there is nothing; where the kernel lets an ordinary user do that."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(_CLONE_NEWUSER | _CLONE_NEWNET):
        libc.unshare(_CLONE_NEWNET)

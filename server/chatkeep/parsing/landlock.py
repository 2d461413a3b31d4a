"""Gives up the file system, with Linux's Landlock (Documentation/userspace-api/landlock.rst). Who takes over a process
by a flaw in a parser then finds neither the database nor keys, nor the environment of other processes under /proc.
"""

import contextlib
import ctypes
import os
import stat
from collections.abc import Iterable

# The numbers are the same on every architecture.
_CREATE_RULESET = 444
_ADD_RULE = 445
_RESTRICT_SELF = 446
_GIVE_VERSION = 1
_PATH_BENEATH = 1
_READ_FILE = 1 << 2
_READ_DIRECTORY = 1 << 3
# How many kinds of access to files each version knows; a version that is newer knows at least as many.
_KINDS_OF_ACCESS = (13, 14, 15, 15, 16)
_SINCE_NETWORK = 4
_SINCE_SCOPES = 6
_BIND_AND_CONNECT = 0b11
_ABSTRACT_SOCKETS_AND_SIGNALS = 0b11


class _Ruleset(ctypes.Structure):
    _fields_ = (("files", ctypes.c_uint64), ("network", ctypes.c_uint64), ("scoped", ctypes.c_uint64))


class _Beneath(ctypes.Structure):
    _pack_ = 1
    _fields_ = (("allowed", ctypes.c_uint64), ("parent", ctypes.c_int32))


def version() -> int:
    """Of the kernel's Landlock; 0 where there is none."""
    return max(0, int(ctypes.CDLL(None).syscall(_CREATE_RULESET, None, ctypes.c_size_t(0), _GIVE_VERSION)))


def give_up_files(readable: Iterable[str]) -> None:
    """From here on nothing can be opened but what is `readable`, folders with all in them; and no TCP connection made,
    and no signal sent to others, where the kernel knows how. Without effect where there is no Landlock.

    The process must have given up new privileges before (prctl, PR_SET_NO_NEW_PRIVS).
    """
    known = version()
    if not known:
        return
    libc = ctypes.CDLL(None)
    rules = _Ruleset(
        (1 << _KINDS_OF_ACCESS[min(known, len(_KINDS_OF_ACCESS)) - 1]) - 1,
        _BIND_AND_CONNECT if known >= _SINCE_NETWORK else 0,
        _ABSTRACT_SOCKETS_AND_SIGNALS if known >= _SINCE_SCOPES else 0,
    )
    # An older kernel takes a longer structure too, if what it does not know is zero.
    ruleset = libc.syscall(_CREATE_RULESET, ctypes.byref(rules), ctypes.c_size_t(ctypes.sizeof(rules)), 0)
    if ruleset < 0:
        return
    for path in readable:
        with contextlib.suppress(OSError):
            _allow(libc, ruleset, path)
    libc.syscall(_RESTRICT_SELF, ruleset, 0)
    os.close(ruleset)


def _allow(libc: ctypes.CDLL, ruleset: int, path: str) -> None:
    parent = os.open(path, os.O_PATH | os.O_CLOEXEC)
    folder = stat.S_ISDIR(os.fstat(parent).st_mode)
    rule = _Beneath(_READ_FILE | (_READ_DIRECTORY if folder else 0), parent)
    libc.syscall(_ADD_RULE, ruleset, _PATH_BENEATH, ctypes.byref(rule), 0)
    os.close(parent)

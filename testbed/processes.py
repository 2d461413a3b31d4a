"""Starting a server for tests, waiting until it answers, and stopping it for certain."""

import subprocess
import time
from collections.abc import Callable
from pathlib import Path


class NotUp(RuntimeError):
    """A server ended, or did not answer in time. The message holds the end of its log."""


def wait_until(
    answers: Callable[[], bool], *, process: subprocess.Popen[bytes], log: Path, seconds: float = 30
) -> None:
    """Return as soon as `answers()` is true.

    Raises:
        NotUp: the process ended first, or the time is over.
    """
    deadline = time.monotonic() + seconds
    while not answers():
        if process.poll() is not None or time.monotonic() > deadline:
            tail = log.read_text(errors="replace")[-2000:]
            raise NotUp(f"{process.args!r} is not up (exit status {process.returncode}):\n{tail}")
        time.sleep(0.01)


def stop(process: subprocess.Popen[bytes], *, seconds: float = 10) -> None:
    """Ask the process to end, then make it."""
    process.terminate()
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()

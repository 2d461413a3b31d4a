"""Processes that run `chatkeep`, forked off one that has imported it: to import it takes longer than what most are for.

Each is a process of its own, with its environment, folder, output and signals. What `python -m chatkeep` adds is the
start of Python itself.
"""

import gc
import multiprocessing
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from io import TextIOWrapper
from multiprocessing.connection import Connection
from pathlib import Path
from types import ModuleType
from typing import TextIO

_IMPORTED = ["chatkeep.cli", "chatkeep_ui.page"]


class Forked:
    """A running `chatkeep`, with what is needed of `subprocess.Popen`. All that it prints comes by `stdout`."""

    def __init__(self, arguments: Sequence[str], directory: Path, environ: Mapping[str, str]) -> None:
        forking = multiprocessing.get_context("forkserver")
        forking.set_forkserver_preload(_IMPORTED)
        reading, writing = forking.Pipe(duplex=False)
        self._process = forking.Process(target=_run, args=(list(arguments), directory, dict(environ), writing))
        with _no_main_module():
            self._process.start()
        self.pid: int = self._process.pid or 0
        writing.close()
        self.stdout: TextIO = os.fdopen(os.dup(reading.fileno()), encoding="utf-8")
        reading.close()

    def poll(self) -> int | None:
        """The exit status, negative where a signal ended it; None while it runs."""
        return self._process.exitcode

    def wait(self, timeout: float | None = None) -> int:
        """Wait for the exit status.

        Raises:
            subprocess.TimeoutExpired: it still runs.
        """
        self._process.join(timeout)
        if (status := self.poll()) is None:
            raise subprocess.TimeoutExpired("chatkeep", timeout or 0)
        return status

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)


@contextmanager
def _no_main_module() -> Iterator[None]:
    """A new process first runs the script of its parent, and Streamlit makes the page that of a test."""
    main = sys.modules["__main__"]
    sys.modules["__main__"] = ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = main


def run(arguments: Sequence[str], directory: Path, environ: Mapping[str, str]) -> "subprocess.CompletedProcess[str]":
    """A command from its beginning to its end. All that it has printed is `stdout`."""
    process = Forked(arguments, directory, environ)
    with process.stdout:
        output = process.stdout.read()
    return subprocess.CompletedProcess(list(arguments), process.wait(timeout=60), output)


def _run(arguments: list[str], directory: Path, environ: dict[str, str], output: Connection) -> None:
    # What was imported stays: a collection would look at all of it, and so copy the memory that is shared.
    gc.freeze()
    for stream in (sys.stdout, sys.stderr):
        os.dup2(output.fileno(), stream.fileno())
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(line_buffering=True)
    output.close()
    os.chdir(directory)
    os.environ.clear()
    os.environ.update(environ)
    from chatkeep.cli import main  # noqa: PLC0415 - here, and not in those who only start it

    main(arguments, prog_name="chatkeep")

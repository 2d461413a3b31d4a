"""A real `chatkeep serve` in a process of its own."""

import os
import queue
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from authkeep.testing import find_credential
from testbed.fork_server import Forked

# For servers that many tests share: they register, sign in and send from one address.
GENEROUS = {
    "CHATKEEP_LIMIT_REGISTER": "10000/minute",
    "CHATKEEP_LIMIT_LOGIN": "10000/minute",
    "CHATKEEP_LIMIT_SEND": "10000/minute",
    "CHATKEEP_LLM_BASE_URL": "scripted:",
    # Found by their words alone: the built-in model takes seconds to load, and a core.
    "CHATKEEP_EMBEDDING_MODEL": "none",
}
# Answers that a test leaves running are not waited for, and nothing is asked of a model but what the test asks.
_PREDICTABLE = {"CHATKEEP_DRAIN_SECONDS": "0", "CHATKEEP_AUTO_TITLES": "false"}
START_SECONDS = 120.0
STOP_SECONDS = 20.0
_ADDRESS = re.compile(r"Open (http://\S+) in your browser")


class ServerProcess:
    """A running server. `output` is what it has printed so far."""

    def __init__(self, process: "subprocess.Popen[str] | Forked", lines: "queue.Queue[str | None]") -> None:
        self.process = process
        self._lines = lines
        self.output = ""
        self.url = ""

    def wait_until_up(self) -> None:
        """Read until the address is printed.

        Raises:
            AssertionError: the server ended instead, or said nothing; its output is in the message.
        """
        while not (match := _ADDRESS.search(self.output)):
            line = self._lines.get(timeout=START_SECONDS)
            if line is None:
                raise AssertionError(f"the server ended with {self.process.wait()}:\n{self.output}")
            self.output += line
        self.url = match[1]

    def read_all(self) -> str:
        """What has been printed up to now."""
        while not self._lines.empty():
            self.output += self._lines.get() or ""
        return self.output

    def stop(self) -> int:
        """SIGTERM, as a service manager does; returns the exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(timeout=STOP_SECONDS)

    def kill(self) -> None:
        """SIGKILL, as a crash does."""
        self.process.kill()
        self.process.wait(timeout=STOP_SECONDS)


@contextmanager
def running_server(
    data_dir: Path, environ: Mapping[str, str], *arguments: str, forked: bool = True
) -> Iterator[ServerProcess]:
    """Start a server on a free port of loopback, and stop it at the end if the test has not.

    `forked`: off a process that has imported all of it, which takes half the time; otherwise as an operator would.
    """
    command = ["serve", "--port", "0", "--data-dir", str(data_dir), *arguments]
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("CHATKEEP_")}
    start = Forked if forked else _executed
    process = start(command, data_dir.parent, {**inherited, **_PREDICTABLE, **environ})
    lines: queue.Queue[str | None] = queue.Queue()
    reader = threading.Thread(target=_read, args=(process, lines), daemon=True)
    reader.start()
    server = ServerProcess(process, lines)
    try:
        server.wait_until_up()
        yield server
    finally:
        if process.poll() is None:
            server.stop()
        reader.join()
        if process.stdout is not None:
            process.stdout.close()
    # Whatever the test did to it: what a server prints is kept by others, and read by more.
    seen = find_credential(server.read_all())
    assert seen is None, f"the server printed a credential: {seen}"


def _executed(arguments: Sequence[str], directory: Path, environ: Mapping[str, str]) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-m", "chatkeep", *arguments],
        cwd=directory,
        env={**environ, "PYTHONUNBUFFERED": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def _read(process: "subprocess.Popen[str] | Forked", lines: "queue.Queue[str | None]") -> None:
    assert process.stdout is not None
    for line in process.stdout:
        lines.put(line)
    lines.put(None)

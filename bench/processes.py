"""Servers under test, each in a process of its own, with the CPU time that each has used."""

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from testbed.chatkeep_server import running_server


@dataclass(frozen=True, slots=True)
class Server:
    """A running server, by its address and process."""

    url: str
    pid: int

    def cpu_seconds(self) -> float:
        """CPU time of all its threads so far, user and system, in seconds (proc(5), stat)."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def memory(self) -> int:
        """Bytes that it has in memory (proc(5), statm)."""
        return int(Path(f"/proc/{self.pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


@contextmanager
def module(name: str, *arguments: str) -> Iterator[Server]:
    """Run `python -m name arguments`, which prints its address on its first line.

    Raises:
        RuntimeError: it did not; what it printed instead is in the message.
    """
    command = [sys.executable, "-m", name, *arguments]
    with (
        tempfile.TemporaryFile("w+") as errors,
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors, text=True) as process,
    ):
        assert process.stdout is not None
        try:
            first = process.stdout.readline().strip()
            if not first.startswith("http://"):
                process.terminate()
                process.wait()
                errors.seek(0)
                raise RuntimeError(f"{' '.join(command)} did not start: {first}\n{errors.read()}")
            yield Server(first, process.pid)
        finally:
            process.terminate()


@contextmanager
def chatkeep(environ: Mapping[str, str]) -> Iterator[Server]:
    """A real `chatkeep serve` in an empty directory, without the page."""
    with tempfile.TemporaryDirectory() as directory:
        settings = {"CHATKEEP_PAGE": "false", "CHATKEEP_LOG_LEVEL": "warning", **environ}
        with running_server(Path(directory) / "data", settings, forked=False) as server:
            yield Server(server.url, server.process.pid)

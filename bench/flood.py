"""What a flood of logins does to everybody else: the latency of a light endpoint, quiet and flooded, in one run."""

import asyncio
import json
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median, quantiles
from urllib.parse import urlsplit

import httpx

from bench.load import encode_request
from bench.processes import Server, module

_CREDENTIALS = {"email": "bench@example.org", "password": "turnips sleep under violet lamps"}
_PAUSE_SECONDS = 0.004
FLOODERS = 50


@dataclass(slots=True)
class Round:
    """One round of one candidate. Latencies in seconds, memory in MiB."""

    quiet: list[float] = field(default_factory=list)
    flooded: list[float] = field(default_factory=list)
    logins: int = 0
    seconds: float = 0.0
    memory: float = 0.0

    def ratio(self) -> float:
        """How many times longer the slowest hundredth takes in the flood."""
        return p99(self.flooded) / p99(self.quiet)


def p99(latencies: list[float]) -> float:
    """The 99th percentile."""
    return quantiles(latencies, n=100)[98]


class _Person:
    """One kept-alive connection, spoken to by hand: a client that works as hard as the server would measure itself."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    async def ask(self, request: bytes) -> int:
        """Send, read the answer whole; its status."""
        self._writer.write(request)
        head = await self._reader.readuntil(b"\r\n\r\n")
        await self._reader.readexactly(int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0]))
        return int(head[9:12])

    def hang_up(self) -> None:
        """Close the connection."""
        self._writer.close()

    async def read_on(self, request: bytes, latencies: list[float], until: float) -> None:
        """A request, a pause, a request."""
        while time.perf_counter() < until:
            started = time.perf_counter()
            assert await self.ask(request) == 200
            latencies.append(time.perf_counter() - started)
            await asyncio.sleep(_PAUSE_SECONDS)

    async def sign_in_on(self, request: bytes, measured: Round, until: float) -> None:
        """Sign in, and at once again."""
        while time.perf_counter() < until:
            if await self.ask(request) == 200:
                measured.logins += 1
            else:
                # The queue is full; a real client would wait as long as it is told.
                await asyncio.sleep(0.05)


async def _round(server: Server, headers: dict[str, str], seconds: float) -> Round:
    measured = Round()
    before = _peak_memory(server, reset=True)
    parts = urlsplit(server.url)
    person, *flooders = [
        _Person(*await asyncio.open_connection(parts.hostname, parts.port)) for _ in range(1 + FLOODERS)
    ]
    look = encode_request("GET", "/whoami", {"Host": parts.netloc, **headers}, b"")
    body = json.dumps(_CREDENTIALS).encode()
    login = encode_request("POST", "/auth/login", {"Host": parts.netloc, "Content-Type": "application/json"}, body)
    await person.read_on(look, measured.quiet, time.perf_counter() + seconds)
    started = time.perf_counter()
    until = started + seconds
    async with asyncio.TaskGroup() as tasks:
        for flooder in flooders:
            tasks.create_task(flooder.sign_in_on(login, measured, until))
        tasks.create_task(person.read_on(look, measured.flooded, until))
    measured.seconds = time.perf_counter() - started
    measured.memory = _peak_memory(server) - before
    for each in (person, *flooders):
        each.hang_up()
    return measured


def _peak_memory(server: Server, *, reset: bool = False) -> float:
    """The most that the process has had resident since the last reset, in MiB (proc(5): VmHWM, clear_refs)."""
    process = Path(f"/proc/{server.pid}")
    if reset:
        (process / "clear_refs").write_text("5")
    line = next(line for line in (process / "status").read_text().splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) / 1024


def _headers(server: Server) -> dict[str, str]:
    with httpx.Client(base_url=server.url, trust_env=False, timeout=60) as http:
        http.post("/auth/register", json=_CREDENTIALS).raise_for_status()
        token = http.post("/auth/login", json=_CREDENTIALS).raise_for_status().json()["access_token"]
    return {"Authorization": f"Bearer {token}"}


def _print(name: str, rounds: list[Round], baseline: list[Round]) -> None:
    def ms(pick: Callable[[Round], list[float]]) -> float:
        return median(p99(pick(each)) for each in rounds) * 1000

    rate = median(each.logins / each.seconds for each in rounds)
    faster = median(a.logins / a.seconds / (b.logins / b.seconds) for a, b in zip(rounds, baseline, strict=True))
    ratio, memory = median(each.ratio() for each in rounds), median(each.memory for each in rounds)
    print(
        f"  {name:34} {ms(lambda each: each.quiet):9.1f} {ms(lambda each: each.flooded):9.1f} {ratio:9.2f}x"
        f" {rate:10.1f} {faster:7.2f}x {memory:8.0f}"
    )


def main(rounds: int = 5, seconds: float = 6.0) -> None:
    """Print the ratios."""
    with ExitStack() as stack:
        servers = {
            "default thread pool": stack.enter_context(module("bench.flood_apps", "thread-pool")),
            "authkeep, one hashing thread": stack.enter_context(module("bench.flood_apps", "authkeep", "1")),
            "authkeep, two hashing threads": stack.enter_context(module("bench.flood_apps", "authkeep", "2")),
        }
        headers = {name: _headers(server) for name, server in servers.items()}
        measured: dict[str, list[Round]] = {name: [] for name in servers}
        for number in range(rounds):
            for name in list(servers)[:: -1 if number % 2 else 1]:
                measured[name].append(asyncio.run(_round(servers[name], headers[name], seconds)))
    baseline, *_ = measured.values()
    print(f"\n{FLOODERS} people signing in without pause, and one who only reads: median of {rounds} rounds\n")
    print(f"  {'':34} {'p99 quiet':>9} {'flooded':>9} {'':>10} {'logins/s':>10} {'':>8} {'MiB more':>8}")
    for name, rounds_of in measured.items():
        _print(name, rounds_of, baseline)

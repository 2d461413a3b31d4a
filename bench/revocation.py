"""How long a revoked login is still good in another process: from the start of the commit to the first refusal."""

import asyncio
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from statistics import quantiles
from typing import Any

import uvloop
from sqlalchemy import event, text
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from valkey.asyncio import Valkey

from authkeep import Auth
from authkeep.sql import migrate
from authkeep.store import EndReason
from authkeep.testing import signed_in
from bench.revocation_listener import BARE, LEASE_SECONDS
from testbed.authkeep_app import make_auth
from testbed.postgres import running_postgres
from testbed.valkey import running_valkey

# What a poll of every 20 ms takes where nothing is in its way: evenly from nothing to all of it.
_TICK_MS = 20.0


class Listener:
    """The other process, and what it says."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    async def hears(self, word: str) -> int:
        """When it heard `word`, in nanoseconds of the monotonic clock."""
        assert self._process.stdout is not None
        async for line in self._process.stdout:
            said, at = line.decode().split()
            if said == word:
                return int(at)
        raise RuntimeError("the listening process ended")


class Revoker:
    """This process: revokes, and knows when the commit began."""

    def __init__(self, auth: Auth, engine: AsyncEngine, listener: Listener) -> None:
        self._auth = auth
        self._listener = listener
        self._committing = 0
        event.listen(engine.sync_engine, "commit", self._on_commit)

    def _on_commit(self, _: Any) -> None:
        self._committing = time.monotonic_ns()

    async def revoke(self) -> float:
        """One login; returns milliseconds."""
        user = await signed_in(self._auth)
        # So that the commit is not always at the same distance from the listener's tick.
        await asyncio.sleep(hash(user.principal.login_id) % 20 / 1000)
        await self._auth.logins.end(user.principal, user.principal.login_id, EndReason.LOGOUT)
        return (await self._listener.hears(user.principal.login_id) - self._committing) / 1e6


@asynccontextmanager
async def processes(database_url: str, valkey_url: str | None) -> AsyncIterator[tuple[Revoker, Listener, AsyncEngine]]:
    with tempfile.TemporaryDirectory() as directory:
        key_file = Path(directory) / "keys.json"
        engine = create_async_engine(database_url)
        await migrate(engine)
        await write_ahead(engine)
        client = Valkey.from_url(valkey_url) if valkey_url else None
        auth = make_auth(engine, key_file, LEASE_SECONDS, client)
        arguments = [database_url, str(key_file), *([valkey_url] if valkey_url else [])]
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "bench.revocation_listener", *arguments, stdout=asyncio.subprocess.PIPE
        )
        listener = Listener(process)
        try:
            await listener.hears("listening")
            async with auth.running():
                yield Revoker(auth, engine, listener), listener, engine
        finally:
            process.terminate()
            await process.wait()
            if client is not None:
                await client.aclose()
            await engine.dispose()


async def write_ahead(engine: AsyncEngine) -> None:
    """As everybody who means SQLite seriously has it; the file remembers."""
    if engine.dialect.name == "sqlite":
        async with engine.connect() as db:
            await db.execute(text("PRAGMA journal_mode=WAL"))


def figures(delays: list[float]) -> tuple[float, float, float]:
    """Median, 95th and 99th percentile."""
    cuts = quantiles(delays, n=100, method="inclusive")
    return cuts[49], cuts[94], cuts[98]


def print_line(name: str, delays: list[float], baseline: list[float] | None) -> None:
    ms = figures(delays)
    ratios = [a / b for a, b in zip(ms, figures(baseline or delays), strict=True)]
    print(f"  {name:44}" + "".join(f"{value:9.2f}" for value in ms) + "   " + "".join(f"{r:7.2f}x" for r in ratios))


async def measure(title: str, database_url: str, valkey_url: str | None, rounds: int) -> None:
    async with processes(database_url, valkey_url) as (revoker, listener, engine), AsyncExitStack() as stack:
        say = await bare_delivery(stack, engine, valkey_url)

        async def bare(word: str) -> float:
            began = time.monotonic_ns()
            await say(word)
            return (await listener.hears(word) - began) / 1e6

        for _ in range(20):
            await revoker.revoke()
        revoked, delivered = [], []
        for number in range(rounds):
            revoked.append(await revoker.revoke())
            delivered.append(await bare(str(number)) if database_url.startswith("p") else number / rounds * _TICK_MS)
    print_line(f"{title}: bare delivery", delivered, None)
    print_line(f"{title}: commit to first refusal", revoked, delivered)


async def bare_delivery(
    stack: AsyncExitStack, engine: AsyncEngine, valkey_url: str | None
) -> Callable[[str], Awaitable[object]]:
    if valkey_url is not None:
        client = Valkey.from_url(valkey_url)
        stack.push_async_callback(client.aclose)
        return lambda word: client.publish(BARE, word)
    if engine.dialect.name == "sqlite":
        return lambda _: asyncio.sleep(0)
    db = await stack.enter_async_context(engine.connect())
    await db.execution_options(isolation_level="AUTOCOMMIT")
    return lambda word: db.execute(text("SELECT pg_notify(:channel, :word)"), {"channel": BARE, "word": word})


async def run(rounds: int) -> None:
    with running_postgres() as postgres, running_valkey() as valkey, tempfile.TemporaryDirectory() as directory:
        await measure("PostgreSQL", postgres.url(postgres.create_database()), None, rounds)
        await measure("Valkey", postgres.url(postgres.create_database()), valkey.url, rounds)
        await measure("SQLite", f"sqlite+aiosqlite:///{directory}/app.db", None, rounds)


def main(rounds: int = 400) -> None:
    """Print the figures."""
    print(f"\nA revoked login in another process, {rounds} revocations each, milliseconds\n")
    print(f"  {'':44}{'median':>9}{'p95':>9}{'p99':>9}   {'ratio to the bare delivery':>24}")
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(run(rounds))


if __name__ == "__main__":
    main()

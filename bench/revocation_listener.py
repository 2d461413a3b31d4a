"""The other process: `python -m bench.revocation_listener DATABASE_URL KEY_FILE [VALKEY_URL]`.

It prints a line for everything it hears: the login's id as soon as it refuses it, or the word that came on the bare
channel, and when that was by the clock that all processes of a machine share.
"""

import asyncio
import sys
import time
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import asyncpg
import uvloop
from sqlalchemy.ext.asyncio import create_async_engine
from valkey.asyncio import Valkey

from authkeep import Principal, Role
from authkeep.store import Revocation
from testbed.authkeep_app import make_auth

BARE = "bare"
LEASE_SECONDS = 15.0


def say(word: str) -> None:
    print(word, time.monotonic_ns(), flush=True)


async def hear_bare_words(stack: AsyncExitStack, database_url: str, client: Valkey | None) -> None:
    """What the database's or Valkey's own delivery takes, without us."""
    if client is not None:
        pubsub = await stack.enter_async_context(client.pubsub())
        await pubsub.subscribe(**{BARE: lambda message: say(message["data"].decode())})
        stack.callback(asyncio.create_task(pubsub.run()).cancel)
    elif database_url.startswith("postgresql"):
        connection: Any = await asyncpg.connect(database_url.replace("+asyncpg", ""))
        stack.push_async_callback(connection.close)
        await connection.add_listener(BARE, lambda *heard: say(heard[3]))


async def listen(database_url: str, key_file: str, valkey_url: str | None = None) -> None:
    engine = create_async_engine(database_url)
    client = Valkey.from_url(valkey_url) if valkey_url else None
    auth = make_auth(engine, Path(key_file), LEASE_SECONDS, client)

    def on_revoked(entry: Revocation) -> None:
        assert auth.revocations.view.refuses(Principal(entry.user_id, entry.sid or "", Role.USER))
        say(entry.sid or "")

    auth.revocations.subscribe(on_revoked)
    async with auth.running(), AsyncExitStack() as stack:
        await hear_bare_words(stack, database_url, client)
        while not auth.revocations.listening:  # noqa: ASYNC110 - nothing waits for it but this
            await asyncio.sleep(0.01)
        say("listening")
        await asyncio.Event().wait()


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(listen(*sys.argv[1:]))

"""What is flooded with logins: `python -m bench.flood_apps NAME` serves one and prints its address.

thread-pool      argon2 in a `def` route, as a tutorial would have it: FastAPI runs it on its pool of 40 threads
authkeep THREADS the same two endpoints with authkeep mounted, in SQLite, limits and all
"""

import asyncio
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import uvloop
from argon2 import PasswordHasher
from fastapi import FastAPI, HTTPException
from pydantic import BaseModel
from sqlalchemy.ext.asyncio import create_async_engine

from authkeep import Auth, AuthSettings, Limit, SigningKeys
from authkeep.http import CurrentPrincipal, mount
from authkeep.sql import SqlStore, migrate
from bench.apps import Me, serve


class Credentials(BaseModel):
    """What somebody signs in with."""

    email: str
    password: str


def thread_pool() -> FastAPI:
    """Users in a dictionary, no limits, no database: only the hash is real."""
    app = FastAPI(docs_url=None, redoc_url=None)
    # The parameters that authkeep uses (OWASP), so that the work is the same.
    hasher = PasswordHasher(time_cost=2, memory_cost=19_456, parallelism=1)
    users: dict[str, str] = {}

    @app.post("/auth/register")
    def register(credentials: Credentials) -> Me:
        users[credentials.email] = hasher.hash(credentials.password)
        return Me(id=credentials.email, role="user")

    @app.post("/auth/login")
    def login(credentials: Credentials) -> dict[str, str]:
        if credentials.email not in users or not hasher.verify(users[credentials.email], credentials.password):
            raise HTTPException(401)
        return {"access_token": "x"}

    @app.get("/whoami")
    async def whoami() -> Me:
        return Me(id="0198c0de-0000-7000-8000-00000000000a", role="user")

    return app


def with_authkeep(threads: str) -> FastAPI:
    """Everything on; the limits are only too wide to be met."""
    folder = tempfile.TemporaryDirectory(prefix="bench-flood-")
    engine = create_async_engine(f"sqlite+aiosqlite:///{folder.name}/auth.db")
    wide = Limit.parse("1000000/second")
    settings = AuthSettings(
        issuer="bench",
        audience="bench",
        hashing_threads=int(threads),
        limit_login=wide,
        limit_login_account=wide,
        limit_login_device=wide,
    )
    auth = Auth(settings, SqlStore(engine), SigningKeys.load_or_create(Path(folder.name) / "keys.json"))

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        await migrate(engine)
        async with auth.running():
            yield
        await engine.dispose()
        folder.cleanup()

    app = FastAPI(docs_url=None, redoc_url=None, lifespan=lifespan)
    mount(app, auth)

    @app.get("/whoami")
    async def whoami(principal: CurrentPrincipal) -> Me:
        return Me(id=principal.user_id, role=principal.role.value)

    return app


def main() -> None:
    """Serve the application that the command line names."""
    name, *arguments = sys.argv[1:]
    app = thread_pool() if name == "thread-pool" else with_authkeep(*arguments)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(serve(app))


if __name__ == "__main__":
    main()

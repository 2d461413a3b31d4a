"""Somebody's plain FastAPI application with authkeep mounted, as one of several worker processes over one database.

`python -m testbed.authkeep_app DATABASE_URL KEY_FILE LEASE_SECONDS [VALKEY_URL]` serves it and prints its address.
The tables are there already.
"""

import asyncio
import socket
import sys
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any

import uvicorn
from fastapi import Depends, FastAPI, Request, WebSocket
from fastapi.responses import StreamingResponse
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from valkey.asyncio import Valkey

from authkeep import Auth, AuthSettings, Limit, Role, SigningKeys
from authkeep.http import (
    CurrentPrincipal,
    current_auth,
    ending_with_login,
    mount,
    public,
    signed_in,
    while_login_lasts,
)
from authkeep.sql import SqlStore
from authkeep.store import EndReason, UserChange
from authkeep.testing import signed_in as sign_in
from authkeep.valkey import ValkeyFeed

CurrentAuth = Annotated[Auth, Depends(current_auth)]
FAREWELL = b"event: login_ended\ndata: {}\n\n"


def make_auth(engine: AsyncEngine, key_file: Path, lease_seconds: float, client: Valkey | None) -> Auth:
    """As each of the processes has it."""
    lease = timedelta(seconds=lease_seconds)
    # Limits have tests of their own; those that run here all come from one address.
    plenty = Limit.parse("100000/minute")
    limits: dict[str, Any] = dict.fromkeys(
        ("limit_login", "limit_login_account", "limit_register", "limit_password"), plenty
    )
    return Auth(
        AuthSettings(
            issuer="testbed", audience="testbed", revocation_lease=lease, revocation_reread=lease / 3, **limits
        ),
        SqlStore(engine),
        SigningKeys.load_or_create(key_file),
        feed=ValkeyFeed(client, channel="testbed", quiet_seconds=lease_seconds / 5) if client else None,
    )


def make_app(database_url: str, key_file: str, lease_seconds: str, valkey_url: str | None = None) -> FastAPI:
    """The application."""
    engine = create_async_engine(database_url)
    client = Valkey.from_url(valkey_url, socket_timeout=0.5, socket_connect_timeout=0.5) if valkey_url else None
    auth = make_auth(engine, Path(key_file), float(lease_seconds), client)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        async with auth.running():
            yield
        if client is not None:
            await client.aclose()
        await engine.dispose()

    app = FastAPI(lifespan=lifespan, docs_url=None, redoc_url=None, openapi_url=None)
    mount(app, auth)
    _open_things(app)
    _people(app)
    return app


def _open_things(app: FastAPI) -> None:
    """What a host opens and wants ended."""

    @app.get("/whoami")
    async def whoami(principal: CurrentPrincipal) -> str:
        return principal.role

    async def ticks() -> AsyncGenerator[bytes]:
        yield b"event: tick\ndata: {}\n\n"
        # Nothing more comes, so that nothing but the login ends it.
        await asyncio.Event().wait()

    @app.get("/ticks", dependencies=[Depends(signed_in)])
    async def stream(request: Request) -> StreamingResponse:
        return StreamingResponse(ending_with_login(request, ticks(), last=FAREWELL), media_type="text/event-stream")

    @app.websocket("/echo")
    async def echo(websocket: WebSocket, principal: CurrentPrincipal) -> None:
        await websocket.accept()
        async with while_login_lasts(websocket):
            async for text in websocket.iter_text():
                await websocket.send_text(text)


def _people(app: FastAPI) -> None:
    """What needs no password and no administrator here."""

    @app.post("/people", dependencies=[Depends(public)])
    async def new_login(auth: CurrentAuth, email: str, role: Role) -> dict[str, str]:
        user = await sign_in(auth, email, role=role)
        return {"user_id": user.user.id, "access_token": user.access_token}

    @app.post("/people/{user_id}/disable", dependencies=[Depends(public)])
    async def disable(auth: CurrentAuth, user_id: str) -> None:
        await auth.administration.change_user(None, user_id, disabled=True)

    @app.post("/people/{user_id}/promote", dependencies=[Depends(public)])
    async def promote(auth: CurrentAuth, user_id: str) -> None:
        change = UserChange(role=Role.ADMIN, ending=auth.logins.ending(EndReason.ROLE_CHANGED))
        if changed := await auth.store.change_user(user_id, change):
            await auth.revocations.apply(changed[1])


async def _serve(app: FastAPI) -> None:
    listener = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(app, log_level="warning", timeout_graceful_shutdown=1))
    print(f"http://127.0.0.1:{listener.getsockname()[1]}", flush=True)
    await server.serve([listener])


if __name__ == "__main__":
    asyncio.run(_serve(make_app(*sys.argv[1:])))

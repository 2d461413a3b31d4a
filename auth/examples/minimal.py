"""Somebody else's application, with accounts. Run it: uvicorn minimal:app, then open /docs."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from fastapi import FastAPI
from sqlalchemy.ext.asyncio import create_async_engine

from authkeep import Auth, AuthSettings, SigningKeys
from authkeep.http import CurrentPrincipal, mount, refuse_undeclared
from authkeep.sql import SqlStore, migrate

engine = create_async_engine("sqlite+aiosqlite:///notes.db")
keys = SigningKeys.load_or_create(Path("signing-keys.json"))
auth = Auth(AuthSettings(issuer="https://notes.example", audience="notes"), SqlStore(engine), keys)
notes: dict[str, list[str]] = {}


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    """Start, serve, stop."""
    refuse_undeclared(app)
    await migrate(engine)
    async with auth.running():
        yield
    await engine.dispose()


app = FastAPI(title="Notes", lifespan=lifespan)
mount(app, auth)


@app.post("/notes")
async def add_note(text: str, principal: CurrentPrincipal) -> list[str]:
    """Keep a note of one's own."""
    mine = notes.setdefault(principal.user_id, [])
    mine.append(text)
    return mine

"""authkeep beside the application: an engine of its own, tables of its own, in the same database."""

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from fastapi import FastAPI
from models import Base, User, engine
from sqlalchemy import select
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.orm import Session

from authkeep import Auth, AuthSettings, Limit, MemoryCounters, Role, SigningKeys, Throttle
from authkeep.import_users import ForeignUser, import_users
from authkeep.sql import SqlStore, migrate

log = logging.getLogger(__name__)
auth_engine = create_async_engine("sqlite+aiosqlite:///app.db")
auth = Auth(
    AuthSettings(issuer="https://notes.example", audience="notes"),
    SqlStore(auth_engine),
    SigningKeys.load_or_create(Path("signing-keys.json")),
    throttle=Throttle(MemoryCounters(), {"notes": Limit.parse("20/minute")}),
)


def old_users() -> list[ForeignUser]:
    """Everybody, as they are in the application's own table."""
    with Session(engine) as db:
        return [
            ForeignUser(
                id=user.id,
                email=user.email,
                password_hash=user.hashed_password,
                role=Role.ADMIN if user.is_superuser else Role.USER,
                disabled=not user.is_active,
            )
            for user in db.scalars(select(User).order_by(User.id))
        ]


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    """Make the tables, bring over whoever is new, serve."""
    Base.metadata.create_all(engine)
    await migrate(auth_engine)
    async with auth.running():
        report = await import_users(auth, old_users())
        for user_id, reason in report.rejected:
            log.warning("user %s did not come over: %s", user_id, reason)
        yield
    await auth_engine.dispose()

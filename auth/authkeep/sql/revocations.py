"""Revocations in SQL."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy import Text, delete, func, insert, literal, or_, select
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.ext.asyncio import AsyncConnection

from authkeep.revocation_feed import CHANNEL, ProcessFeed, encode
from authkeep.sql.engine import OnEngine
from authkeep.sql.postgres_feed import PostgresFeed
from authkeep.sql.rows import revocation_from, revocation_row
from authkeep.sql.sqlite_feed import SqliteFeed, is_file
from authkeep.sql.tables import logins, revocations, tickets, users
from authkeep.store import Revocation, RevocationFeed

_KEEP_ENDED = timedelta(days=1)


class SqlRevocations(OnEngine):
    """`Revocations`."""

    def feed(self) -> RevocationFeed:
        if self._engine.dialect.name == "postgresql":
            return PostgresFeed(self._engine)
        return SqliteFeed(self._engine) if is_file(self._engine) else ProcessFeed()

    async def list_revocations(self, now: datetime) -> Sequence[Revocation]:
        async with self._engine.connect() as db:
            rows = await db.execute(select(revocations).where(revocations.c.expires_at > now))
            return [revocation_from(row) for row in rows.mappings()]

    async def is_live(self, sid: str, user_id: str, epoch: int) -> bool:
        query = (
            select(users.c.epoch)
            .join(logins, logins.c.user_id == users.c.id)
            .where(logins.c.sid == sid, users.c.id == user_id, logins.c.ended_at.is_(None), users.c.disabled.is_(False))
        )
        async with self._engine.connect() as db:
            current = (await db.execute(query)).scalar()
        return current is not None and epoch >= current

    async def purge(self, now: datetime) -> None:
        gone = or_(logins.c.expires_at <= now, logins.c.idle_expires_at <= now, logins.c.ended_at <= now - _KEEP_ENDED)
        async with self._engine.begin() as db:
            await db.execute(delete(revocations).where(revocations.c.expires_at <= now))
            await db.execute(delete(logins).where(gone))
            await db.execute(delete(tickets).where(tickets.c.expires_at <= now))


async def record(db: AsyncConnection, entries: Sequence[Revocation]) -> None:
    """Store revocations, within the transaction of the change that calls for them."""
    if not entries:
        return
    await db.execute(insert(revocations), [revocation_row(entry) for entry in entries])
    if db.dialect.name == "postgresql":
        # The commit is what publishes: nobody hears of what is rolled back, and nothing can come between the two.
        payloads = literal([encode(entry) for entry in entries], ARRAY(Text))
        await db.execute(select(func.pg_notify(CHANNEL, func.unnest(payloads))))

"""Deletions in SQL."""

from collections.abc import Sequence

from sqlalchemy import delete, select

from authkeep.sql.engine import OnEngine
from authkeep.sql.tables import deletions
from authkeep.store import Deletion


class SqlDeletions(OnEngine):
    """`Deletions`."""

    async def list_deletions(self, limit: int) -> Sequence[Deletion]:
        query = select(deletions).order_by(deletions.c.deleted_at, deletions.c.user_id).limit(limit)
        async with self._engine.connect() as db:
            return [Deletion(**row) for row in (await db.execute(query)).mappings()]

    async def finish_deletion(self, user_id: str) -> None:
        async with self._engine.begin() as db:
            await db.execute(delete(deletions).where(deletions.c.user_id == user_id))

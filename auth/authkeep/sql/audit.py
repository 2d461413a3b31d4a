"""The audit trail in SQL."""

from collections.abc import Sequence

from sqlalchemy import and_, delete, insert, or_, select, true
from sqlalchemy.ext.asyncio import AsyncConnection

from authkeep.sql.engine import OnEngine
from authkeep.sql.rows import event_from, event_row
from authkeep.sql.tables import audit
from authkeep.store import AuditEvent, AuditFilter

_BATCH = 1000


class SqlAuditTrail(OnEngine):
    """`AuditTrail`."""

    async def add_event(self, event: AuditEvent) -> None:
        async with self._engine.begin() as db:
            await append_event(db, event)

    async def list_events(self, wanted: AuditFilter, limit: int, before: str | None) -> Sequence[AuditEvent]:
        conditions = [
            wanted.user_id is None or or_(audit.c.actor_id == wanted.user_id, audit.c.subject_id == wanted.user_id),
            wanted.action is None or audit.c.action == wanted.action.value,
            wanted.outcome is None or audit.c.outcome == wanted.outcome.value,
            wanted.since is None or audit.c.at >= wanted.since,
            wanted.until is None or audit.c.at < wanted.until,
            before is None or audit.c.id < before,
        ]
        asked = and_(true(), *(condition for condition in conditions if condition is not True))
        query = select(audit).where(asked).order_by(audit.c.id.desc()).limit(limit)
        async with self._engine.connect() as db:
            return [event_from(row) for row in (await db.execute(query)).mappings()]

    async def prune_events(self, before_id: str, *, event: AuditEvent) -> int:
        await self.add_event(event)
        pruned = 0
        oldest = select(audit.c.id).where(audit.c.id < before_id).order_by(audit.c.id).limit(_BATCH).scalar_subquery()
        while True:
            # In batches, so that others can write in between.
            async with self._engine.begin() as db:
                batch = (await db.execute(delete(audit).where(audit.c.id.in_(oldest)))).rowcount
            pruned += batch
            if batch < _BATCH:
                return pruned


async def append_event(db: AsyncConnection, event: AuditEvent | None) -> None:
    """Write an event, if there is one, within the transaction of the change that it tells of."""
    if event is not None:
        await db.execute(insert(audit).values(event_row(event)))

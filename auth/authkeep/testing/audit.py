"""The audit trail in memory."""

from collections.abc import Sequence

from authkeep.store import AuditEvent, AuditFilter
from authkeep.testing.tables import Tables


class MemoryAuditTrail(Tables):
    """`AuditTrail`."""

    async def add_event(self, event: AuditEvent) -> None:
        self._append(event)

    async def list_events(self, wanted: AuditFilter, limit: int, before: str | None) -> Sequence[AuditEvent]:
        found = [event for event in self.events if _is_wanted(event, wanted) and (before is None or event.id < before)]
        return sorted(found, key=lambda event: event.id, reverse=True)[:limit]

    async def prune_events(self, before_id: str, *, event: AuditEvent) -> int:
        self._append(event)
        kept = [event for event in self.events if event.id >= before_id]
        pruned = len(self.events) - len(kept)
        self.events = kept
        return pruned


def _is_wanted(event: AuditEvent, wanted: AuditFilter) -> bool:
    return (
        (wanted.user_id is None or wanted.user_id in (event.actor_id, event.subject_id))
        and (wanted.action is None or event.action is wanted.action)
        and (wanted.outcome is None or event.outcome is wanted.outcome)
        and (wanted.since is None or event.at >= wanted.since)
        and (wanted.until is None or event.at < wanted.until)
    )

"""The audit trail as JSON lines (RFC 8259, one object a line): for whoever keeps it elsewhere."""

import json
from collections.abc import AsyncIterator
from datetime import UTC

from authkeep.store import AuditEvent, AuditFilter, AuditTrail

_PAGE = 500


async def export_lines(trail: AuditTrail, wanted: AuditFilter) -> AsyncIterator[str]:
    """Newest first, some hundred events at a time; no more of them is in memory, however many there are."""
    before: str | None = None
    while True:
        events = await trail.list_events(wanted, _PAGE, before)
        if events:
            yield "".join(line_of(event) for event in events)
        if len(events) < _PAGE:
            return
        before = events[-1].id


def line_of(event: AuditEvent) -> str:
    """One event. ASCII alone, so that no reader takes a character within for the end of the line."""
    fields = {
        "id": event.id,
        "at": event.at.astimezone(UTC).isoformat().replace("+00:00", "Z"),
        "action": event.action.value,
        "outcome": event.outcome.value,
        "actor_id": event.actor_id,
        "subject_id": event.subject_id,
        "login_id": event.login_id,
        "address": event.address,
        "user_agent": event.user_agent,
        "details": dict(event.details),
    }
    return json.dumps(fields, separators=(",", ":")) + "\n"

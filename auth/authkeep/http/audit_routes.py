"""The audit trail, for administrators: look through it, take it away as JSON lines."""

from collections.abc import AsyncIterator, Mapping
from datetime import UTC, datetime
from typing import Annotated, Self

from fastapi import APIRouter, Depends, Query
from pydantic import AwareDatetime, BaseModel
from starlette.responses import StreamingResponse

from authkeep.audit_export import export_lines
from authkeep.auth import Auth
from authkeep.errors import InvalidInput, InvalidToken
from authkeep.http.admin_routes import READ
from authkeep.http.dependencies import ClientDevice, CurrentAuth
from authkeep.http.problems import MAX_BODY, ProblemRoute
from authkeep.ids import is_id, is_user_id
from authkeep.principal import Principal
from authkeep.store import AuditAction, AuditEvent, AuditFilter, Outcome

router = APIRouter(prefix="/audit", route_class=ProblemRoute, tags=["admin"], max_body_size=MAX_BODY)


class AuditEventOut(BaseModel):
    """One line of the trail.

    Attributes:
        actor_email, subject_email: whose ids those are today; null once they are deleted.
    """

    id: str
    at: datetime
    action: str
    outcome: str
    actor_id: str | None
    actor_email: str | None
    subject_id: str | None
    subject_email: str | None
    login_id: str | None
    address: str
    user_agent: str
    details: dict[str, str]

    @classmethod
    def of(cls, event: AuditEvent, emails: Mapping[str, str]) -> Self:
        return cls(
            id=event.id,
            at=event.at,
            action=event.action.value,
            outcome=event.outcome.value,
            actor_id=event.actor_id,
            actor_email=emails.get(event.actor_id or ""),
            subject_id=event.subject_id,
            subject_email=emails.get(event.subject_id or ""),
            login_id=event.login_id,
            address=event.address,
            user_agent=event.user_agent,
            details=dict(event.details),
        )


class AuditPage(BaseModel):
    """A page of events, newest first."""

    items: list[AuditEventOut]
    next_cursor: str | None


async def _wanted(
    user_id: str | None = None,
    action: AuditAction | None = None,
    outcome: Outcome | None = None,
    since: AwareDatetime | None = None,
    until: AwareDatetime | None = None,
) -> AuditFilter:
    if user_id is not None and not is_user_id(user_id):
        raise InvalidInput("This is not the id of a user.", field="user_id")
    return AuditFilter(user_id, action, outcome, _utc(since), _utc(until))


def _utc(at: datetime | None) -> datetime | None:
    try:
        return at.astimezone(UTC) if at else None
    except OverflowError:  # the first and the last hours that there are, at the other side of Greenwich
        raise InvalidInput("This is no time that anything can have happened at.") from None


Wanted = Annotated[AuditFilter, Depends(_wanted)]
Reader = Annotated[Principal, READ]


@router.get("", dependencies=[READ])
async def list_events(
    auth: CurrentAuth,
    wanted: Wanted,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
    cursor: str | None = None,
) -> AuditPage:
    """What happened, newest first. `user_id` is whoever did it, or whom it was done to."""
    if cursor is not None and not is_id(cursor):
        raise InvalidInput("The cursor is not one that this list handed out.")
    found = await auth.store.list_events(wanted, limit + 1, cursor)
    people = {person for event in found[:limit] for person in (event.actor_id, event.subject_id) if person}
    emails = await auth.store.find_emails(people)
    items = [AuditEventOut.of(event, emails) for event in found[:limit]]
    return AuditPage(items=items, next_cursor=items[-1].id if len(found) > limit else None)


@router.get("/export", response_class=StreamingResponse)
async def export(auth: CurrentAuth, principal: Reader, device: ClientDevice, wanted: Wanted) -> StreamingResponse:
    """All of it as JSON lines, newest first; the export itself is recorded. Users are named by their ids alone."""
    await auth.audit.record(auth.audit.event(AuditAction.AUDIT_EXPORTED, device, actor=principal))
    headers = {
        "Content-Disposition": f'attachment; filename="audit-{auth.clock.now():%Y-%m-%d}.jsonl"',
        "X-Content-Type-Options": "nosniff",
    }
    lines = _while_allowed(auth, principal, export_lines(auth.store, wanted))
    return StreamingResponse(lines, media_type="application/jsonl", headers=headers)


async def _while_allowed(auth: Auth, principal: Principal, pages: AsyncIterator[str]) -> AsyncIterator[str]:
    # The connection breaks off: an export that ends early must not look as if it were whole.
    async for page in pages:
        if auth.revocations.view.refuses(principal):
            raise InvalidToken
        yield page

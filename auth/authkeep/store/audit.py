"""The audit trail: what happened to accounts, who did it, from where, and how it went."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Protocol


class AuditAction(StrEnum):
    """What happened. The values are stored: they may be added to, never changed."""

    USER_REGISTERED = "user.registered"
    USER_RENAMED = "user.renamed"
    USER_DISABLED = "user.disabled"
    USER_ENABLED = "user.enabled"
    USER_DELETED = "user.deleted"
    USER_IMPORTED = "user.imported"
    ROLE_CHANGED = "user.role_changed"
    EMAIL_VERIFIED = "email.verified"
    EMAIL_CHANGE_REQUESTED = "email.change_requested"
    EMAIL_CHANGED = "email.changed"
    LOGIN = "login"
    LOGIN_ENDED = "login.ended"
    LOGINS_ENDED = "login.all_ended"
    REFRESH_TOKEN_REUSED = "refresh_token.reused"  # noqa: S105
    STEP_UP = "step_up"
    PASSWORD_CHANGED = "password.changed"  # noqa: S105
    PASSWORD_RESET_REQUESTED = "password.reset_requested"  # noqa: S105
    PASSWORD_RESET = "password.reset"  # noqa: S105
    TOTP_ENABLED = "totp.enabled"
    TOTP_REMOVED = "totp.removed"
    RECOVERY_CODES_MADE = "recovery_codes.made"
    RECOVERY_CODE_USED = "recovery_codes.used"
    PASSKEY_ADDED = "passkey.added"
    PASSKEY_RENAMED = "passkey.renamed"
    PASSKEY_REMOVED = "passkey.removed"
    PASSKEY_COPIED = "passkey.copied"
    FACTORS_RESET = "factors.reset"
    API_KEY_CREATED = "api_key.created"
    API_KEY_REVOKED = "api_key.revoked"
    IDENTITY_LINKED = "identity.linked"
    IDENTITY_UNLINKED = "identity.unlinked"
    SIGNING_KEYS_ROTATED = "signing_keys.rotated"
    AUDIT_EXPORTED = "audit.exported"
    AUDIT_PRUNED = "audit.pruned"


class Outcome(StrEnum):
    """How it went."""

    SUCCESS = "success"
    FAILURE = "failure"


@dataclass(frozen=True, slots=True)
class AuditEvent:
    """One line of the trail. Never a secret: no password, token, code or key, whole or in part.

    Attributes:
        id: UUIDv7, so the trail is in the order of its ids.
        actor_id: the user who did it; None for somebody who was not signed in, or the operator.
        subject_id: the user it was done to; None when there is no such account.
        login_id: the login or API key it was done with.
        address, user_agent: where the request came from; empty for what the operator did at the machine.
        details: a few more words, such as the old role and the new.
    """

    id: str
    at: datetime
    action: AuditAction
    outcome: Outcome
    actor_id: str | None
    subject_id: str | None
    login_id: str | None
    address: str
    user_agent: str
    details: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class AuditFilter:
    """Which events to list; None is no restriction. `user_id` is the actor's or the subject's."""

    user_id: str | None = None
    action: AuditAction | None = None
    outcome: Outcome | None = None
    since: datetime | None = None
    until: datetime | None = None


class AuditTrail(Protocol):
    """Append-only: nothing changes an event, and what removes the oldest of them leaves one that says so."""

    async def add_event(self, event: AuditEvent) -> None:
        """For what changes nothing else, such as a refused sign-in. A change brings its event with it."""
        ...

    async def list_events(self, wanted: AuditFilter, limit: int, before: str | None) -> Sequence[AuditEvent]:
        """Newest first, at most `limit`, older than the event `before`."""
        ...

    async def prune_events(self, before_id: str, *, event: AuditEvent) -> int:
        """Remove the events older than `before_id`, which `event` names in its details. How many those were."""
        ...

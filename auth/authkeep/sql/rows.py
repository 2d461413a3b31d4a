"""Rows to records and back."""

from collections.abc import Mapping
from dataclasses import fields
from datetime import datetime
from typing import Any

from sqlalchemy import RowMapping

from authkeep.principal import Role
from authkeep.store import (
    Ancestor,
    ApiKey,
    AuditAction,
    AuditEvent,
    EndReason,
    Identity,
    Login,
    Outcome,
    Passkey,
    Purpose,
    Revocation,
    Ticket,
    Totp,
    User,
)

# A query may have more columns than these.
_USER = tuple(field.name for field in fields(User))


def user_from(row: RowMapping) -> User:
    """The record of a row."""
    return User(**{**{name: row[name] for name in _USER}, "role": Role(row["role"])})


def user_row(user: User) -> dict[str, Any]:
    """The row of a record."""
    return {
        "id": user.id,
        "email": user.email,
        "email_key": user.email_key,
        "name": user.name,
        "role": user.role.value,
        "password_hash": user.password_hash,
        "epoch": user.epoch,
        "disabled": user.disabled,
        "created_at": user.created_at,
        "email_verified_at": user.email_verified_at,
        "last_sign_in_at": user.last_sign_in_at,
    }


def login_from(row: RowMapping) -> Login:
    """The record of a row."""
    reason = row["end_reason"]
    recent = tuple(_ancestor_from(item) for item in row["recent"])
    end_reason = EndReason(reason) if reason else None
    return Login(**{**row, "recent": recent, "end_reason": end_reason, "methods": tuple(row["methods"])})


def login_row(login: Login) -> dict[str, Any]:
    """The row of a record."""
    return {
        "sid": login.sid,
        "user_id": login.user_id,
        "token_hash": login.token_hash,
        "recent": [_ancestor_row(ancestor) for ancestor in login.recent],
        "created_at": login.created_at,
        "last_used_at": login.last_used_at,
        "idle_expires_at": login.idle_expires_at,
        "expires_at": login.expires_at,
        "ended_at": login.ended_at,
        "end_reason": login.end_reason.value if login.end_reason else None,
        "address": login.address,
        "user_agent": login.user_agent,
        "authenticated_at": login.authenticated_at,
        "methods": list(login.methods),
    }


def revocation_from(row: RowMapping) -> Revocation:
    """The record of a row."""
    return Revocation(**row)


def revocation_row(revocation: Revocation) -> dict[str, Any]:
    """The row of a record."""
    return {
        "id": revocation.id,
        "sid": revocation.sid,
        "user_id": revocation.user_id,
        "epoch": revocation.epoch,
        "expires_at": revocation.expires_at,
    }


def ticket_from(row: RowMapping) -> Ticket:
    """The record of a row."""
    return Ticket(**{**row, "purpose": Purpose(row["purpose"])})


def ticket_row(ticket: Ticket) -> dict[str, Any]:
    """The row of a record."""
    return {
        "id": ticket.id,
        "purpose": ticket.purpose.value,
        "secret_hash": ticket.secret_hash,
        "user_id": ticket.user_id,
        "data": dict(ticket.data),
        "created_at": ticket.created_at,
        "expires_at": ticket.expires_at,
        "attempts": ticket.attempts,
    }


def totp_from(row: RowMapping) -> Totp:
    """The record of a row."""
    return Totp(**row)


def totp_row(totp: Totp) -> dict[str, Any]:
    """The row of a record."""
    return {
        "user_id": totp.user_id,
        "secret": totp.secret,
        "confirmed_at": totp.confirmed_at,
        "last_step": totp.last_step,
        "created_at": totp.created_at,
    }


def passkey_from(row: RowMapping) -> Passkey:
    """The record of a row."""
    return Passkey(**{**row, "transports": tuple(row["transports"])})


def passkey_row(passkey: Passkey) -> dict[str, Any]:
    """The row of a record."""
    return {
        "id": passkey.id,
        "user_id": passkey.user_id,
        "credential_id": passkey.credential_id,
        "public_key": passkey.public_key,
        "sign_count": passkey.sign_count,
        "transports": list(passkey.transports),
        "aaguid": passkey.aaguid,
        "backed_up": passkey.backed_up,
        "name": passkey.name,
        "created_at": passkey.created_at,
        "last_used_at": passkey.last_used_at,
    }


def api_key_from(row: RowMapping) -> ApiKey:
    """The record of a row."""
    return ApiKey(**{**row, "scopes": tuple(row["scopes"])})


def api_key_row(key: ApiKey) -> dict[str, Any]:
    """The row of a record."""
    return {
        "id": key.id,
        "user_id": key.user_id,
        "name": key.name,
        "hint": key.hint,
        "secret_hash": key.secret_hash,
        "scopes": list(key.scopes),
        "created_at": key.created_at,
        "expires_at": key.expires_at,
        "last_used_at": key.last_used_at,
    }


def identity_from(row: RowMapping) -> Identity:
    """The record of a row."""
    return Identity(**row)


def identity_row(identity: Identity) -> dict[str, Any]:
    """The row of a record."""
    return {
        "id": identity.id,
        "user_id": identity.user_id,
        "provider": identity.provider,
        "issuer": identity.issuer,
        "subject": identity.subject,
        "email": identity.email,
        "created_at": identity.created_at,
        "last_used_at": identity.last_used_at,
    }


def event_from(row: RowMapping) -> AuditEvent:
    """The record of a row."""
    return AuditEvent(**{**row, "action": AuditAction(row["action"]), "outcome": Outcome(row["outcome"])})


def event_row(event: AuditEvent) -> dict[str, Any]:
    """The row of a record."""
    return {
        "id": event.id,
        "at": event.at,
        "action": event.action.value,
        "outcome": event.outcome.value,
        "actor_id": event.actor_id,
        "subject_id": event.subject_id,
        "login_id": event.login_id,
        "address": event.address,
        "user_agent": event.user_agent,
        "details": dict(event.details),
    }


def _ancestor_from(item: Mapping[str, Any]) -> Ancestor:
    return Ancestor(item["hash"], item["nonce"], datetime.fromisoformat(item["at"]), item["uses"])


def _ancestor_row(ancestor: Ancestor) -> dict[str, Any]:
    return {
        "hash": ancestor.token_hash,
        "nonce": ancestor.nonce,
        "at": ancestor.rotated_at.isoformat(),
        "uses": ancestor.uses,
    }

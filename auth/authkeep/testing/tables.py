"""What `MemoryStore` keeps: dictionaries where the SQL store has tables.

No method of its parts awaits anything half-way, which makes each one atomic.
"""

from datetime import datetime

from authkeep.revocation_feed import ProcessFeed
from authkeep.store import ApiKey, AuditEvent, Deletion, Identity, Login, Passkey, Revocation, Ticket, Totp, User


class Tables:
    """Everything in memory. Tests may look into it."""

    def __init__(self) -> None:
        self.users: dict[str, User] = {}
        self.logins: dict[str, Login] = {}
        self.revocations: list[Revocation] = []
        self.api_keys: dict[str, ApiKey] = {}
        self.tickets: dict[str, Ticket] = {}
        self.totp: dict[str, Totp] = {}
        self.recovery_codes: dict[str, dict[str, datetime | None]] = {}
        self.passkeys: dict[str, Passkey] = {}
        self.identities: dict[str, Identity] = {}
        self.events: list[AuditEvent] = []
        self.process_feed = ProcessFeed()
        self.deletions: dict[str, Deletion] = {}
        self._first_admin: str | None = None

    def _append(self, event: AuditEvent | None) -> None:
        if event is not None:
            self.events.append(event)

    def _forget(self, user_id: str) -> None:
        """What hangs on a user, where tables have a foreign key that cascades."""
        self.logins = {sid: login for sid, login in self.logins.items() if login.user_id != user_id}
        self.api_keys = {key: api_key for key, api_key in self.api_keys.items() if api_key.user_id != user_id}
        self.tickets = {key: ticket for key, ticket in self.tickets.items() if ticket.user_id != user_id}
        self.passkeys = {key: passkey for key, passkey in self.passkeys.items() if passkey.user_id != user_id}
        self.identities = {key: one for key, one in self.identities.items() if one.user_id != user_id}
        self.totp.pop(user_id, None)
        self.recovery_codes.pop(user_id, None)

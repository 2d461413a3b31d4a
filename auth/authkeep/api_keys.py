"""The journeys of an API key: made, seen in a list, revoked. How one is verified is `authkeep.api_key_verifier`."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from uuid_utils.compat import uuid7

from authkeep.api_key_text import key_hash, key_hint, make_key_text
from authkeep.audit import Audit
from authkeep.clock import Clock
from authkeep.device import Device
from authkeep.display_name import clean_name
from authkeep.errors import ApiKeyNotFound, InvalidInput, TooManyApiKeys
from authkeep.ids import is_id
from authkeep.principal import Principal, Scope
from authkeep.revocation import Revocations
from authkeep.settings import AuthSettings
from authkeep.store import ApiKey, AuditAction, Revocation, Store


@dataclass(frozen=True, slots=True)
class NewApiKey:
    """Attributes:
    text: the key itself, which nobody can be shown again.
    """

    key: ApiKey
    text: str = field(repr=False)


class ApiKeys:
    """What it revokes is known before the caller is told."""

    def __init__(
        self, settings: AuthSettings, store: Store, clock: Clock, audit: Audit, revocations: Revocations
    ) -> None:
        self._settings = settings
        self._store = store
        self._clock = clock
        self._audit = audit
        self._revocations = revocations

    async def create(
        self, principal: Principal, name: str, scopes: Sequence[Scope], expires_at: datetime | None, device: Device
    ) -> NewApiKey:
        """A key for the caller.

        Raises:
            InvalidName: it cannot be shown in a list.
            InvalidInput: no name, no scope or one that the host does not have, or an expiry that has passed.
            TooManyApiKeys: the caller has as many as anybody may.
        """
        self._check_scopes(scopes)
        expires_at = self._checked_expiry(expires_at)
        cleaned = clean_name(name)
        if not cleaned:
            raise InvalidInput("Give the key a name by which you will know it.", field="name")
        new = self._make(principal, cleaned, scopes, expires_at)
        event = self._audit.event(
            AuditAction.API_KEY_CREATED, device, actor=principal, key_id=new.key.id, scopes=" ".join(new.key.scopes)
        )
        if not await self._store.add_api_key(new.key, self._settings.max_api_keys, event=event):
            raise TooManyApiKeys
        return new

    def _check_scopes(self, scopes: Sequence[Scope]) -> None:
        known = self._settings.scopes
        if not scopes or not all(scope in known for scope in scopes):
            raise InvalidInput(f"Choose at least one of: {', '.join(sorted(known))}.", field="scopes")

    def _checked_expiry(self, expires_at: datetime | None) -> datetime | None:
        if expires_at is None:
            return None
        try:
            utc = expires_at.astimezone(UTC)
        except OverflowError:  # the last hours of the year 9999, west of Greenwich
            raise InvalidInput("This is too late: choose an earlier time, or none.", field="expires_at") from None
        if utc <= self._clock.now():
            raise InvalidInput("This has passed: choose a later time, or none.", field="expires_at")
        return utc

    def _make(self, principal: Principal, name: str, scopes: Sequence[Scope], expires_at: datetime | None) -> NewApiKey:
        prefix = self._settings.api_key_prefix
        text = make_key_text(prefix)
        key = ApiKey(
            id=str(uuid7()),
            user_id=principal.user_id,
            name=name,
            hint=key_hint(prefix, text),
            secret_hash=key_hash(prefix, text),
            scopes=tuple(sorted(set(scopes))),
            created_at=self._clock.now(),
            expires_at=expires_at,
        )
        return NewApiKey(key, text)

    async def list_keys(self, principal: Principal, *, limit: int, before: str | None) -> Sequence[ApiKey]:
        """The caller's keys, newest first, older than the key `before`.

        Raises:
            InvalidInput: `before` is not an id.
        """
        if before is not None and not is_id(before):
            raise InvalidInput("The cursor is not one that this list handed out.")
        return await self._store.list_api_keys(principal.user_id, limit, before)

    async def revoke(self, principal: Principal, key_id: str, device: Device) -> None:
        """Remove one of the caller's keys; it is refused from now on, and its streams end.

        Raises:
            ApiKeyNotFound: there is none, or it is somebody else's.
        """
        if not is_id(key_id):
            raise ApiKeyNotFound
        # A process remembers a key for at most as long as an access token lives; the margin is for clocks that differ.
        until = self._clock.now() + self._settings.revocation_lifetime
        revocation = Revocation(str(uuid7()), key_id, principal.user_id, None, until)
        event = self._audit.event(AuditAction.API_KEY_REVOKED, device, actor=principal, key_id=key_id)
        if not await self._store.revoke_api_key(revocation, event=event):
            raise ApiKeyNotFound
        await self._revocations.apply([revocation])

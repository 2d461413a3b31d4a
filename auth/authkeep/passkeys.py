"""The journeys of a passkey: add, list, rename, remove. See also `authkeep.factor_changes`."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

from uuid_utils.compat import uuid7

from authkeep.audit import Audit
from authkeep.authenticator_app import RecoveryCodeBook
from authkeep.clock import Clock
from authkeep.device import Device
from authkeep.display_name import clean_name
from authkeep.errors import InvalidToken
from authkeep.factor_changes import FactorChanges, require_second_factor
from authkeep.factor_proofs import FactorProofs, challenge_of
from authkeep.factors.authenticator_names import name_of
from authkeep.factors.errors import (
    FactorNotFound,
    UnacceptablePasskey,
)
from authkeep.ids import is_id
from authkeep.oidc.errors import LastWayIn
from authkeep.one_time_secrets import OneTimeSecrets
from authkeep.principal import Principal
from authkeep.store import AuditAction, Passkey, Purpose, Store

MAX_PASSKEYS = 20
_CHALLENGE_LIFETIME = timedelta(minutes=10)


class Passkeys:
    """Up to twenty for each user."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        audit: Audit,
        changes: FactorChanges,
        secrets: OneTimeSecrets,
        proofs: FactorProofs,
        code_book: RecoveryCodeBook,
    ) -> None:
        self._store = store
        self._clock = clock
        self._audit = audit
        self._changes = changes
        self._secrets = secrets
        self._proofs = proofs
        self._code_book = code_book

    async def options(self, principal: Principal) -> tuple[str, dict[str, Any]]:
        """A ticket for this login, and what the browser is to make.

        Raises:
            RecentSignInRequired: this login was not confirmed with the second factor that the account has.
            PasskeysNotOffered: they are not installed.
            InvalidToken: the account is gone.
        """
        relying_party = self._proofs.relying_party
        held = await self._store.find_factors(principal.user_id)
        require_second_factor(principal, held)
        user = await self._store.find_user(principal.user_id)
        if user is None:
            raise InvalidToken
        ticket = await self._secrets.issue(
            Purpose.PASSKEY_REGISTRATION, _CHALLENGE_LIFETIME, user_id=user.id, data={"sid": principal.login_id}
        )
        return ticket, relying_party.creation_options(user, challenge_of(ticket), held.passkeys)

    async def add(
        self, principal: Principal, ticket: str, name: str, credential: Mapping[str, Any], device: Device
    ) -> tuple[Passkey, tuple[str, ...]]:
        """The new passkey; and the recovery codes, if these are the first.

        Raises:
            UnacceptablePasskey: not a good answer to the ticket of this login, known already, or one too many.
            RecentSignInRequired: since the ticket the account has got a second factor, and this login does not know it.
            InvalidName: too long, or not text.
            PasskeysNotOffered: they are not installed.
        """
        given_name = clean_name(name)
        taken = await self._secrets.take(Purpose.PASSKEY_REGISTRATION, ticket)
        if taken is None or (taken.user_id, taken.data["sid"]) != (principal.user_id, principal.login_id):
            raise UnacceptablePasskey
        # Asked again: the account may have got its first factor since the ticket was issued.
        require_second_factor(principal, await self._store.find_factors(principal.user_id))
        made = self._proofs.relying_party.verify_registration(credential, challenge_of(ticket))
        if made is None:
            raise UnacceptablePasskey
        passkey = Passkey(
            id=str(uuid7()),
            user_id=principal.user_id,
            credential_id=made.credential_id,
            public_key=made.public_key,
            sign_count=made.sign_count,
            transports=made.transports,
            aaguid=made.aaguid,
            backed_up=made.backed_up,
            name=given_name or name_of(made.aaguid),
            created_at=self._clock.now(),
        )
        event = self._audit.event(AuditAction.PASSKEY_ADDED, device, actor=principal, name=passkey.name)
        if not await self._store.add_passkey(passkey, MAX_PASSKEYS, event=event):
            raise UnacceptablePasskey
        await self._changes.added(principal)
        return passkey, await self._code_book.make_first(principal, device)

    async def list_all(self, principal: Principal) -> Sequence[Passkey]:
        """The caller's own, oldest first."""
        return (await self._store.find_factors(principal.user_id)).passkeys

    async def rename(self, principal: Principal, passkey_id: str, name: str, device: Device) -> Passkey:
        """Raises:
        FactorNotFound: it is not there, or somebody else's.
        InvalidName: too long, or not text.
        """
        cleaned = clean_name(name)
        event = self._audit.event(AuditAction.PASSKEY_RENAMED, device, actor=principal, name=cleaned)
        if not is_id(passkey_id):
            raise FactorNotFound
        renamed = await self._store.rename_passkey(passkey_id, principal.user_id, cleaned or name_of(""), event=event)
        if renamed is None:
            raise FactorNotFound
        return renamed

    async def remove(self, principal: Principal, passkey_id: str, device: Device) -> None:
        """Every other login of the caller ends.

        Raises:
            FactorNotFound: it is not there, or somebody else's.
            RecentSignInRequired: this login was not confirmed with the second factor.
            LastWayIn: there is no password, no other passkey, and no identity elsewhere to sign in with.
        """
        if not is_id(passkey_id):
            raise FactorNotFound
        held = await self._store.find_factors(principal.user_id)
        found = next((passkey for passkey in held.passkeys if passkey.id == passkey_id), None)
        if found is None:
            raise FactorNotFound
        require_second_factor(principal, held)
        if len(held.passkeys) == 1:
            await self._require_another_way_in(principal.user_id)
        ending = self._changes.ending()
        event = self._audit.event(AuditAction.PASSKEY_REMOVED, device, actor=principal, name=found.name)
        revoked = await self._store.remove_passkey(
            passkey_id, principal.user_id, ending, principal.login_id, event=event
        )
        await self._changes.removed(principal, revoked)

    async def _require_another_way_in(self, user_id: str) -> None:
        user = await self._store.find_user(user_id)
        has_password = user is not None and user.password_hash is not None
        if not has_password and not await self._store.list_identities(user_id, 1, None):
            raise LastWayIn

"""The rest of a sign-in with two factors, and the sign-in with a passkey alone."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from authkeep.audit import Audit
from authkeep.device import Device
from authkeep.errors import InvalidCredentials
from authkeep.factor_proofs import CodeFactor, FactorProofs, Methods, challenge_of
from authkeep.factors.errors import (
    InvalidMfaToken,
    InvalidSecondFactor,
    PasskeyRefused,
    WrongFactor,
)
from authkeep.logins import Logins, SignedIn
from authkeep.mfa_tickets import HalfSignedIn, MfaTickets
from authkeep.one_time_secrets import OneTimeSecrets
from authkeep.store import AuditAction, Outcome, Purpose, Store

_CHALLENGE_LIFETIME = timedelta(minutes=5)


class MfaLogin:
    """After a right password: a code or a passkey opens the login."""

    def __init__(self, store: Store, logins: Logins, tickets: MfaTickets, proofs: FactorProofs, audit: Audit) -> None:
        self._store = store
        self._logins = logins
        self._tickets = tickets
        self._proofs = proofs
        self._audit = audit

    async def passkey_options(self, mfa_token: str) -> dict[str, Any]:
        """What the browser is to be asked for.

        Raises:
            InvalidMfaToken: the sign-in cannot go on.
            PasskeysNotOffered: they are not installed.
        """
        half = await self._tickets.read(mfa_token)
        held = await self._store.find_factors(half.user.id)
        return self._proofs.relying_party.request_options(challenge_of(mfa_token), held.passkeys)

    async def with_code(self, mfa_token: str, factor: CodeFactor, code: str, device: Device) -> SignedIn:
        """Raises:
        InvalidMfaToken: the sign-in cannot go on.
        InvalidSecondFactor: the code is not right, or has been used.
        RateLimited: too many were tried for this user, wherever from.
        """
        half = await self._begin(mfa_token)
        try:
            proved = await self._proofs.prove_code(half.user.id, factor, code, device)
        except WrongFactor:
            raise await self._refuse(half, factor, device) from None
        return await self._finish(mfa_token, half, proved, device)

    async def with_passkey(self, mfa_token: str, credential: Mapping[str, Any], device: Device) -> SignedIn:
        """Raises:
        InvalidMfaToken: the sign-in cannot go on.
        InvalidSecondFactor: unknown, somebody else's, or not verified.
        PasskeysNotOffered: they are not installed.
        """
        half = await self._begin(mfa_token)
        try:
            proved = await self._proofs.prove_passkey(credential, mfa_token, device, user_id=half.user.id)
        except WrongFactor:
            raise await self._refuse(half, "passkey", device) from None
        return await self._finish(mfa_token, half, proved.methods, device)

    async def _begin(self, mfa_token: str) -> HalfSignedIn:
        half = await self._tickets.read(mfa_token)
        await self._tickets.count_attempt(half)
        return half

    async def _refuse(self, half: HalfSignedIn, factor: str, device: Device) -> InvalidSecondFactor:
        event = self._audit.event(
            AuditAction.LOGIN, device, subject=half.user.id, outcome=Outcome.FAILURE, reason=factor
        )
        await self._audit.record(event)
        return InvalidSecondFactor()

    async def _finish(self, mfa_token: str, half: HalfSignedIn, proved: Methods, device: Device) -> SignedIn:
        await self._tickets.redeem(mfa_token)
        try:
            return await self._logins.open(half.user, device, sorted(half.methods | proved))
        except InvalidCredentials:
            raise InvalidMfaToken from None


class PasskeyLogin:
    """A passkey is all that it takes. Nobody says who they are before: there is no account to ask about."""

    def __init__(
        self, store: Store, logins: Logins, secrets: OneTimeSecrets, proofs: FactorProofs, audit: Audit
    ) -> None:
        self._store = store
        self._logins = logins
        self._secrets = secrets
        self._proofs = proofs
        self._audit = audit

    async def options(self) -> tuple[str, dict[str, Any]]:
        """A ticket, and what the browser is to be asked for.

        Raises:
            PasskeysNotOffered: they are not installed.
        """
        relying_party = self._proofs.relying_party
        ticket = await self._secrets.issue(Purpose.PASSKEY_SIGN_IN, _CHALLENGE_LIFETIME)
        return ticket, relying_party.request_options(challenge_of(ticket))

    async def sign_in(self, ticket: str, credential: Mapping[str, Any], device: Device) -> SignedIn:
        """Raises:
        PasskeyRefused: whatever the reason is.
        PasskeysNotOffered: they are not installed.
        """
        if await self._secrets.take(Purpose.PASSKEY_SIGN_IN, ticket) is None:
            raise PasskeyRefused
        try:
            proved = await self._proofs.prove_passkey(credential, ticket, device)
            user = await self._store.find_user(proved.user_id)
            if user is None or user.disabled:
                await self._record_refusal(proved.user_id, device, "disabled")
                raise PasskeyRefused
            return await self._logins.open(user, device, sorted(proved.methods))
        except WrongFactor:
            await self._record_refusal(None, device, "passkey")
            raise PasskeyRefused from None
        except InvalidCredentials:
            raise PasskeyRefused from None

    async def _record_refusal(self, user_id: str | None, device: Device, reason: str) -> None:
        event = self._audit.event(AuditAction.LOGIN, device, subject=user_id, outcome=Outcome.FAILURE, reason=reason)
        await self._audit.record(event)

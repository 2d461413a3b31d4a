"""Step-up: somebody who is signed in proves once more who they are, before something sensitive (RFC 9470).

Who has a second factor proves it with that: the password may be what was stolen together with the session.
"""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from authkeep.audit import Audit
from authkeep.device import Device
from authkeep.errors import InvalidToken, WrongPassword
from authkeep.factor_proofs import CodeFactor, FactorProofs, challenge_of
from authkeep.factors.errors import (
    SecondFactorRequired,
    WrongFactor,
)
from authkeep.logins import Logins
from authkeep.one_time_secrets import OneTimeSecrets
from authkeep.passwords import PasswordHasher
from authkeep.principal import Principal
from authkeep.store import AuditAction, Outcome, Purpose, Store

_CHALLENGE_LIFETIME = timedelta(minutes=5)


class StepUp:
    """Each way ends with an access token of the same login whose `auth_time` is now; a refresh keeps it."""

    def __init__(
        self,
        store: Store,
        logins: Logins,
        passwords: PasswordHasher,
        secrets: OneTimeSecrets,
        proofs: FactorProofs,
        audit: Audit,
    ) -> None:
        self._store = store
        self._logins = logins
        self._passwords = passwords
        self._secrets = secrets
        self._proofs = proofs
        self._audit = audit

    async def with_password(self, principal: Principal, password: str, device: Device) -> tuple[str, int]:
        """A new access token, and the seconds it lives.

        Raises:
            SecondFactorRequired: the account has one; whether the password is right is not said.
            WrongPassword: it is not the password.
            InvalidToken: the login or the account is gone.
            HashingBusy: too many others are signing in.
        """
        user = await self._store.find_user(principal.user_id)
        if user is None or user.disabled:
            raise InvalidToken
        if (await self._store.find_factors(user.id)).has_second:
            raise SecondFactorRequired
        if not await self._passwords.verify(password, user.password_hash):
            await self._record_refusal(principal, "password", device)
            raise WrongPassword("The password is not right", field="password")
        return await self._logins.step_up(principal, ["pwd"], device)

    async def with_code(self, principal: Principal, factor: CodeFactor, code: str, device: Device) -> tuple[str, int]:
        """As `with_password`.

        Raises:
            WrongFactor: the code is not right, or has been used.
            RateLimited: too many were tried for this user, wherever from.
            InvalidToken: the login or the account is gone.
        """
        try:
            proved = await self._proofs.prove_code(principal.user_id, factor, code, device)
        except WrongFactor:
            await self._record_refusal(principal, factor, device)
            raise
        return await self._logins.step_up(principal, proved, device)

    async def passkey_options(self, principal: Principal) -> tuple[str, dict[str, Any]]:
        """A ticket for this login, and what the browser is to be asked for.

        Raises:
            PasskeysNotOffered: they are not installed.
        """
        relying_party = self._proofs.relying_party
        held = await self._store.find_factors(principal.user_id)
        ticket = await self._secrets.issue(
            Purpose.STEP_UP, _CHALLENGE_LIFETIME, user_id=principal.user_id, data={"sid": principal.login_id}
        )
        return ticket, relying_party.request_options(challenge_of(ticket), held.passkeys)

    async def with_passkey(
        self, principal: Principal, ticket: str, credential: Mapping[str, Any], device: Device
    ) -> tuple[str, int]:
        """As `with_password`.

        Raises:
            WrongFactor: the passkey is not theirs or not verified, or the ticket is not of this login.
            InvalidToken: the login or the account is gone.
            PasskeysNotOffered: they are not installed.
        """
        taken = await self._secrets.take(Purpose.STEP_UP, ticket)
        if taken is None or taken.data["sid"] != principal.login_id:
            raise WrongFactor(field="credential")
        try:
            proved = await self._proofs.prove_passkey(credential, ticket, device, user_id=principal.user_id)
        except WrongFactor:
            await self._record_refusal(principal, "passkey", device)
            raise
        return await self._logins.step_up(principal, proved.methods, device)

    async def _record_refusal(self, principal: Principal, reason: str, device: Device) -> None:
        event = self._audit.event(AuditAction.STEP_UP, device, actor=principal, outcome=Outcome.FAILURE, reason=reason)
        await self._audit.record(event)

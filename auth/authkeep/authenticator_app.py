"""The journeys of an authenticator app and of the recovery codes: set up, confirm, make new ones, remove.

What they need and what follows from them is in `authkeep.factor_changes`.
"""

from datetime import timedelta

from authkeep.audit import Audit
from authkeep.clock import Clock
from authkeep.device import Device
from authkeep.errors import InvalidToken
from authkeep.factor_changes import FactorChanges, require_second_factor
from authkeep.factors.errors import (
    NoSecondFactor,
    TotpEnabled,
    WrongFactor,
)
from authkeep.factors.recovery_codes import RecoveryCodes
from authkeep.factors.totp import TotpOffer, TotpSecrets
from authkeep.principal import Principal
from authkeep.store import AuditAction, Store, Totp
from authkeep.throttle import Throttle

_OFFER_LIFETIME = timedelta(minutes=10)


class RecoveryCodeBook:
    """Makes recovery codes: by themselves with the first factor, and anew when asked."""

    def __init__(self, store: Store, codes: RecoveryCodes, audit: Audit) -> None:
        self._store = store
        self._codes = codes
        self._audit = audit

    async def make_first(self, principal: Principal, device: Device) -> tuple[str, ...]:
        """Codes to be shown once; none where the user has some from before."""
        return await self._make(principal, device, only_first=True)

    async def make_anew(self, principal: Principal, device: Device) -> tuple[str, ...]:
        """Codes to be shown once; those of before are void.

        Raises:
            NoSecondFactor: there is nothing that they could stand in for.
            RecentSignInRequired: this login was not confirmed with the second factor.
            InvalidToken: the account is gone.
        """
        held = await self._store.find_factors(principal.user_id)
        if not held.has_second:
            raise NoSecondFactor
        require_second_factor(principal, held)
        made = await self._make(principal, device, only_first=False)
        if not made:
            raise InvalidToken
        return made

    async def _make(self, principal: Principal, device: Device, *, only_first: bool) -> tuple[str, ...]:
        codes, hashes = self._codes.make(principal.user_id)
        event = self._audit.event(AuditAction.RECOVERY_CODES_MADE, device, actor=principal)
        stored = await self._store.put_recovery_codes(principal.user_id, hashes, only_first=only_first, event=event)
        return codes if stored else ()


class AuthenticatorApp:
    """One for each user."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        throttle: Throttle,
        audit: Audit,
        changes: FactorChanges,
        totp: TotpSecrets,
        code_book: RecoveryCodeBook,
    ) -> None:
        self._store = store
        self._clock = clock
        self._throttle = throttle
        self._audit = audit
        self._changes = changes
        self._totp = totp
        self._code_book = code_book

    async def offer(self, principal: Principal) -> TotpOffer:
        """A new secret, which counts for nothing until a code of it confirms it.

        Raises:
            TotpEnabled: there is one.
            RecentSignInRequired: this login was not confirmed with the second factor that the account has.
            InvalidToken: the account is gone.
        """
        held = await self._store.find_factors(principal.user_id)
        require_second_factor(principal, held)
        user = await self._store.find_user(principal.user_id)
        if user is None:
            raise InvalidToken
        sealed, offer = self._totp.make(user.id, user.email)
        if not await self._store.put_totp(Totp(user.id, sealed, None, 0, self._clock.now())):
            raise TotpEnabled
        return offer

    async def confirm(self, principal: Principal, code: str, device: Device) -> tuple[str, ...]:
        """From now on a sign-in asks for it. Gives the recovery codes, if these are the first.

        Raises:
            WrongFactor: the code is not of the secret that was offered last, or that was too long ago.
            RecentSignInRequired: since the offer the account has got a second factor, and this login does not know it.
            RateLimited: too many were tried.
        """
        held = await self._store.find_factors(principal.user_id)
        require_second_factor(principal, held)
        key = f"user:{principal.user_id}"
        await self._throttle.require("second_factor", key)
        app, now = held.totp, self._clock.now()
        # An offer that stays good would let whoever had this login for a moment confirm it on any later day.
        if app is None or now - app.created_at > _OFFER_LIFETIME:
            raise WrongFactor
        step = self._totp.matching_step(app.secret, app.user_id, code, self._clock.seconds())
        event = self._audit.event(AuditAction.TOTP_ENABLED, device, actor=principal)
        if step is None or not await self._store.confirm_totp(app, step, now, event=event):
            raise WrongFactor
        await self._throttle.give_back("second_factor", key)
        await self._changes.added(principal)
        return await self._code_book.make_first(principal, device)

    async def remove(self, principal: Principal, device: Device) -> None:
        """Every other login of the caller ends.

        Raises:
            FactorNotFound: there is none.
            RecentSignInRequired: this login was not confirmed with the second factor.
        """
        require_second_factor(principal, await self._store.find_factors(principal.user_id))
        ending = self._changes.ending()
        event = self._audit.event(AuditAction.TOTP_REMOVED, device, actor=principal)
        revoked = await self._store.remove_totp(principal.user_id, ending, principal.login_id, event=event)
        await self._changes.removed(principal, revoked)

"""Whether somebody has what they claim to have: a code of their app, a recovery code, a passkey.

The same check wherever it is asked: after a password, for a passkey alone, and before something sensitive.
"""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from authkeep.audit import Audit
from authkeep.clock import Clock
from authkeep.device import Device
from authkeep.factors.errors import (
    PasskeysNotOffered,
    WrongFactor,
)
from authkeep.factors.recovery_codes import RecoveryCodes
from authkeep.factors.totp import TotpSecrets
from authkeep.store import AuditAction, Outcome, Store
from authkeep.throttle import Throttle

if TYPE_CHECKING:
    from authkeep.factors.webauthn import RelyingParty

CodeFactor = Literal["totp", "recovery_code"]
Methods = frozenset[str]
_CODE: Methods = frozenset({"otp", "mfa"})
_CREDENTIAL_ID = re.compile(r"[A-Za-z0-9_-]{1,1364}", re.ASCII)


@dataclass(frozen=True, slots=True)
class ProvedPasskey:
    """Attributes:
    methods: as `amr` values (RFC 8176): hwk for a key that cannot leave its device, swk for one that can.
    """

    user_id: str
    methods: Methods


class FactorProofs:
    """Args:
    relying_party: None where passkeys are not installed.
    """

    def __init__(
        self,
        store: Store,
        clock: Clock,
        throttle: Throttle,
        audit: Audit,
        totp: TotpSecrets,
        recovery_codes: RecoveryCodes,
        relying_party: "RelyingParty | None",
    ) -> None:
        self._store = store
        self._clock = clock
        self._throttle = throttle
        self._audit = audit
        self._totp = totp
        self._recovery_codes = recovery_codes
        self._relying_party = relying_party

    @property
    def relying_party(self) -> "RelyingParty":
        """Raises:
        PasskeysNotOffered: they are not installed.
        """
        if self._relying_party is None:
            raise PasskeysNotOffered
        return self._relying_party

    async def prove_code(self, user_id: str, factor: CodeFactor, code: str, device: Device) -> Methods:
        """Use up a code, and say how its user is authenticated by it.

        Raises:
            WrongFactor: it is not theirs, or has been used.
            RateLimited: too many were tried for this user, wherever from.
        """
        # Counted before it is checked, so that a thousand at once are no more than one after another.
        key = f"user:{user_id}"
        await self._throttle.require("second_factor", key)
        use = self._use_totp if factor == "totp" else self._use_recovery_code
        if not await use(user_id, code, device):
            raise WrongFactor
        await self._throttle.give_back("second_factor", key)
        return _CODE

    async def _use_totp(self, user_id: str, code: str, _: Device) -> bool:
        app = (await self._store.find_factors(user_id)).totp
        if app is None:
            return False
        step = self._totp.matching_step(app.secret, user_id, code, self._clock.seconds())
        return step is not None and await self._store.use_totp_step(app, step)

    async def _use_recovery_code(self, user_id: str, code: str, device: Device) -> bool:
        code_hash = self._recovery_codes.hash(user_id, code)
        if code_hash is None:
            return False
        event = self._audit.event(AuditAction.RECOVERY_CODE_USED, device, actor=user_id)
        return await self._store.use_recovery_code(user_id, code_hash, self._clock.now(), event=event)

    async def prove_passkey(
        self, credential: Mapping[str, Any], secret: str, device: Device, *, user_id: str | None = None
    ) -> ProvedPasskey:
        """Whose passkey has answered the challenge of `secret`; with `user_id`, only theirs will do.

        Raises:
            WrongFactor: unknown, somebody else's, not verified, or a copy.
            PasskeysNotOffered: they are not installed.
        """
        relying_party = self.relying_party
        presented = credential.get("id")
        if not isinstance(presented, str) or not _CREDENTIAL_ID.fullmatch(presented):
            raise WrongFactor(field="credential")
        passkey = await self._store.find_passkey(presented)
        if passkey is None or user_id not in (None, passkey.user_id):
            raise WrongFactor(field="credential")
        assertion = relying_party.verify_assertion(credential, challenge_of(secret), passkey)
        if assertion is None:
            raise WrongFactor(field="credential")
        now = self._clock.now()
        if not await self._store.use_passkey(passkey, assertion.sign_count, assertion.backed_up, now):
            # Its counter has been there before: there are two of it, and one is a thief's (WebAuthn, section 6.1.1).
            copied = self._audit.event(
                AuditAction.PASSKEY_COPIED, device, subject=passkey.user_id, outcome=Outcome.FAILURE, name=passkey.name
            )
            await self._audit.record(copied)
            raise WrongFactor(field="credential")
        return ProvedPasskey(passkey.user_id, frozenset({"swk" if assertion.synced else "hwk", "user", "mfa"}))


def challenge_of(secret: str) -> bytes:
    """The challenge that goes with a one-time secret: nothing to store, and gone when the secret is."""
    return hashlib.sha256(b"authkeep passkey challenge " + secret.encode("utf-8", "surrogatepass")).digest()

"""Everything that can be asked for besides a password, made of one deployment's parts."""

import importlib.util
from typing import TYPE_CHECKING

from authkeep.account_mail import AccountMail
from authkeep.audit import Audit
from authkeep.authenticator_app import AuthenticatorApp, RecoveryCodeBook
from authkeep.clock import Clock
from authkeep.factor_changes import FactorChanges
from authkeep.factor_proofs import FactorProofs
from authkeep.factors.recovery_codes import RecoveryCodes
from authkeep.factors.totp import TotpSecrets
from authkeep.keys import SigningKeys
from authkeep.logins import Logins
from authkeep.mfa_login import MfaLogin, PasskeyLogin
from authkeep.mfa_tickets import MfaTickets
from authkeep.one_time_secrets import OneTimeSecrets
from authkeep.passkeys import Passkeys
from authkeep.passwords import PasswordHasher
from authkeep.principal import Principal
from authkeep.settings import AuthSettings
from authkeep.step_up import StepUp
from authkeep.store import FactorsHeld, Store
from authkeep.throttle import Throttle

if TYPE_CHECKING:
    from authkeep.factors.webauthn import RelyingParty


class Mfa:
    """Attributes:
    login, passkey_login: what comes after a password, and what comes instead of one.
    step_up: a proof for somebody who is signed in.
    app, recovery_codes, passkeys: what users set up for themselves.
    """

    def __init__(  # noqa: PLR0913 - one deployment's parts, of which each journey takes a few
        self,
        settings: AuthSettings,
        store: Store,
        clock: Clock,
        keys: SigningKeys,
        throttle: Throttle,
        passwords: PasswordHasher,
        audit: Audit,
        *,
        logins: Logins,
        mail: AccountMail,
    ) -> None:
        self._store = store
        product = next(iter(settings.product_names), settings.audience)
        totp, codes = TotpSecrets(keys.derive, product), RecoveryCodes(keys.derive)
        relying_party = _relying_party(product, settings.public_url)
        secrets = OneTimeSecrets(store, clock)
        proofs = FactorProofs(store, clock, throttle, audit, totp, codes, relying_party)
        self.login = MfaLogin(store, logins, MfaTickets(store, secrets), proofs, audit)
        self.passkey_login = PasskeyLogin(store, logins, secrets, proofs, audit)
        self.step_up = StepUp(store, logins, passwords, secrets, proofs, audit)
        changes = FactorChanges(store, logins, mail)
        self.recovery_codes = RecoveryCodeBook(store, codes, audit)
        self.app = AuthenticatorApp(store, clock, throttle, audit, changes, totp, self.recovery_codes)
        self.passkeys = Passkeys(store, clock, audit, changes, secrets, proofs, self.recovery_codes)

    async def held(self, principal: Principal) -> FactorsHeld:
        """What the caller can prove besides a password."""
        return await self._store.find_factors(principal.user_id)


def _relying_party(name: str, public_url: str | None) -> "RelyingParty | None":
    if importlib.util.find_spec("webauthn") is None:
        return None
    # An extra: who does not install it has everything but passkeys.
    from authkeep.factors.webauthn import RelyingParty  # noqa: PLC0415

    return RelyingParty(name, public_url)

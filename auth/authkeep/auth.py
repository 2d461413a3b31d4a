"""What a host creates: settings, a store and keys, made into one thing that can be mounted."""

import contextlib
from collections.abc import AsyncIterator

from authkeep.access_tokens import AccessTokens
from authkeep.account_deletion import AccountDeletion, OnUserDeleted
from authkeep.account_mail import AccountMail
from authkeep.accounts import Accounts
from authkeep.administration import Administration
from authkeep.api_key_verifier import ApiKeyVerifier
from authkeep.api_keys import ApiKeys
from authkeep.audit import Audit
from authkeep.clock import Clock, SystemClock
from authkeep.device_tokens import DeviceTokens
from authkeep.email_verification import EmailVerification
from authkeep.errors import StaleToken
from authkeep.keys import SigningKeys
from authkeep.logins import Logins
from authkeep.mail import Mailer, OutTray
from authkeep.mfa import Mfa
from authkeep.oidc.external_sign_in import ExternalSignIn
from authkeep.one_time_secrets import OneTimeSecrets
from authkeep.password_reset import PasswordReset
from authkeep.passwords import PasswordHasher
from authkeep.principal import Principal
from authkeep.refresh_tokens import RefreshTokens
from authkeep.revocation import Revocations
from authkeep.settings import AuthSettings
from authkeep.store import RevocationFeed, Store
from authkeep.throttle import MemoryCounters, Throttle
from authkeep.verified_tokens import VerifiedTokens


class Auth:
    """One deployment's authentication. State lives here, none in modules: two can run in one process.

    Args:
        throttle: shares its counters with the host's own limits; its limits win over those of the settings.
        feed: how processes tell one another what was revoked; the store's own way if none is given.
        setup_code: what the first registration must present; None where being first is enough.
        passwords: for tests that cannot afford 20 MiB for each user; the default is right for everybody else.
        on_user_deleted: removes what the host keeps of a user; see `authkeep.account_deletion`.
        mailer: sends mail; without one, forgotten passwords and changes of address are answered 503.

    Raises:
        ValueError: the setup code is too short, or mails need a setting that is missing.
    """

    def __init__(  # noqa: PLR0913 - what a host can choose, and all that is optional by name
        self,
        settings: AuthSettings,
        store: Store,
        keys: SigningKeys,
        *,
        throttle: Throttle | None = None,
        feed: RevocationFeed | None = None,
        clock: Clock | None = None,
        setup_code: str | None = None,
        passwords: PasswordHasher | None = None,
        mailer: Mailer | None = None,
        on_user_deleted: OnUserDeleted | None = None,
    ) -> None:
        _check_mail(settings, mailer)
        self.settings = settings
        self.store = store
        self.keys = keys
        self.clock = clock or SystemClock()
        self.throttle = (throttle or Throttle(MemoryCounters(self.clock))).with_defaults(settings.limits)
        self.passwords = passwords or PasswordHasher(threads=settings.hashing_threads, queue=settings.hashing_queue)
        self.audit = Audit(store, self.clock)
        self.revocations = _revocations(settings, store, self.clock, feed)
        self.access_tokens = _access_tokens(settings, keys)
        self.verified_tokens = VerifiedTokens(self.access_tokens, keys)
        clock, passwords, revocations, audit = self.clock, self.passwords, self.revocations, self.audit
        refresh_tokens = RefreshTokens(keys.derive)
        self.logins = Logins(settings, store, clock, passwords, self.access_tokens, refresh_tokens, revocations, audit)
        self.out_tray = OutTray(mailer)
        mail = AccountMail(settings, self.out_tray, OneTimeSecrets(store, clock), self.throttle)
        self.mfa = Mfa(settings, store, clock, keys, self.throttle, passwords, audit, logins=self.logins, mail=mail)
        self.verification = EmailVerification(store, clock, mail, audit)
        self.password_reset = PasswordReset(settings, store, clock, passwords, self.logins, revocations, mail, audit)
        self.deletion = AccountDeletion(store, clock, self.logins, revocations, mail, audit, on_user_deleted)
        self.accounts = Accounts(
            settings, store, clock, passwords, self.logins, revocations, mail, audit, setup_code=setup_code
        )
        self.device_tokens = DeviceTokens(keys.derive, settings.device_lifetime)
        self.administration = Administration(store, clock, self.logins, revocations, self.deletion, mail, audit)
        self.api_keys = ApiKeys(settings, store, clock, audit, revocations)
        self.api_key_verifier = ApiKeyVerifier(settings, store, clock, revocations)
        self.external = ExternalSignIn(settings, store, clock, keys, self.logins, audit)

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator["Auth"]:
        """Enter in the host's lifespan: starts the password pool, keeps keys and revocations fresh.

        Raises:
            ValueError: there are bcrypt hashes, and nothing installed that verifies them.
        """
        rotate_every = self.settings.key_rotation
        async with (
            self.at_hand(),
            self.keys.kept_fresh(self.clock, rotate_every),
            self.revocations.running(),
            self.api_key_verifier.running(),
            self.deletion.running(),
            self.external.running(),
        ):
            yield self

    @contextlib.asynccontextmanager
    async def at_hand(self) -> AsyncIterator["Auth"]:
        """Enter for a command that does something once, beside a server or before it: hashes passwords and sends mail.

        Nothing is kept fresh, so tokens are not verified. What does that would be stopped in the middle of a query when
        the command is done, a moment later.

        Raises:
            ValueError: as above.
        """
        bcrypt_hash = await self.store.find_costliest_bcrypt()
        if bcrypt_hash is not None:
            self.passwords.expect(bcrypt_hash)
        async with self.passwords.running(), self.out_tray.running():
            yield self

    async def verify(self, token: str) -> Principal:
        """Who presents this access token or API key. The same check for every door: header, stream, socket.

        A token that verified before costs a digest and four look-ups in memory, and no I/O.

        Raises:
            InvalidToken: malformed or foreign; a StaleToken when it is ours, expired or revoked.
            RevocationsUnknown: the view of revocations is stale and the store does not answer.
        """
        if self.api_key_verifier.recognises(token):
            return await self.api_key_verifier.verify(token)
        principal = self.verified_tokens.verify(token, now=self.clock.seconds()).principal
        if self.revocations.view.refuses(principal):
            raise StaleToken
        if not self.revocations.fresh:
            await self.revocations.ask_the_store(principal)
        return principal

    def verify_known(self, token: str) -> Principal | None:
        """What `verify` says of a token that verified before, without a coroutine; None where it has to be asked.

        Raises:
            StaleToken: the token is revoked.
        """
        known = self.verified_tokens.find(token, now=self.clock.seconds())
        revocations = self.revocations
        if known is None or not revocations.fresh:
            return None
        if revocations.view.refuses(known.principal):
            raise StaleToken
        return known.principal


def _revocations(settings: AuthSettings, store: Store, clock: Clock, feed: RevocationFeed | None) -> Revocations:
    reread, lease = settings.revocation_reread, settings.revocation_lease
    return Revocations(store, clock, reread=reread, lease=lease, feed=feed or store.feed())


def _access_tokens(settings: AuthSettings, keys: SigningKeys) -> AccessTokens:
    return AccessTokens(
        keys,
        issuer=settings.issuer,
        audience=settings.audience,
        lifetime_seconds=settings.access_lifetime.total_seconds(),
        accept_eddsa=settings.accept_eddsa,
    )


def _check_mail(settings: AuthSettings, mailer: Mailer | None) -> None:
    if mailer is not None and not (settings.link_base or settings.public_url):
        raise ValueError("public_url must be set: mails have links in them")
    if settings.verify_email and mailer is None:
        raise ValueError("verify_email needs a mailer: nobody could sign in")

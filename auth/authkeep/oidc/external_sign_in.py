"""The journey to a provider and back: begun in one browser, finished in that browser, once, within ten minutes.

What goes with the browser is the `state`, a one-time secret. The nonce and the PKCE verifier are derived from it with a
key of this deployment, so neither is stored anywhere: not the database, not a cookie and not the address line alone
yields them. A second secret stays in a cookie and ties the journey to the browser that began it, since otherwise an
attacker could have a victim finish theirs (RFC 9700, section 4.7).
"""

import base64
import contextlib
import hashlib
import hmac
import re
import secrets
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from datetime import timedelta

from authkeep.audit import Audit
from authkeep.clock import Clock
from authkeep.device import Device
from authkeep.errors import InvalidInput
from authkeep.keys import SigningKeys
from authkeep.logins import Logins, SignedIn
from authkeep.mfa_tickets import MfaRequired
from authkeep.oidc.callbacks import Callback
from authkeep.oidc.errors import ExternalSignInExpired, ProviderNotFound
from authkeep.oidc.external_accounts import ExternalAccounts
from authkeep.oidc.json_over_http import JsonOverHttp
from authkeep.oidc.relying_party import Attempt, RelyingParty
from authkeep.oidc.return_paths import find_local_path
from authkeep.one_time_secrets import OneTimeSecrets
from authkeep.principal import Principal
from authkeep.settings import AuthSettings
from authkeep.store import Purpose, Store, Ticket

LIFETIME = timedelta(minutes=10)
# What `reauthenticate` asks for: to have proved who one is within this many seconds.
_RECENT_SECONDS = 300
_BROWSER = re.compile(r"[A-Za-z0-9_-]{43}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Beginning:
    """Attributes:
    url: where the browser goes.
    browser: what it keeps in its cookie until it is back.
    """

    url: str
    browser: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Journey:
    """One that has come back to where it began.

    Attributes:
        return_to: a path of this site.
        user_id, login_id: who links an identity, and by which login; None for a sign-in.
    """

    party: RelyingParty
    attempt: Attempt
    return_to: str
    user_id: str | None
    login_id: str | None


class ExternalSignIn:
    """Journeys to the providers that the settings name.

    Attributes:
        accounts: which account each of them ends at.
    """

    def __init__(
        self,
        settings: AuthSettings,
        store: Store,
        clock: Clock,
        keys: SigningKeys,
        logins: Logins,
        audit: Audit,
    ) -> None:
        self.providers = settings.providers
        self.accounts = ExternalAccounts(settings, store, clock, logins, audit)
        self._one_time = OneTimeSecrets(store, clock)
        self._key = keys.derive("external sign-in")
        self._http = JsonOverHttp()
        self._parties = {provider.id: RelyingParty(provider, self._http, clock) for provider in self.providers}

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Keep connections to the providers; without providers, nothing is loaded for it."""
        async with self._http.running() if self.providers else contextlib.nullcontext():
            yield

    async def begin(
        self,
        provider_id: str,
        redirect_uri: str,
        return_to: str,
        browser: str | None,
        *,
        linking: Principal | None = None,
        reauthenticate: bool = False,
    ) -> Beginning:
        """Send a browser on its way.

        Args:
            browser: what its cookie says, if it has one: several tabs may be under way at once.
            linking: who wants another way into their account, rather than to be signed in.
            reauthenticate: have the provider ask again, whoever is signed in there.

        Raises:
            ProviderNotFound: there is none with this id.
            InvalidInput: `return_to` is not a path of this site.
            ProviderUnavailable: the provider does not say where to go.
            RecentSignInRequired: the account has a second factor, and the login of `linking` does not know it.
        """
        party = self.require_provider(provider_id)
        if find_local_path(return_to) is None:
            raise InvalidInput("This is not a path of this site.", field="return_to")
        kept = browser if browser is not None and _BROWSER.fullmatch(browser) else secrets.token_urlsafe(32)
        data = {"provider": provider_id, "browser": _digest(kept), "return_to": return_to, "redirect_uri": redirect_uri}
        if linking is not None:
            await self.accounts.require_second_factor_of(linking)
            data["login_id"] = linking.login_id
        if reauthenticate:
            data["max_age"] = str(_RECENT_SECONDS)
        user_id = linking.user_id if linking else None
        state = await self._one_time.issue(Purpose.OIDC, LIFETIME, user_id=user_id, data=data)
        return Beginning(await party.authorization_url(self._attempt(state, data)), kept)

    async def resume(self, provider_id: str, state: str, browser: str | None) -> Journey:
        """The journey that comes back with this state, in this browser. It can do so once.

        Raises:
            ProviderNotFound: there is none with this id.
            ExternalSignInExpired: it is over, or was begun elsewhere.
        """
        party = self.require_provider(provider_id)
        found = await self._one_time.find(Purpose.OIDC, state)
        # Looked at before it is taken: somebody who has only seen the state must not end the journey.
        if found is None or not _belongs(found, provider_id, browser):
            raise ExternalSignInExpired
        ticket = await self._one_time.take(Purpose.OIDC, state)
        if ticket is None:
            raise ExternalSignInExpired
        data = ticket.data
        return Journey(party, self._attempt(state, data), data["return_to"], ticket.user_id, data.get("login_id"))

    async def complete(self, journey: Journey, callback: Callback, device: Device) -> SignedIn | MfaRequired | None:
        """Sign in whoever the provider says it is; None where an identity has been linked instead.

        Raises:
            ExternalSignInFailed, ProviderUnavailable: there is no proof (`RelyingParty.prove`).
            AccountDisabled, FirstAccountMissing, RegistrationClosed, ExternalEmailRefused, EmailTaken: there is one,
                and no account for it (`ExternalAccounts.sign_in`).
            IdentityTaken, InvalidToken: it cannot be linked (`ExternalAccounts.link`).
        """
        proof = await journey.party.prove(callback, journey.attempt)
        provider = journey.party.provider
        if journey.user_id is None or journey.login_id is None:
            return await self.accounts.sign_in(provider, proof, device)
        await self.accounts.link(provider, proof, journey.user_id, journey.login_id, device)
        return None

    def require_provider(self, provider_id: str) -> RelyingParty:
        """Raises:
        ProviderNotFound: there is none with this id.
        """
        party = self._parties.get(provider_id)
        if party is None:
            raise ProviderNotFound
        return party

    def _attempt(self, state: str, data: Mapping[str, str]) -> Attempt:
        return Attempt(
            redirect_uri=data["redirect_uri"],
            state=state,
            nonce=self._derived("nonce", state),
            verifier=self._derived("verifier", state),
            max_age=int(data["max_age"]) if "max_age" in data else None,
        )

    def _derived(self, purpose: str, state: str) -> str:
        digest = hmac.digest(self._key, f"{purpose} {state}".encode(), "sha256")
        return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


def _belongs(ticket: Ticket, provider_id: str, browser: str | None) -> bool:
    if browser is None or ticket.data["provider"] != provider_id:
        return False
    return hmac.compare_digest(ticket.data["browser"], _digest(browser))


def _digest(browser: str) -> str:
    return hashlib.sha256(browser.encode("utf-8", "surrogatepass")).hexdigest()

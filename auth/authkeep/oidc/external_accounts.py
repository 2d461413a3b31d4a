"""Which account a proof from a provider opens: by issuer and subject, and by nothing else.

An e-mail address finds no account here. It is what a provider says, and providers let people change it, hand it on,
or make it up; an account that has it already is linked by its owner, signed in, and not by the coincidence.
"""

from collections.abc import Sequence
from datetime import UTC, datetime

from uuid_utils.compat import uuid7

from authkeep.audit import Audit
from authkeep.clock import Clock
from authkeep.device import Device
from authkeep.display_name import clean_name
from authkeep.email_address import parse_email
from authkeep.errors import (
    EmailTaken,
    InvalidCredentials,
    InvalidEmail,
    InvalidInput,
    InvalidName,
    InvalidToken,
    RegistrationClosed,
)
from authkeep.factor_changes import require_second_factor
from authkeep.ids import is_id
from authkeep.logins import Logins, SignedIn
from authkeep.mfa_tickets import MfaRequired
from authkeep.oidc.errors import (
    AccountDisabled,
    ExternalEmailRefused,
    FirstAccountMissing,
    IdentityNotFound,
    IdentityTaken,
)
from authkeep.oidc.providers import Provider
from authkeep.oidc.relying_party import Proof
from authkeep.principal import Principal, Role
from authkeep.settings import AuthSettings
from authkeep.store import AuditAction, Identity, Store, User

# Not registered with RFC 8176, which names no value for "somebody else asked". Entra uses this one for it.
_FEDERATED = "fed"


class ExternalAccounts:
    """Accounts and the identities that sign in to them."""

    def __init__(
        self,
        settings: AuthSettings,
        store: Store,
        clock: Clock,
        logins: Logins,
        audit: Audit,
    ) -> None:
        self._usable = frozenset(provider.issuer for provider in settings.providers)
        self._settings = settings
        self._store = store
        self._clock = clock
        self._logins = logins
        self._audit = audit

    async def sign_in(self, provider: Provider, proof: Proof, device: Device) -> SignedIn | MfaRequired:
        """Open a login on the account with this identity; on a new account, where strangers may have one.

        An account with a second factor of ours is asked for it, unless the provider has said, in words that the
        operator trusts, that it has asked for one.

        Raises:
            AccountDisabled: there is an account, and it is closed.
            FirstAccountMissing: nobody is here yet. The first account is the administrator's, and takes the setup code.
            RegistrationClosed: strangers get no account.
            ExternalEmailRefused: they need a verified address, of a domain that is let in.
            EmailTaken: an account has this address. Its owner can link this identity to it.
        """
        user = await self._store.use_identity(proof.issuer, proof.subject, self._clock.now())
        if user is None:
            user = await self._add(provider, proof, device)
        if user.disabled:
            raise AccountDisabled
        proved_at = self._proved_at(proof)
        try:
            if proof.second_factor:
                return await self._logins.open(user, device, (_FEDERATED, "mfa"), authenticated_at=proved_at)
            return await self._logins.admit(user, device, (_FEDERATED,), authenticated_at=proved_at)
        except InvalidCredentials:
            raise AccountDisabled from None

    async def _add(self, provider: Provider, proof: Proof, device: Device) -> User:
        if await self._store.is_empty():
            raise FirstAccountMissing
        opens = provider.opens_accounts
        if not (self._settings.registration_open if opens is None else opens):
            raise RegistrationClosed
        shown, key = _verified_email(provider, proof)
        now = self._clock.now()
        user = User(str(uuid7()), shown, key, _name_of(proof), Role.USER, None, 0, False, now, now)
        event = self._audit.event(AuditAction.USER_REGISTERED, device, actor=user.id, provider=provider.id)
        try:
            await self._store.add_user_with_identity(user, self._identity(provider, proof, user.id), event=event)
        except (EmailTaken, IdentityTaken):
            # Perhaps it was these very two, in another tab.
            added = await self._store.use_identity(proof.issuer, proof.subject, now)
            if added is None:
                raise EmailTaken from None
            return added
        return user

    async def link(self, provider: Provider, proof: Proof, user_id: str, login_id: str, device: Device) -> None:
        """Make this identity a way into the account of somebody who is signed in, and has asked for it.

        Raises:
            InvalidToken: their login has ended meanwhile.
            ExternalEmailRefused: the provider vouches for no address of theirs.
            IdentityTaken: the identity is another account's.
        """
        user = await self._store.find_user(user_id)
        if user is None or not await self._store.is_live(login_id, user_id, user.epoch):
            raise InvalidToken
        if not proof.email or not proof.email_verified:
            raise ExternalEmailRefused
        event = self._audit.event(
            AuditAction.IDENTITY_LINKED, device, actor=user_id, login_id=login_id, provider=provider.id
        )
        try:
            await self._store.add_identity(self._identity(provider, proof, user_id), event=event)
        except IdentityTaken:
            owner = await self._store.use_identity(proof.issuer, proof.subject, self._clock.now())
            if owner is None or owner.id != user_id:
                raise

    async def list_identities(self, principal: Principal, *, limit: int, before: str | None) -> Sequence[Identity]:
        """The caller's identities, newest first, older than the identity `before`.

        Raises:
            InvalidInput: `before` is not an id.
        """
        if before is not None and not is_id(before):
            raise InvalidInput("The cursor is not one that this list handed out.")
        return await self._store.list_identities(principal.user_id, limit, before)

    async def unlink(self, principal: Principal, identity_id: str, device: Device) -> None:
        """Raises:
        IdentityNotFound: there is none, or it is somebody else's.
        LastWayIn: without it nobody could sign in to the account any more.
        RecentSignInRequired: the account has a second factor, and this login was not confirmed with it.
        """
        if not is_id(identity_id):
            raise IdentityNotFound
        await self.require_second_factor_of(principal)
        event = self._audit.event(AuditAction.IDENTITY_UNLINKED, device, actor=principal)
        if not await self._store.remove_identity(identity_id, principal.user_id, self._usable, event=event):
            raise IdentityNotFound

    async def require_second_factor_of(self, principal: Principal) -> None:
        """Before a way into the account comes or goes, as with factors.

        Raises:
            RecentSignInRequired: the account has a second factor, and this login was not confirmed with it.
        """
        require_second_factor(principal, await self._store.find_factors(principal.user_id))

    def _identity(self, provider: Provider, proof: Proof, user_id: str) -> Identity:
        now = self._clock.now()
        return Identity(str(uuid7()), user_id, provider.id, proof.issuer, proof.subject, _shown_email(proof), now, now)

    def _proved_at(self, proof: Proof) -> datetime | None:
        # A sign-in over there of last week is none of today, however fresh ours is.
        if proof.proved_at is None:
            return None
        return datetime.fromtimestamp(max(0.0, min(proof.proved_at, self._clock.seconds())), UTC)


def _verified_email(provider: Provider, proof: Proof) -> tuple[str, str]:
    """As `parse_email`, of an address that an account may be opened with.

    Raises:
        ExternalEmailRefused: there is none.
    """
    if not proof.email_verified:
        raise ExternalEmailRefused
    try:
        shown, key = parse_email(proof.email)
    except InvalidEmail:
        raise ExternalEmailRefused from None
    if provider.email_domains and key.rpartition("@")[2] not in provider.email_domains:
        raise ExternalEmailRefused
    return shown, key


def _shown_email(proof: Proof) -> str:
    try:
        return parse_email(proof.email)[0]
    except InvalidEmail:
        return ""


def _name_of(proof: Proof) -> str:
    try:
        return clean_name(proof.name)
    except InvalidName:
        return ""

"""Everybody who calls, and the credentials they come with."""

from dataclasses import replace
from enum import StrEnum
from secrets import token_bytes, token_hex

from uuid_utils.compat import uuid7

from authkeep.api_key_text import key_hash, key_hint, make_key_text
from authkeep.auth import Auth
from authkeep.principal import Principal, Role
from authkeep.store import ApiKey, EndReason, UserChange
from authkeep.testing import SignedInUser, signed_in

_LONG_AGO_SECONDS = 400 * 86400.0


class Caller(StrEnum):
    """Who."""

    ANONYMOUS = "nobody"
    EXPIRED = "an expired token"
    REVOKED = "a token of a login that was ended"
    DISABLED = "a disabled user"
    KEY_OF_DISABLED = "an API key of a disabled user"
    KEY_WITHOUT_SCOPE = "an API key without the scope"
    KEY = "another user's API key with the scope"
    STALE = "another user who signed in long ago"
    OTHER = "another user"
    STALE_ADMIN = "an admin who signed in long ago"
    ADMIN = "an admin"
    OWNER = "the owner"

    @property
    def is_nobody(self) -> bool:
        """Whether what they present is worth nothing."""
        return self in (Caller.ANONYMOUS, Caller.EXPIRED, Caller.REVOKED, Caller.DISABLED, Caller.KEY_OF_DISABLED)

    @property
    def is_key(self) -> bool:
        return self in (Caller.KEY, Caller.KEY_WITHOUT_SCOPE)

    @property
    def is_stale(self) -> bool:
        return self in (Caller.STALE, Caller.STALE_ADMIN)

    @property
    def role(self) -> Role:
        return Role.ADMIN if self in (Caller.ADMIN, Caller.STALE_ADMIN) else Role.USER


class Callers:
    """Makes them as they are needed; one who got through may have changed anything, and is made anew."""

    def __init__(self, auth: Auth) -> None:
        self._auth = auth
        self._tokens: dict[tuple[Caller, frozenset[str]], str] = {}

    async def token(self, caller: Caller, scopes: frozenset[str]) -> str | None:
        """What they present as a bearer token; None for nobody."""
        if caller is Caller.ANONYMOUS:
            return None
        known = self._tokens.get((caller, scopes))
        if known is None:
            known = self._tokens[caller, scopes] = await self._make(caller, scopes)
        return known

    def forget(self, caller: Caller) -> None:
        self._tokens = {key: token for key, token in self._tokens.items() if key[0] is not caller}

    async def _make(self, caller: Caller, scopes: frozenset[str]) -> str:
        person = await signed_in(self._auth, f"{token_hex(8)}@example.com", role=caller.role)
        match caller:
            case Caller.EXPIRED:
                return self._mint(person, person.principal, now=self._auth.clock.seconds() - _LONG_AGO_SECONDS)
            case Caller.STALE | Caller.STALE_ADMIN:
                long_ago = replace(person.principal, authenticated_at=1.0)
                return self._mint(person, long_ago, now=self._auth.clock.seconds())
            case Caller.REVOKED:
                await self._change(person, UserChange(ending=self._auth.logins.ending(EndReason.LOGOUT_ALL)))
            case Caller.DISABLED:
                await self._disable(person)
            case Caller.KEY:
                return await self._key(person, scopes)
            case Caller.KEY_WITHOUT_SCOPE:
                others = self._auth.settings.scopes.keys() - scopes
                return await self._key(person, frozenset(others) or frozenset({"none"}))
            case Caller.KEY_OF_DISABLED:
                key = await self._key(person, scopes or frozenset(self._auth.settings.scopes))
                await self._auth.verify(key)  # so that the refusal is not merely that of an unknown key
                await self._disable(person)
                return key
        return person.access_token

    def _mint(self, person: SignedInUser, principal: Principal, *, now: float) -> str:
        return self._auth.access_tokens.mint(principal, epoch=person.user.epoch, jti=token_bytes(16), now=now)[0]

    async def _disable(self, person: SignedInUser) -> None:
        ending = self._auth.logins.ending(EndReason.DISABLED)
        await self._change(person, UserChange(disabled=True, ending=ending))

    async def _change(self, person: SignedInUser, change: UserChange) -> None:
        changed = await self._auth.store.change_user(person.user.id, change)
        if changed is None:
            raise LookupError("a user of the matrix is gone")
        self._auth.revocations.view.add(changed[1])

    async def _key(self, person: SignedInUser, scopes: frozenset[str]) -> str:
        prefix = self._auth.settings.api_key_prefix
        text = make_key_text(prefix)
        key = ApiKey(
            id=str(uuid7()),
            user_id=person.user.id,
            name="matrix",
            hint=key_hint(prefix, text),
            secret_hash=key_hash(prefix, text),
            scopes=tuple(sorted(scopes)),
            created_at=self._auth.clock.now(),
            expires_at=None,
        )
        await self._auth.store.add_api_key(key, limit=1)
        return text

"""The journeys of a login: sign in, stay signed in, see one's devices, sign out.

No HTTP in here and no SQL: what may happen, in which order, and what it costs.
"""

import logging
import secrets
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from typing_extensions import override
from uuid_utils.compat import uuid7

from authkeep.access_tokens import AccessTokens
from authkeep.audit import Audit
from authkeep.clock import Clock
from authkeep.device import Device
from authkeep.email_address import parse_email
from authkeep.errors import (
    EmailNotVerified,
    HashingBusy,
    InvalidCredentials,
    InvalidEmail,
    InvalidInput,
    InvalidRefreshToken,
    InvalidToken,
    LoginNotFound,
    RateLimited,
    RefreshTokenReused,
)
from authkeep.ids import is_id
from authkeep.mfa_tickets import MfaRequired, MfaTickets
from authkeep.one_time_secrets import OneTimeSecrets
from authkeep.passwords import PasswordHasher
from authkeep.principal import Principal
from authkeep.refresh_tokens import RefreshToken, RefreshTokens, RotationRules
from authkeep.revocation import Revocations
from authkeep.settings import AuthSettings
from authkeep.store import (
    AuditAction,
    Ending,
    EndReason,
    Login,
    Outcome,
    Purpose,
    Revocation,
    Rotation,
    Store,
    User,
    UserChange,
)

_log = logging.getLogger("authkeep.logins")


@dataclass(frozen=True, slots=True)
class SignedIn:
    """What a login or a refresh hands out. Both tokens are credentials and stay out of `repr`.

    Attributes:
        expires_in: seconds that the access token lives.
    """

    user: User
    login_id: str
    access_token: str
    expires_in: int
    refresh_token: str

    @override
    def __repr__(self) -> str:
        return f"SignedIn(user={self.user.id!r}, login_id={self.login_id!r})"


class Logins:
    """Opens, refreshes, lists and ends logins. What it revokes is known before the caller is told."""

    def __init__(
        self,
        settings: AuthSettings,
        store: Store,
        clock: Clock,
        passwords: PasswordHasher,
        access_tokens: AccessTokens,
        refresh_tokens: RefreshTokens,
        revocations: Revocations,
        audit: Audit,
    ) -> None:
        self._settings = settings
        self._store = store
        self._clock = clock
        self._passwords = passwords
        self._access_tokens = access_tokens
        self._refresh_tokens = refresh_tokens
        self._revocations = revocations
        self._audit = audit
        self._mfa_tickets = MfaTickets(store, OneTimeSecrets(store, clock))
        # A token minted just before its revocation lives this long; the margin is for clocks that differ.
        self._remember = settings.revocation_lifetime
        self._rules = RotationRules(
            tokens=refresh_tokens,
            grace=settings.refresh_grace,
            grace_uses=settings.refresh_grace_uses,
            idle=settings.refresh_idle_lifetime,
            remember=self._remember,
        )

    async def sign_in(self, email: str, password: str, device: Device) -> SignedIn | MfaRequired:
        """Check a password, and open a login or ask for the second factor.

        Unknown user, wrong password and disabled user take the same steps until the refusal, which is the same.

        Raises:
            InvalidCredentials: one of those three.
            EmailNotVerified: the password is right, and the address has not been confirmed.
            HashingBusy: too many others are signing in.
        """
        user = await self._find(email)
        matches = await self._passwords.verify(password, user.password_hash if user else None)
        if user is None or not matches or user.disabled:
            await self._record_refusal(user, device, "disabled" if user and user.disabled else "password")
            raise InvalidCredentials
        return await self.admit(await self._renew_hash(user, password), device, ["pwd"])

    async def admit(
        self, user: User, device: Device, methods: Sequence[str], *, authenticated_at: datetime | None = None
    ) -> SignedIn | MfaRequired:
        """Go on with a user who has proved one factor: open a login, or ask for the second if they have one.

        Args:
            methods: how, as `amr` values (RFC 8176).
            authenticated_at: when, if that was not just now.

        Raises:
            InvalidCredentials: the user was disabled, or changed the password, since `user` was read.
        """
        held = await self._store.find_factors(user.id)
        if held.has_second:
            return await self._mfa_tickets.issue(user, methods, held)
        return await self.open(user, device, methods, authenticated_at=authenticated_at)

    async def _record_refusal(self, user: User | None, device: Device, reason: str) -> None:
        # Of an address that nobody has here, not even a digest: people type their password there.
        subject, why = (user.id, reason) if user else (None, "unknown")
        failed = self._audit.event(AuditAction.LOGIN, device, subject=subject, outcome=Outcome.FAILURE, reason=why)
        await self._audit.record(failed)

    async def _find(self, email: str) -> User | None:
        try:
            _, key = parse_email(email)
        except InvalidEmail:
            # Not an answer of its own: it would tell addresses that cannot exist from those that might.
            return None
        return await self._store.find_user_by_email(key)

    async def _renew_hash(self, user: User, password: str) -> User:
        if user.password_hash is None or not self._passwords.needs_rehash(user.password_hash):
            return user
        try:
            renewed = await self._passwords.hash(password)
        except HashingBusy:
            return user
        change = UserChange(password_hash=renewed, expected_password_hash=user.password_hash)
        changed = await self._store.change_user(user.id, change)
        return changed[0] if changed else user

    async def open(
        self,
        user: User,
        device: Device,
        methods: Sequence[str] = ("pwd",),
        *,
        authenticated_at: datetime | None = None,
    ) -> SignedIn:
        """Open a login for a user who has been authenticated, with all that their account asks for.

        Args:
            methods: how, as `amr` values (RFC 8176).
            authenticated_at: when, if that was not just now.

        Raises:
            InvalidCredentials: the user was disabled, or changed the password, since `user` was read.
            EmailNotVerified: this deployment asks for that first.
        """
        if self._settings.verify_email and user.email_verified_at is None:
            raise EmailNotVerified
        now = self._clock.now()
        sid = str(uuid7())
        token = self._refresh_tokens.issue(sid)
        login = Login(
            sid=sid,
            user_id=user.id,
            token_hash=token.hash,
            recent=(),
            created_at=now,
            last_used_at=now,
            idle_expires_at=now + self._settings.refresh_idle_lifetime,
            expires_at=now + self._settings.refresh_lifetime,
            ended_at=None,
            end_reason=None,
            address=device.address,
            user_agent=device.shown_user_agent,
            authenticated_at=authenticated_at or now,
            methods=tuple(methods),
        )
        event = self._audit.event(AuditAction.LOGIN, device, actor=user.id, login_id=sid, methods=" ".join(methods))
        if not await self._store.add_login(login, user, event=event):
            await self._record_refusal(user, device, "changed")
            raise InvalidCredentials
        return self._signed_in(user, login, token.text)

    async def step_up(self, principal: Principal, proved: Iterable[str], device: Device) -> tuple[str, int]:
        """Note that the caller has just proved once more who they are.

        Args:
            proved: how, as `amr` values; they are added to those that the login was opened with.

        Returns:
            A new access token of the same login, and the seconds it lives.

        Raises:
            InvalidToken: the login has ended, or the account is disabled.
        """
        methods = sorted(principal.methods | set(proved))
        event = self._audit.event(AuditAction.STEP_UP, device, actor=principal, methods=" ".join(methods))
        stepped_up = await self._store.step_up_login(
            principal.login_id, principal.user_id, self._clock.now(), methods, event=event
        )
        if stepped_up is None:
            raise InvalidToken
        login, user = stepped_up
        return self._mint(user, login)

    def _signed_in(self, user: User, login: Login, refresh_token: str) -> SignedIn:
        access_token, expires_in = self._mint(user, login)
        return SignedIn(user, login.sid, access_token, expires_in, refresh_token)

    def _mint(self, user: User, login: Login) -> tuple[str, int]:
        principal = Principal(
            user.id,
            login.sid,
            user.role,
            authenticated_at=login.authenticated_at.timestamp(),
            methods=frozenset(login.methods),
        )
        return self._access_tokens.mint(
            principal, epoch=user.epoch, jti=secrets.token_bytes(16), now=self._clock.seconds()
        )

    def find_login_of(self, refresh_token: str) -> str | None:
        """The `sid` in a token that this deployment issued, alive or not; None for an invention. No I/O."""
        try:
            return self._refresh_tokens.parse(refresh_token).sid
        except InvalidRefreshToken:
            return None

    async def refresh(self, refresh_token: str, device: Device) -> SignedIn:
        """Rotate a refresh token and mint a new access token.

        Raises:
            InvalidRefreshToken: never issued, expired, or its login has ended.
            RefreshTokenReused: it was rotated before; the login has just been ended by this.
            RateLimited: it was rotated a moment ago and has been presented too often since; the login goes on.
        """
        presented = self._refresh_tokens.parse(refresh_token)
        rotated = await self._store.rotate_login(presented.sid, lambda login: self._decide(login, presented, device))
        if rotated is None:
            raise InvalidRefreshToken
        rotation, user = rotated
        if rotation.revocation is not None:
            await self._revocations.apply([rotation.revocation])
            _log.warning("A refresh token was reused: login %s of user %s has been ended", presented.sid, user.id)
            raise RefreshTokenReused
        if rotation.too_often and not user.disabled:
            raise RateLimited
        if rotation.token is None or user.disabled:
            raise InvalidRefreshToken
        return self._signed_in(user, rotation.login, rotation.token)

    def _decide(self, login: Login, presented: RefreshToken, device: Device) -> Rotation:
        rotation = self._rules.decide(
            login, presented, now=self._clock.now(), nonce=secrets.token_hex(16), revocation_id=str(uuid7())
        )
        if rotation.revocation is not None:
            reused = self._audit.event(
                AuditAction.REFRESH_TOKEN_REUSED, device, subject=login.user_id, login_id=login.sid
            )
            return replace(rotation, event=reused)
        if rotation.token is None:
            return rotation
        seen = replace(rotation.login, address=device.address, user_agent=device.shown_user_agent)
        return replace(rotation, login=seen)

    async def list_devices(self, principal: Principal, *, limit: int, before: str | None) -> Sequence[Login]:
        """The caller's live logins, newest first, older than the sid `before`.

        Raises:
            InvalidInput: `before` is not a sid.
        """
        if before is not None and not is_id(before):
            raise InvalidInput("The cursor is not one that this list handed out.")
        return await self._store.list_logins(principal.user_id, self._clock.now(), limit, before)

    async def end(self, principal: Principal, sid: str, reason: EndReason, device: Device | None = None) -> None:
        """End one of the caller's logins, at once; and with another than this one, any change of address under way.

        Raises:
            LoginNotFound: it has ended, never was, or is somebody else's.
        """
        if not is_id(sid):
            raise LoginNotFound
        event = self._audit.event(AuditAction.LOGIN_ENDED, device, actor=principal, ended=sid, reason=reason.value)
        revocation = await self._store.end_login(sid, principal.user_id, self.ending(reason), event=event)
        if revocation is None:
            raise LoginNotFound
        await self._revocations.apply([revocation])
        if sid != principal.login_id:
            # Who throws another device out need not know that it has asked for a change of address.
            await self._store.drop_tickets(principal.user_id, Purpose.CHANGE_EMAIL)

    async def end_all(self, principal: Principal, device: Device | None = None) -> None:
        """End every login of the caller, this one too."""
        await self._end_many(principal, UserChange(ending=self.ending(EndReason.LOGOUT_ALL)), device)

    async def end_others(self, principal: Principal, device: Device | None = None) -> None:
        """End every login of the caller but this one."""
        change = UserChange(ending=self.ending(EndReason.ENDED_BY_USER), keep_sid=principal.login_id)
        await self._end_many(principal, change, device)

    async def _end_many(self, principal: Principal, change: UserChange, device: Device | None) -> None:
        event = self._audit.event(AuditAction.LOGINS_ENDED, device, actor=principal, but=change.keep_sid or "none")
        changed = await self._store.change_user(principal.user_id, change, event=event)
        if changed is not None:
            await self._revocations.apply(changed[1])

    async def note_revoked(self, entries: Sequence[Revocation]) -> None:
        """What another journey has written to the store bites here at once."""
        await self._revocations.apply(entries)

    def ending(self, reason: EndReason) -> Ending:
        now = self._clock.now()
        return Ending(reason, now, now + self._remember)

"""Keeps a browser signed in: trades the refresh cookie for a fresh access token and files it in the vault.

Two tabs that renew at once send the same refresh token. The second waits for the first and gets the same answer, so the
API sees one rotation; for a few seconds afterwards a late request with the old cookie gets that answer too.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field

from starlette.requests import HTTPConnection
from starlette.responses import Response

from chatkeep_ui import cookies
from chatkeep_ui.api_requests import Caller
from chatkeep_ui.auth_client import AuthClient, Granted
from chatkeep_ui.problem import SignInEnded
from chatkeep_ui.vault import SignIn, Vault, digest

# Renew from the middle of a token's life on. The page asks once a minute (static/page.js), so two askings may fail.
RENEW_AFTER = 0.5
# No longer than the API's own grace for a refresh token that was rotated by a parallel request.
REMEMBERED_FOR = 10.0


@dataclass(frozen=True, slots=True)
class Renewed:
    """The browser is signed in; `apply` tells it what changed."""

    new_page_key: str | None = field(repr=False, default=None)
    set_cookies: Sequence[str] = field(repr=False, default=())
    secure: bool = False

    def apply(self, response: Response) -> None:
        """Put the cookies on `response`."""
        cookies.relay(response, self.set_cookies)
        if self.new_page_key is not None:
            cookies.set_page_cookie(response, self.new_page_key, secure=self.secure)


@dataclass(slots=True)
class _Rotation:
    """A refresh token on its way to its successor, and for a while after. `page_key` is where the grant was filed."""

    task: asyncio.Task[Granted]
    page_key: str | None = field(repr=False, default=None)


class Renewal:
    """Trades refresh cookies for access tokens, one rotation at a time for each."""

    def __init__(self, auth: AuthClient, vault: Vault) -> None:
        self._auth = auth
        self._vault = vault
        self._rotations: dict[bytes, _Rotation] = {}

    async def renew(self, connection: HTTPConnection, *, secure: bool) -> Renewed:
        """See to it that the vault holds an access token in the first half of its life. `secure`: browsers use https.

        Raises:
            SignInEnded: the browser has no refresh cookie, or the API does not take it any more.
            TooMany, ApiRefused, Unreachable: as in `problem.py`; the sign-in itself may still be good.
        """
        key = cookies.page_key(connection, secure=secure)
        token = cookies.refresh_token(connection, secure=secure)
        if token is None:
            raise SignInEnded(401, "not_signed_in", "You are not signed in.")
        filed = self._vault.belonging_to(key, token)
        if filed is not None and self._vault.clock() < min(filed.renew_at, filed.expires_at):
            return Renewed(None, filed.set_cookies)
        # Where the last rotation's cookies never reached the browser, what it holds would count as stolen by now.
        newest = (cookies.refresh_token_set_by(filed.set_cookies) if filed else None) or token
        caller = Caller.of(connection, secure=secure)
        rotation = await self._rotated(newest, cookies.refresh_cookie_pair(newest, secure=secure), caller)
        granted = rotation.task.result()
        sign_in = self.sign_in(granted, caller, fallback=newest)
        if key is not None and self._vault.renew(key, token, sign_in):
            return Renewed(None, sign_in.set_cookies)
        return Renewed(self._filed(rotation, sign_in), sign_in.set_cookies, secure)

    def sign_in(self, granted: Granted, caller: Caller, *, fallback: str = "") -> SignIn:
        """What the vault keeps of `granted`; `fallback` is the refresh token if the API did not rotate it."""
        token = cookies.refresh_token_set_by(granted.set_cookies) or fallback
        now, life = self._vault.clock(), granted.expires_in
        return SignIn(
            access_token=granted.access_token,
            renew_at=now + life * RENEW_AFTER,
            expires_at=now + life,
            refresh_digests=(digest(token),),
            user_id=granted.user_id,
            forwarded_for=caller.forwarded_for,
            set_cookies=tuple(granted.set_cookies),
        )

    def forget(self, ended: SignIn) -> None:
        """Let no rotation that is under way, or remembered, bring `ended` or its user's other sign-ins back."""
        for known, rotation in list(self._rotations.items()):
            if known in ended.refresh_digests or _user_of(rotation) == ended.user_id:
                del self._rotations[known]

    def _filed(self, rotation: _Rotation, sign_in: SignIn) -> str:
        """The one key for all who come with the same refresh token and no key of their own."""
        key = rotation.page_key
        if key is None or self._vault.find(key) is None:
            key = rotation.page_key = self._vault.open(sign_in)
        return key

    async def _rotated(self, token: str, pair: str, caller: Caller) -> _Rotation:
        known = digest(token)
        rotation = self._rotations.get(known)
        if rotation is None:
            rotation = _Rotation(asyncio.create_task(self._auth.refresh(caller, pair)))
            self._rotations[known] = rotation
            rotation.task.add_done_callback(lambda _: self._remember(known, rotation))
        # A browser that goes away must not break off the rotation another tab is waiting for.
        await asyncio.shield(rotation.task)
        if self._rotations.get(known) is not rotation:
            raise SignInEnded(401, "signed_out", "You have signed out.")
        return rotation

    def _remember(self, known: bytes, rotation: _Rotation) -> None:
        if rotation.task.cancelled() or rotation.task.exception() is not None:
            self._drop(known, rotation)
        else:
            asyncio.get_running_loop().call_later(REMEMBERED_FOR, self._drop, known, rotation)

    def _drop(self, known: bytes, rotation: _Rotation) -> None:
        # Its place may have been taken by a later one, after a sign-out.
        if self._rotations.get(known) is rotation:
            del self._rotations[known]


def _user_of(rotation: _Rotation) -> str | None:
    task = rotation.task
    done = task.done() and not task.cancelled() and task.exception() is None
    return task.result().user_id if done else None

"""Keeps a browser signed in: trades the refresh cookie for a fresh access token and files it in the vault.

Two tabs that renew at once send the same refresh token. The second waits for the first and gets the same answer, so the
API sees one rotation; for a few seconds afterwards a late request with the old cookie gets that answer too.
"""

import asyncio
from dataclasses import dataclass, field

from starlette.requests import HTTPConnection
from starlette.responses import Response

from chatkeep_ui import cookies
from chatkeep_ui.auth_client import AuthClient, Caller, Granted
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
    set_cookies: list[str] = field(repr=False, default_factory=list)
    secure: bool = False

    def apply(self, response: Response) -> None:
        """Put the cookies on `response`."""
        cookies.relay(response, self.set_cookies)
        if self.new_page_key is not None:
            cookies.set_page_cookie(response, self.new_page_key, secure=self.secure)


class Renewal:
    """`secure` says that browsers come by https."""

    def __init__(self, auth: AuthClient, vault: Vault) -> None:
        self._auth = auth
        self._vault = vault
        self._under_way: dict[bytes, asyncio.Task[Granted]] = {}

    async def renew(self, connection: HTTPConnection, *, secure: bool) -> Renewed:
        """See to it that the vault holds an access token in the first half of its life.

        Raises:
            SignInEnded: the browser has no refresh cookie, or the API does not take it any more.
            TooMany, ApiRefused, Unreachable: as in `problem.py`; the sign-in itself may still be good.
        """
        key, token = cookies.page_key(connection), cookies.refresh_token(connection)
        pair = cookies.refresh_cookie_pair(connection)
        if token is None or pair is None:
            raise SignInEnded(401, "not_signed_in", "You are not signed in.")
        current = self._vault.find_for(key, token)
        if current is not None and self._vault.clock() < current.renew_at:
            return Renewed()
        caller = Caller.of(connection, secure=secure)
        granted = await self._rotated(token, pair, caller)
        sign_in = self.sign_in(granted, caller, fallback=token)
        renewed_in_place = key is not None and self._vault.renew(key, token, sign_in)
        return Renewed(None if renewed_in_place else self._vault.open(sign_in), granted.set_cookies, secure)

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
        )

    async def _rotated(self, token: str, pair: str, caller: Caller) -> Granted:
        known = digest(token)
        task = self._under_way.get(known)
        if task is None:
            task = asyncio.create_task(self._auth.refresh(caller, pair))
            self._under_way[known] = task
            task.add_done_callback(lambda done: self._forget_later(known, done))
        # A browser that goes away must not break off the rotation another tab is waiting for.
        return await asyncio.shield(task)

    def _forget_later(self, known: bytes, done: asyncio.Task[Granted]) -> None:
        if done.cancelled() or done.exception() is not None:
            self._under_way.pop(known, None)
        else:
            asyncio.get_running_loop().call_later(REMEMBERED_FOR, self._under_way.pop, known, None)

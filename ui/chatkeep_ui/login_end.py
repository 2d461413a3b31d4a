"""Ending the login a browser holds: at sign-out, and when somebody signs in over somebody else."""

import contextlib

from starlette.requests import Request

from chatkeep_ui import cookies
from chatkeep_ui.api_requests import Caller
from chatkeep_ui.auth_client import AuthClient
from chatkeep_ui.open_streams import OpenStreams
from chatkeep_ui.problem import SignInEnded
from chatkeep_ui.renewal import Renewal
from chatkeep_ui.vault import Vault


class LoginEnd:
    """Ends logins at the API, in the vault, and in the tabs that live by them."""

    def __init__(self, auth: AuthClient, renewal: Renewal, vault: Vault, streams: OpenStreams) -> None:
        self._auth = auth
        self._renewal = renewal
        self._vault = vault
        self._streams = streams

    async def end(self, request: Request, *, secure: bool) -> None:
        """End the login of this browser, if it has one. Here it ends in any case.

        Raises:
            TooMany, ApiRefused, Unreachable: the API could not be told.
        """
        key = cookies.page_key(request, secure=secure)
        try:
            # Who has no login any more has what was wanted.
            with contextlib.suppress(SignInEnded):
                await self._end_at_api(request, key, secure=secure)
        finally:
            self._close(key)

    async def _end_at_api(self, request: Request, key: str | None, *, secure: bool) -> None:
        caller = Caller.of(request, secure=secure)
        sign_in = self._vault.find_for(key, cookies.refresh_token(request, secure=secure))
        if key is not None and sign_in is not None:
            try:
                return await self._auth.logout(caller, sign_in.access_token)
            except SignInEnded:
                # Perhaps only the access token has ended, and the refresh token still works.
                self._vault.expire(key, sign_in.access_token)
        renewed = await self._renewal.renew(request, secure=secure)
        key = renewed.new_page_key or key
        try:
            renewed_sign_in = self._vault.find(key)
            if renewed_sign_in is not None:
                await self._auth.logout(caller, renewed_sign_in.access_token)
        finally:
            self._close(key)

    def _close(self, key: str | None) -> None:
        closed = self._vault.close(key)
        if closed is not None:
            self._renewal.forget(closed)
        self._streams.end(key)

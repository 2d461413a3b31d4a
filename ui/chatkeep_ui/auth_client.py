"""What the page asks of /auth before it has an access token. One client, on the event loop."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import httpx

from chatkeep_ui.api_requests import ApiRequests, Caller
from chatkeep_ui.problem import Unreachable

# Twice this is less than the API's grace of ten seconds for a refresh token that has been rotated.
REFRESH_TIMEOUT = httpx.Timeout(4.0)


@dataclass(frozen=True, slots=True)
class Registration:
    """How this install takes new people, and whether it can help who forgot their password."""

    open: bool
    first_user: bool
    setup_code_required: bool
    password_min_length: int
    password_reset: bool = True


@dataclass(frozen=True, slots=True)
class Granted:
    """Tokens the API gave out. `expires_in` is in seconds; `set_cookies` go to the browser as they are."""

    access_token: str = field(repr=False)
    expires_in: float
    user_id: str
    set_cookies: list[str] = field(repr=False)


@dataclass(frozen=True, slots=True)
class SecondFactorNeeded:
    """The password was right, and the account has more locks. `factors`: totp, recovery_code, passkey."""

    mfa_token: str = field(repr=False)
    factors: tuple[str, ...]


class AuthClient:
    """Signing in, staying signed in, signing out."""

    def __init__(self, requests: ApiRequests) -> None:
        self._send = requests.send

    async def registration(self, caller: Caller) -> Registration:
        """Ask whether and how people may register.

        Raises:
            Unreachable, ApiRefused: as in `problem.py`.
        """
        body = (await self._send("GET", "/auth/registration", caller)).json()
        return Registration(
            open=bool(body.get("open", True)),
            first_user=bool(body.get("first_user", False)),
            setup_code_required=bool(body.get("setup_code_required", False)),
            password_min_length=int(body.get("password_min_length", 15)),
            password_reset=bool(body.get("password_reset", True)),
        )

    async def register(self, caller: Caller, fields: Mapping[str, str]) -> bool:
        """Create an account; False when it first has to be confirmed by e-mail.

        Raises:
            InvalidFields, TooMany, ApiRefused, Unreachable: as in `problem.py`.
        """
        response = await self._send("POST", "/auth/register", caller, json=dict(fields))
        return response.status_code == httpx.codes.CREATED

    async def login(self, caller: Caller, email: str, password: str) -> Granted | SecondFactorNeeded:
        """Sign in; the refresh token comes as a cookie for the browser.

        Raises:
            SignInEnded: wrong e-mail or password; the API does not say which.
            TooMany, ApiRefused, Unreachable: as in `problem.py`.
        """
        credentials = {"email": email, "password": password}
        return _outcome(await self._send("POST", "/auth/login?transport=cookie", caller, json=credentials))

    async def second_factor(self, caller: Caller, answer: Mapping[str, Any]) -> Granted:
        """The second step of a sign-in: `answer` is the body of POST /auth/login/mfa.

        Raises:
            SignInEnded: the code is wrong, or the first step was too long ago.
            TooMany, InvalidFields, ApiRefused, Unreachable: as in `problem.py`.
        """
        return _granted(await self._send("POST", "/auth/login/mfa?transport=cookie", caller, json=answer))

    async def second_factor_passkey_options(self, caller: Caller, mfa_token: str) -> dict[str, Any]:
        """What a browser needs to ask for a passkey as the second factor (WebAuthn, section 5.5).

        Raises:
            SignInEnded, TooMany, ApiRefused, Unreachable: as in `problem.py`.
        """
        path = "/auth/login/mfa/passkey-options"
        options: dict[str, Any] = (await self._send("POST", path, caller, json={"mfa_token": mfa_token})).json()
        return options

    async def passkey_options(self, caller: Caller) -> dict[str, Any]:
        """`ticket`, and the `options` with which a browser asks for a passkey to sign in with.

        Raises:
            TooMany, ApiRefused, Unreachable: as in `problem.py`.
        """
        options: dict[str, Any] = (await self._send("POST", "/auth/login/passkey/options", caller)).json()
        return options

    async def passkey_login(self, caller: Caller, ticket: str, credential: Mapping[str, Any]) -> Granted:
        """Sign in with a passkey.

        Raises:
            SignInEnded: it is not one of an account here, or it came too late.
            TooMany, InvalidFields, ApiRefused, Unreachable: as in `problem.py`.
        """
        answer = {"ticket": ticket, "credential": credential}
        return _granted(await self._send("POST", "/auth/login/passkey?transport=cookie", caller, json=answer))

    async def providers(self, caller: Caller) -> list[dict[str, str]]:
        """Where else one can sign in from: `id` and `name` of each.

        Raises:
            ApiRefused, Unreachable: as in `problem.py`.
        """
        items: list[dict[str, str]] = (await self._send("GET", "/auth/oidc", caller)).json()["items"]
        return items

    async def tell(self, caller: Caller, path: str, fields: Mapping[str, str]) -> None:
        """POST to one of the routes that answer nothing: forgotten password, mailed links.

        Raises:
            InvalidFields, TooMany, ApiRefused, Unreachable: as in `problem.py`.
        """
        await self._send("POST", path, caller, json=dict(fields))

    async def refresh(self, caller: Caller, cookie: str) -> Granted:
        """Rotate the refresh token in `cookie`, a `name=value` pair.

        Raises:
            SignInEnded: it is expired, revoked or was used before.
            TooMany, ApiRefused, Unreachable: as in `problem.py`.
        """
        try:
            return await self._refresh(caller, cookie)
        except Unreachable:
            # The token may have been rotated and the answer lost. Within its grace the API gives the same successor
            # again; after it, the token would count as stolen and end the login.
            return await self._refresh(caller, cookie)

    async def logout(self, caller: Caller, access_token: str) -> None:
        """End this login.

        Raises:
            SignInEnded: it had ended before.
            ApiRefused, Unreachable: as in `problem.py`.
        """
        await self._send("POST", "/auth/logout", caller, bearer=access_token)

    async def _refresh(self, caller: Caller, cookie: str) -> Granted:
        path = "/auth/refresh?transport=cookie"
        return _granted(await self._send("POST", path, caller, cookie=cookie, timeout=REFRESH_TIMEOUT))


def _outcome(response: httpx.Response) -> Granted | SecondFactorNeeded:
    body = response.json()
    if body.get("mfa_required"):
        return SecondFactorNeeded(body["mfa_token"], tuple(body["factors"]))
    return _granted(response)


def _granted(response: httpx.Response) -> Granted:
    body = response.json()
    user_id = str(body["user"]["id"])
    return Granted(body["access_token"], float(body["expires_in"]), user_id, response.headers.get_list("set-cookie"))

"""What the page asks of /auth before it has an access token. One client, on the event loop."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import httpx
from starlette.requests import HTTPConnection

from chatkeep_ui.api_client import API_TIMEOUT
from chatkeep_ui.problem import ApiRefused, Unreachable, raise_for_problem

FORWARDING_KEY_HEADER = "X-Chatkeep-Forwarding-Key"
# Twice this is less than the API's grace of ten seconds for a refresh token that has been rotated.
REFRESH_TIMEOUT = httpx.Timeout(4.0)


@dataclass(frozen=True, slots=True)
class Registration:
    """How this install takes new people."""

    open: bool
    first_user: bool
    setup_code_required: bool
    password_min_length: int


@dataclass(frozen=True, slots=True)
class Granted:
    """Tokens the API gave out. `expires_in` is in seconds; `set_cookies` go to the browser as they are."""

    access_token: str = field(repr=False)
    expires_in: float
    user_id: str
    set_cookies: list[str] = field(repr=False)


@dataclass(frozen=True, slots=True)
class Caller:
    """The browser on whose behalf the page asks, as a proxy would describe it."""

    forwarded_for: str
    scheme: str
    user_agent: str

    @classmethod
    def of(cls, connection: HTTPConnection, *, secure: bool) -> "Caller":
        """Append the peer to the chain of addresses, as any proxy does; the API decides which links it trusts.

        All lines count, in order (RFC 9110, section 5.3): a proxy may add its own line behind a client's forged one.
        """
        peer = connection.client.host if connection.client else ""
        chain = [part for part in (*connection.headers.getlist("x-forwarded-for"), peer) if part]
        user_agent = connection.headers.get("user-agent", "")
        return cls(_printable(", ".join(chain)), "https" if secure else "http", _printable(user_agent))

    def headers(self) -> dict[str, str]:
        """For the request to the API."""
        headers = {"X-Forwarded-Proto": self.scheme, "User-Agent": self.user_agent}
        return headers | {"X-Forwarded-For": self.forwarded_for} if self.forwarded_for else headers


class AuthClient:
    """`http` has the API's address as its base URL and sends the forwarding key."""

    def __init__(self, http: httpx.AsyncClient) -> None:
        self._http = http

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
        )

    async def register(self, caller: Caller, fields: Mapping[str, str]) -> bool:
        """Create an account; False when it first has to be confirmed by e-mail.

        Raises:
            InvalidFields, TooMany, ApiRefused, Unreachable: as in `problem.py`.
        """
        response = await self._send("POST", "/auth/register", caller, json=dict(fields))
        return response.status_code == httpx.codes.CREATED

    async def login(self, caller: Caller, email: str, password: str) -> Granted:
        """Sign in; the refresh token comes as a cookie for the browser.

        Raises:
            SignInEnded: wrong e-mail or password; the API does not say which.
            TooMany, ApiRefused, Unreachable: as in `problem.py`.
        """
        credentials = {"email": email, "password": password}
        return _granted(await self._send("POST", "/auth/login?transport=cookie", caller, json=credentials))

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

    async def _send(
        self,
        method: str,
        path: str,
        caller: Caller,
        *,
        json: Mapping[str, Any] | None = None,
        cookie: str | None = None,
        bearer: str | None = None,
        timeout: httpx.Timeout = API_TIMEOUT,  # noqa: ASYNC109  # of each step: connecting, sending, reading
    ) -> httpx.Response:
        headers = caller.headers()
        if cookie is not None:
            # Our own page sends it; who may make our page do so was checked before (`same_origin.py`).
            headers |= {"Cookie": cookie, "Sec-Fetch-Site": "same-origin"}
        if bearer is not None:
            headers["Authorization"] = f"Bearer {bearer}"
        try:
            response = await self._http.request(method, path, json=json, headers=headers, timeout=timeout)
        except httpx.HTTPError as error:
            raise Unreachable from error
        raise_for_problem(response)
        return response


def _granted(response: httpx.Response) -> Granted:
    body = response.json()
    if "access_token" not in body:
        raise ApiRefused(
            response.status_code,
            "second_factor_required",
            "This account needs a second step to sign in, which this page does not offer yet.",
        )
    user_id = str(body["user"]["id"])
    return Granted(body["access_token"], float(body["expires_in"]), user_id, response.headers.get_list("set-cookie"))


def _printable(header: str) -> str:
    """`header` without what httpx refuses to send on: controls, what is not ASCII, and spaces around the rest."""
    return "".join(character for character in header if " " <= character <= "~").strip()

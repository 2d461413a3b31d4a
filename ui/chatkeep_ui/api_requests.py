"""Requests of the page's forms to the API: on the event loop, in the name of the browser that sent the form."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import httpx
from starlette.requests import HTTPConnection

from chatkeep_ui import cookies
from chatkeep_ui.api_connection import API_TIMEOUT
from chatkeep_ui.problem import Unreachable, raise_for_problem

DEVICE_HEADER = "Authkeep-Device"
FORWARDING_KEY_HEADER = "X-Chatkeep-Forwarding-Key"


@dataclass(frozen=True, slots=True)
class Caller:
    """The browser on whose behalf the page asks, as a proxy would describe it."""

    forwarded_for: str
    scheme: str
    user_agent: str
    device_token: str | None = field(default=None, repr=False)

    @classmethod
    def of(cls, connection: HTTPConnection, *, secure: bool) -> "Caller":
        """Append the peer to the chain of addresses, as any proxy does; the API decides which links it trusts.

        All lines count, in order (RFC 9110, section 5.3): a proxy may add its own line behind a client's forged one.
        """
        peer = connection.client.host if connection.client else ""
        chain = [part for part in (*connection.headers.getlist("x-forwarded-for"), peer) if part]
        user_agent = connection.headers.get("user-agent", "")
        return cls(
            forwarded_for=_printable(", ".join(chain)),
            scheme="https" if secure else "http",
            user_agent=_printable(user_agent),
            device_token=cookies.device_token(connection, secure=secure),
        )

    def headers(self) -> dict[str, str]:
        """For the request to the API."""
        headers = {"X-Forwarded-Proto": self.scheme, "User-Agent": self.user_agent}
        if self.forwarded_for:
            headers["X-Forwarded-For"] = self.forwarded_for
        if self.device_token:
            headers[DEVICE_HEADER] = self.device_token
        return headers


class ApiRequests:
    """`http` has the API's address as its base URL and sends the forwarding key."""

    def __init__(self, http: httpx.AsyncClient) -> None:
        self.http = http

    async def send(
        self,
        method: str,
        path: str,
        caller: Caller,
        *,
        json: Mapping[str, Any] | None = None,
        params: Mapping[str, str] | None = None,
        cookie: str | None = None,
        bearer: str | None = None,
        timeout: httpx.Timeout = API_TIMEOUT,  # noqa: ASYNC109  # of each step: connecting, sending, reading
    ) -> httpx.Response:
        """Ask the API, and read its answer.

        Raises:
            SignInEnded, NotThere, TooMany, InvalidFields, ApiRefused, Unreachable: as in `problem.py`.
        """
        headers = caller.headers()
        if cookie is not None:
            # Our own page sends it; who may make our page do so was checked before (`same_origin.py`).
            headers |= {"Cookie": cookie, "Sec-Fetch-Site": "same-origin"}
        if bearer is not None:
            headers["Authorization"] = f"Bearer {bearer}"
        try:
            response = await self.http.request(method, path, json=json, params=params, headers=headers, timeout=timeout)
        except httpx.HTTPError as error:
            raise Unreachable from error
        raise_for_problem(response)
        return response


def _printable(header: str) -> str:
    """`header` without what httpx refuses to send on: controls, what is not ASCII, and spaces around the rest."""
    return "".join(character for character in header if " " <= character <= "~").strip()

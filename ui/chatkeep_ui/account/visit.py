"""One request of somebody who is signed in, and what the API does for them."""

import base64
import binascii
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import httpx
from starlette.requests import Request

from chatkeep_ui.api_requests import ApiRequests, Caller
from chatkeep_ui.renewal import Renewed
from chatkeep_ui.vault import SignIn


@dataclass(frozen=True, slots=True)
class Visit:
    """Attributes:
    key: of the sign-in in the vault.
    typed: the form's fields; empty for a GET.
    renewed: cookies that go to the browser with whatever is answered.
    on_this_machine: the browser runs where the server does.
    """

    request: Request
    caller: Caller
    requests: ApiRequests
    key: str = field(repr=False)
    sign_in: SignIn = field(repr=False)
    renewed: Renewed
    typed: Mapping[str, str] = field(repr=False)
    on_this_machine: bool = False

    async def ask(
        self,
        method: str,
        path: str,
        json: Mapping[str, Any] | None = None,
        params: Mapping[str, str] | None = None,
    ) -> Any:
        """The API's answer as JSON; None where it has no body.

        Raises:
            SignInEnded, NotThere, TooMany, InvalidFields, ApiRefused, Unreachable: as in `problem.py`.
        """
        response = await self.send(method, path, json, params)
        return response.json() if response.content else None

    async def send(
        self,
        method: str,
        path: str,
        json: Mapping[str, Any] | None = None,
        params: Mapping[str, str] | None = None,
    ) -> httpx.Response:
        """As `ask`, with status and headers."""
        bearer = self.sign_in.access_token
        return await self.requests.send(method, path, self.caller, json=json, params=params, bearer=bearer)

    @property
    def authenticated_at(self) -> float:
        """Unix seconds at which the user last proved who they are, by the access token's `auth_time`.

        Read without verifying: the token came from our own API, and the API decides in the end.
        """
        try:
            payload = self.sign_in.access_token.split(".")[1]
            claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
            return float(claims.get("auth_time", 0))
        except (IndexError, ValueError, TypeError, AttributeError, binascii.Error):
            return 0.0

"""The way to the API for Streamlit's script threads: one pool for all of them, and one request in a user's name."""

import ssl
from collections.abc import Mapping
from typing import Any, Self

import httpx

from chatkeep_ui.problem import NotThere, Unreachable, raise_for_problem
from chatkeep_ui.vault import SignIn

API_TIMEOUT = httpx.Timeout(30.0, connect=5.0)
# Shorter than the five seconds after which our server closes an idle connection: a request sent while it does is lost.
API_LIMITS = httpx.Limits(max_connections=100, max_keepalive_connections=20, keepalive_expiry=2.0)


class ApiConnection:
    """The connection pool towards the API, and what each call carries."""

    def __init__(self, api_url: str, headers: Mapping[str, str]) -> None:
        self.url = api_url
        self.headers = dict(headers)
        # Made once: reading the system's certificates takes longer than most calls.
        self.tls = ssl.create_default_context()
        self.http = httpx.Client(
            base_url=api_url,
            headers=self.headers,
            timeout=API_TIMEOUT,
            limits=API_LIMITS,
            trust_env=False,
            verify=self.tls,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.http.close()


class AsUser:
    """Requests in the name of whoever signed in. Each raises what `problem.py` names, and Unreachable."""

    def __init__(self, connection: ApiConnection, sign_in: SignIn) -> None:
        self.connection = connection
        self.access_token = sign_in.access_token
        self.user_id = sign_in.user_id
        self.headers = {"Authorization": f"Bearer {sign_in.access_token}"}
        if sign_in.forwarded_for:
            self.headers["X-Forwarded-For"] = sign_in.forwarded_for

    def ask(self, method: str, path: str, **request: Any) -> Any:
        """The API's answer as JSON."""
        return self.send_request(method, path, **request).json()

    def send_request(
        self, method: str, path: str, headers: Mapping[str, str] | None = None, **request: Any
    ) -> httpx.Response:
        """The API's answer, which is not a refusal."""
        try:
            response = self.connection.http.request(method, path, headers=self.headers | dict(headers or {}), **request)
        except httpx.HTTPError as error:
            raise Unreachable from error
        except httpx.InvalidURL:
            raise NotThere(404, "not_found", "There is nothing here that you can see.") from None
        raise_for_problem(response)
        return response

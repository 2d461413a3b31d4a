"""Somebody with a browser that runs no JavaScript: follows links, sends forms, reads what comes back."""

import itertools
import re
import secrets
import time
from base64 import b32decode
from html import unescape
from types import TracebackType
from typing import Self

import httpx
from cryptography.hazmat.primitives.hashes import SHA1
from cryptography.hazmat.primitives.twofactor.totp import TOTP

PASSWORD = "seven quiet otters juggle 42"
FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0"
_STEP_SECONDS = 30
_addresses = itertools.count(1)


class Visitor:
    """One browser, behind a proxy of its own that says which address it has.

    Attributes:
        text: the last answer's page.
        path: where that was, query and all.
    """

    def __init__(self, url: str, email: str = "", *, user_agent: str = FIREFOX) -> None:
        self.email = email or f"ada-{secrets.token_hex(4)}@example.org"
        self.http = httpx.Client(base_url=url, trust_env=False, timeout=30, follow_redirects=True)
        address = f"198.51.100.{next(_addresses) % 250}"
        self.http.headers.update(
            {"Sec-Fetch-Site": "same-origin", "User-Agent": user_agent, "X-Forwarded-For": address}
        )
        self.text = self.path = ""
        self.status = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.http.close()

    def get(self, path: str) -> str:
        """Open a page, wherever it leads; returns its HTML with entities resolved."""
        return self._arrive(self.http.get(path))

    def send(self, path: str, do: str = "", **fields: str) -> str:
        """Send a form of the page at `path`, with the button `do`."""
        return self._arrive(self.http.post(path, data={"do": do, **fields}))

    def hidden(self, name: str) -> str:
        """What a hidden field of the last page carries."""
        return self.find(rf'name="{name}" value="([^"]+)"')

    def find(self, pattern: str) -> str:
        """The first group of `pattern` in the last page."""
        match = re.search(pattern, self.text)
        assert match is not None, f"no {pattern} at {self.path} in:\n{self.text}"
        return match[1]

    def sign_in(self, password: str = PASSWORD, **fields: str) -> str:
        """With the password; the account may ask for more."""
        return self.send("/sign-in", email=self.email, password=password, **fields)

    def confirm(self, then: str, **proof: str) -> str:
        """Say again who it is: by the password, or by a code."""
        do, proof = ("code", proof) if proof else ("password", {"password": PASSWORD})
        return self.send("/account/confirm", do, then=then, **proof)

    def _arrive(self, answer: httpx.Response) -> str:
        assert answer.status_code < 500, answer.text
        self.text, self.status = unescape(answer.text), answer.status_code
        self.path = answer.url.raw_path.decode()
        return self.text


class AuthenticatorApp:
    """Made from the secret that is shown for typing. Each code is of a later step than the one before."""

    def __init__(self, secret: str) -> None:
        # As RFC 6238 has it, and every app.
        self.secret = secret
        self._totp = TOTP(b32decode(secret), 6, SHA1(), _STEP_SECONDS)  # noqa: S303
        self._last = 0

    def code(self) -> str:
        """Good just now, and never used: the server takes those of one step around the present one."""
        self._last = max(self._last + 1, int(time.time()) // _STEP_SECONDS)
        return self._totp.generate(self._last * _STEP_SECONDS).decode()

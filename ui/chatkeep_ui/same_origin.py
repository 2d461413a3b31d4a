"""Does a request come from our own pages? The check of Go's net/http.CrossOriginProtection, for the same reasons.

Browsers say where a request comes from in Sec-Fetch-Site and Origin, and scripts cannot forge either. A request with
neither header does not come from a browser that could be tricked into sending cookies.
"""

from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.requests import HTTPConnection


class Origins:
    """What counts as our own origin: the host the request was sent to, and the public address if there is one."""

    def __init__(self, public_url: str | None) -> None:
        public = urlsplit(public_url or "")
        self._public_host = public.netloc.lower()
        self._public_https = public.scheme == "https"

    def is_https(self, connection: HTTPConnection) -> bool:
        """Do browsers reach us by https? Then cookies can be Secure."""
        return self._public_https or connection.url.scheme in ("https", "wss")

    def allow_form(self, headers: Headers) -> bool:
        """May this POST act for the user whose cookies it carries?"""
        site = headers.get("sec-fetch-site")
        if site is not None:
            return site in ("same-origin", "none")
        return "origin" not in headers or self._is_ours(headers)

    def allow_websocket(self, headers: Headers) -> bool:
        """Stricter than for a form: every browser names the Origin of a websocket, so its absence is a refusal."""
        return "origin" in headers and self._is_ours(headers)

    def _is_ours(self, headers: Headers) -> bool:
        origin = urlsplit(headers.get("origin", "")).netloc.lower()
        return origin != "" and origin in (headers.get("host", "").lower(), self._public_host)

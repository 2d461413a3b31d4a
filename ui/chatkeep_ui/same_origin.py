"""Does a request come from our own pages? The check of Go's net/http.CrossOriginProtection, for the same reasons.

Browsers say where a request comes from in Sec-Fetch-Site and Origin, and scripts cannot forge either. A request with
neither header does not come from a browser that could be tricked into sending cookies.
"""

from typing import Final
from urllib.parse import urlsplit

from starlette.requests import HTTPConnection

_DEFAULT_PORTS: Final = {"http": 80, "https": 443}
_LOOPBACK: Final = ("localhost", "127.0.0.1", "::1")


class Origins:
    """What counts as our own origin: the host the request was sent to, and the public address if there is one."""

    def __init__(self, public_url: str | None) -> None:
        public = urlsplit(public_url or "")
        self._public_host = public.netloc
        self.public_https = public.scheme == "https"

    def is_https(self, connection: HTTPConnection) -> bool:
        """Do browsers reach us by https? Then cookies can be Secure."""
        return self.public_https or connection.scope["scheme"] in ("https", "wss")

    def on_this_machine(self, connection: HTTPConnection) -> bool:
        """Was the page opened at the machine that the server runs on, with nothing in between?"""
        proxied = bool(self._public_host) or "x-forwarded-for" in connection.headers
        return not proxied and connection.url.hostname in _LOOPBACK

    def allow_form(self, connection: HTTPConnection) -> bool:
        """May this POST act for the user whose cookies it carries?"""
        site = connection.headers.get("sec-fetch-site")
        if site is not None:
            return site in ("same-origin", "none")
        return "origin" not in connection.headers or self._is_ours(connection)

    def allow_websocket(self, connection: HTTPConnection) -> bool:
        """Stricter than for a form: every browser names the Origin of a websocket, so its absence is a refusal."""
        return "origin" in connection.headers and self._is_ours(connection)

    def _is_ours(self, connection: HTTPConnection) -> bool:
        scheme, _, host = connection.headers["origin"].partition("://")
        # Whoever can answer for our name by plain http is a neighbour on the network, not us. The other way round says
        # nothing: a proxy that ends TLS may not have told us.
        if scheme not in _DEFAULT_PORTS or (scheme == "http" and self.is_https(connection)):
            return False
        ours = (connection.headers.get("host", ""), self._public_host)
        return _host_and_port(host, scheme) in {_host_and_port(each, scheme) for each in ours if each}


def _host_and_port(netloc: str, scheme: str) -> str:
    """`netloc` in lower case, without the port that goes without saying."""
    return netloc.lower().removesuffix(f":{_DEFAULT_PORTS[scheme]}")

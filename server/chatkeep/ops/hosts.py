"""Which host names the server answers to.

DNS rebinding: a page at evil.example lets its name lead to 127.0.0.1, and the browser of somebody at this machine then
sends it what only they could reach. To the browser that is one origin; the name in the Host header gives it away.
"""

import re
from collections.abc import Iterable
from ipaddress import ip_address

from starlette.types import ASGIApp, Receive, Scope, Send

from chatkeep.errors import ChatkeepError
from chatkeep.ops.problems import problem_response

_HOST = re.compile(r"(?:\[(?P<ipv6>[0-9a-fA-F:.]+)\]|(?P<name>[A-Za-z0-9._-]+))(?::[0-9]*)?", re.ASCII)


class HostNotAllowed(ChatkeepError):
    """The request names a host that is not this server's."""

    status = 403
    code = "host_not_allowed"
    title = "This server has another name"

    def __init__(self) -> None:
        super().__init__("If people use this host name, the administrator must set CHATKEEP_PUBLIC_URL to it.")


class AllowedHosts:
    """Pure ASGI: refuses requests and websockets whose Host is neither one of `names` nor this machine's own.

    Args:
        app: what is protected.
        names: host names and addresses, without ports.
        any_address: let every IP address pass: no name leads there, so there is none to rebind.
    """

    def __init__(self, app: ASGIApp, names: Iterable[str], *, any_address: bool = False) -> None:
        self.app = app
        self.names = frozenset(name.lower() for name in names)
        self.any_address = any_address

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Look at every Host there is: one that is refused is one too many. Browsers always send one."""
        if scope["type"] == "lifespan" or all(self._allows(host) for host in _hosts(scope)):
            await self.app(scope, receive, send)
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008})
        else:
            await problem_response(scope, HostNotAllowed())(scope, receive, send)

    def _allows(self, host: str) -> bool:
        match = _HOST.fullmatch(host)
        if match is None:
            return False
        name = (match["ipv6"] or match["name"]).lower().removesuffix(".")
        if name in self.names or name == "localhost" or name.endswith(".localhost"):
            return True
        try:
            return ip_address(name).is_loopback or self.any_address
        except ValueError:
            return False


def _hosts(scope: Scope) -> list[str]:
    return [value.decode("latin-1") for name, value in scope["headers"] if name == b"host"]

"""Whether somebody listens at an address: what readiness can say of a server it does not otherwise speak to."""

import asyncio
from urllib.parse import urlsplit

from chatkeep.ops.health import Check

TIMEOUT_SECONDS = 2.0
_DEFAULT_PORTS = {"http": 80, "https": 443, "redis": 6379, "rediss": 6379, "valkey": 6379, "valkeys": 6379}


def reachable(url: str) -> Check:
    """A check that connects to the host and port of `url` (or its Unix socket), and hangs up."""
    parts = urlsplit(url)

    async def check() -> str | None:
        try:
            async with asyncio.timeout(TIMEOUT_SECONDS):
                if parts.scheme == "unix":
                    _, writer = await asyncio.open_unix_connection(parts.path)
                else:
                    port = parts.port or _DEFAULT_PORTS[parts.scheme]
                    _, writer = await asyncio.open_connection(parts.hostname, port)
                writer.close()
        except (OSError, TimeoutError):
            return "does not answer"
        return None

    return check

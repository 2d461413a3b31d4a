"""A small streaming HTTP/1.1 client for one origin: what asking a language model needs, at little cost per token.

Left out on purpose: redirects (a key would follow them), proxies from the environment, cookies, compression (it would
hold tokens back) and HTTP/2. Connections are kept alive in a bounded pool; closing a response closes its connection,
which is how a model is told to stop.
"""

import asyncio
import contextlib
import socket
import ssl
from collections.abc import Mapping

from chatkeep.llm.base_url import BaseUrl, is_forbidden_address
from chatkeep.llm.http_connection import Connection
from chatkeep.llm.http_response import Bounds, ConnectFailed, ConnectionBroken, Response
from chatkeep.llm.wheel import Wheel

# Most servers drop an idle connection after five seconds; a shorter life here avoids sending into a closing one.
_KEEP_ALIVE_SECONDS = 4.0
# What a person does not see, and two tokens of a fast model: half the waking, parsing and sending on.
_GATHER_SECONDS = 0.04


class StreamingClient:
    """Requests to one origin. Bound to the event loop it is first used on."""

    def __init__(
        self,
        origin: BaseUrl,
        *,
        bounds: Bounds | None = None,
        max_connections: int = 10_000,
        max_idle: int = 32,
        ssl_context: ssl.SSLContext | None = None,
    ) -> None:
        self._origin = origin
        self._bounds = bounds or Bounds()
        self._max_connections = max_connections
        self._max_idle = max_idle
        self._ssl = (ssl_context or ssl.create_default_context()) if origin.tls else None
        self._wheel = Wheel(_GATHER_SECONDS)
        self._idle: list[Connection] = []
        self._open: set[Connection] = set()
        self._connecting = 0
        self._sweeper: asyncio.TimerHandle | None = None

    @property
    def open_connections(self) -> int:
        """Connections that exist now, idle ones among them."""
        return len(self._open)

    async def request(
        self,
        method: str,
        path: str,
        headers: Mapping[str, str],
        body: bytes = b"",
        *,
        first_byte: float | None = None,
    ) -> Response:
        """Send a request and wait for the response's header. `path` is appended to the base URL's path; `first_byte`
        stands in for the bound of that name.

        Raises:
            HttpStreamError: no response came.
        """
        message = self._encode(method, path, headers, body)
        if connection := self._take_idle():
            response = connection.send(message, first_byte)
            try:
                await self._header_of(response)
            except ConnectionBroken:
                # The peer gave up an idle connection just as we used it. Not one byte of an answer has come, so the
                # request counts as unprocessed (RFC 9112, section 9.3.1) and goes out once more.
                if response.began:
                    raise
            else:
                return response
        connection = await self._connect()
        response = connection.send(message, first_byte)
        await self._header_of(response)
        return response

    async def aclose(self) -> None:
        """Close every connection; responses under way end with ConnectionBroken."""
        if self._sweeper is not None:
            self._sweeper.cancel()
            self._sweeper = None
        self._wheel.stop()
        for connection in tuple(self._open):
            connection.abort()
        self._idle.clear()
        await asyncio.sleep(0)  # the event loop takes a turn to let go of what was aborted

    def _encode(self, method: str, path: str, headers: Mapping[str, str], body: bytes) -> bytes:
        fields = {"Host": self._origin.host_header, "Accept-Encoding": "identity", **headers}
        if body or method == "POST":
            fields["Content-Length"] = str(len(body))
        lines = [
            f"{method} {self._origin.path}{path} HTTP/1.1",
            *(f"{name}: {value}" for name, value in fields.items()),
        ]
        if any("\r" in line or "\n" in line for line in lines):
            raise ValueError("a header field contains a line end")
        return "\r\n".join([*lines, "", ""]).encode("ascii") + body

    async def _header_of(self, response: Response) -> None:
        try:
            await response.wait_for_header()
        except BaseException:  # cancellation too must close the connection, or the peer works on for nobody
            response.close()
            raise

    def _take_idle(self) -> Connection | None:
        while self._idle:
            connection = self._idle.pop()
            if connection.is_open and connection.now() - connection.idle_since < _KEEP_ALIVE_SECONDS:
                return connection
            connection.abort()
        return None

    async def _connect(self) -> Connection:
        if len(self._open) + self._connecting >= self._max_connections:
            raise ConnectFailed("too many")
        loop = asyncio.get_running_loop()
        self._connecting += 1
        try:
            async with asyncio.timeout(self._bounds.connect):
                transport, connection = await loop.create_connection(
                    lambda: Connection(self._bounds, self._wheel, self._on_idle, self._on_lost),
                    self._origin.host,
                    self._origin.port,
                    ssl=self._ssl,
                    server_hostname=self._origin.host if self._ssl else None,
                )
        except TimeoutError as error:
            raise ConnectFailed("timeout") from error
        except ConnectionRefusedError as error:
            raise ConnectFailed("refused") from error
        except socket.gaierror as error:
            raise ConnectFailed("unknown host") from error
        except ssl.SSLError as error:
            raise ConnectFailed("tls") from error
        except OSError as error:
            # Several addresses, each refused, arrive as one OSError that keeps the reason in its text alone.
            raise ConnectFailed("refused" if "refused" in str(error) else "unreachable") from error
        finally:
            self._connecting -= 1
        return self._admit(transport, connection)

    def _admit(self, transport: asyncio.Transport, connection: Connection) -> Connection:
        """A name that was checked as text may still resolve to a forbidden address: look at the peer itself."""
        peer = transport.get_extra_info("peername")
        if peer and is_forbidden_address(peer[0]):
            transport.abort()
            raise ConnectFailed("forbidden address")
        self._open.add(connection)
        if self._sweeper is None:
            self._sweep()
        return connection

    def _on_idle(self, connection: Connection) -> None:
        if len(self._idle) < self._max_idle:
            self._idle.append(connection)
        else:
            connection.abort()

    def _on_lost(self, connection: Connection) -> None:
        self._open.discard(connection)
        with contextlib.suppress(ValueError):
            self._idle.remove(connection)

    def _sweep(self) -> None:
        """One timer for all deadlines; it stops when there is nothing left to watch."""
        self._sweeper = None
        if not self._open:
            return
        loop = asyncio.get_running_loop()
        now = loop.time()
        for connection in tuple(self._open):
            connection.check_deadline(now)
        for connection in [idle for idle in self._idle if now - idle.idle_since >= _KEEP_ALIVE_SECONDS]:
            connection.abort()
        shortest = min(self._bounds.first_byte, self._bounds.idle, self._bounds.total)
        self._sweeper = loop.call_later(min(1.0, shortest / 4), self._sweep)

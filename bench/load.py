"""The load: raw HTTP/1.1 over asyncio, so that the client is never what is measured."""

import asyncio
import time
from dataclasses import dataclass
from urllib.parse import urlsplit

from bench.processes import Server


@dataclass(frozen=True, slots=True)
class Measured:
    """So many units in so many seconds, for so much of the server's CPU."""

    units: int
    seconds: float
    cpu_seconds: float

    @property
    def rate(self) -> float:
        """Units per second of wall clock."""
        return self.units / self.seconds

    @property
    def cost(self) -> float:
        """Microseconds of the server's CPU per unit."""
        return self.cpu_seconds / self.units * 1e6


async def requests(server: Server, path: str, headers: dict[str, str], connections: int, count: int) -> Measured:
    """`count` GET requests over `connections` kept-alive connections, each answer read whole.

    Each connection sends the same number, so the count is rounded down; what is reported is what was sent.
    """
    parts = urlsplit(server.url)
    message = encode_request("GET", path, {"Host": parts.netloc, **headers}, b"")

    async def one(share: int) -> None:
        reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
        for _ in range(share):
            writer.write(message)
            head = await reader.readuntil(b"\r\n\r\n")
            if not head.startswith(b"HTTP/1.1 200"):
                raise RuntimeError(head.decode())
            length = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
            await reader.readexactly(length)
        writer.close()
        await writer.wait_closed()

    share = count // connections
    started, cpu = time.perf_counter(), server.cpu_seconds()
    await asyncio.gather(*(one(share) for _ in range(connections)))
    return Measured(share * connections, time.perf_counter() - started, server.cpu_seconds() - cpu)


async def streams(server: Server, path: str, bodies: list[bytes], headers: dict[str, str], tokens: int) -> Measured:
    """One POST per body at the same time, each stream read to its end; `tokens` is what each of them holds."""
    parts = urlsplit(server.url)
    ends = (b"generation.completed", b"[DONE]")

    async def one(body: bytes) -> None:
        reader, writer = await asyncio.open_connection(parts.hostname, parts.port, limit=1 << 20)
        fields = {"Host": parts.netloc, "Content-Type": "application/json", "Connection": "close", **headers}
        writer.write(encode_request("POST", path, fields, body))
        tail = b""
        while data := await reader.read(1 << 18):
            tail = (tail + data)[-400:]
        if not any(end in tail for end in ends):
            raise RuntimeError(tail.decode())
        writer.close()
        await writer.wait_closed()

    started, cpu = time.perf_counter(), server.cpu_seconds()
    await asyncio.gather(*(one(body) for body in bodies))
    return Measured(tokens * len(bodies), time.perf_counter() - started, server.cpu_seconds() - cpu)


def encode_request(method: str, path: str, headers: dict[str, str], body: bytes) -> bytes:
    """The bytes of an HTTP/1.1 request."""
    if body:
        headers = {**headers, "Content-Length": str(len(body))}
    fields = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    return f"{method} {path} HTTP/1.1\r\n{fields}\r\n".encode() + body

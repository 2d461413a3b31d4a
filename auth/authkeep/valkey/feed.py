"""The revocation feed by Valkey's pub/sub."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing

from valkey.asyncio import Valkey
from valkey.asyncio.client import PubSub

from authkeep.revocation_feed import CHANNEL, encode
from authkeep.store import Revocation


class ValkeyFeed:
    """Args:
    client: give it timeouts (`socket_timeout`, `socket_connect_timeout`): a sign-out waits for what it publishes.
    channel: of this deployment; a Valkey has one space of channels for all its databases.
    quiet_seconds: how long silence is believed before the connection is asked for a sign of life, and how long that
        may take.
    """

    def __init__(self, client: Valkey, *, channel: str = CHANNEL, quiet_seconds: float = 2.0) -> None:
        self._client = client
        self._channel = channel
        self._quiet_seconds = quiet_seconds

    async def publish(self, revocations: Sequence[Revocation]) -> None:
        for revocation in revocations:
            await self._client.publish(self._channel, encode(revocation))

    async def listen(self) -> AsyncGenerator[str | None]:
        async with aclosing(self._client.pubsub()) as pubsub:
            async with asyncio.timeout(self._quiet_seconds):
                await pubsub.subscribe(self._channel)
            while True:
                message = await self._next(pubsub)
                if message["type"] == "message":
                    data = message["data"]
                    yield data.decode("utf-8", "replace") if isinstance(data, bytes) else str(data)
                elif message["type"] == "subscribe":
                    # The client connects again by itself, and this is how one hears of it.
                    yield None

    async def _next(self, pubsub: PubSub) -> dict[str, object]:
        for _ in range(2):
            message: dict[str, object] | None = await pubsub.get_message(timeout=self._quiet_seconds)
            if message is not None:
                return message
            async with asyncio.timeout(self._quiet_seconds):
                await pubsub.ping()
        raise ConnectionError("Valkey gives no sign of life")

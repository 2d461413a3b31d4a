"""The EventFeed port: how the events of an answer reach the processes that do not write it.

A feed makes following elsewhere quick and exact, and may lose anything at any time: SQL's checkpoints are what is
believed (`mirrors.py`). Adapter: `valkey_log.ValkeyLog`. Without one, checkpoints are all there is.
"""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Protocol

from chatkeep.chat.event_log import EventLog
from chatkeep.identity import OwnerId


class EventFeed(Protocol):
    """Nothing in here waits for the network but `recall`; what cannot be delivered is dropped."""

    def running(self, on_stop: Callable[[str], object]) -> AbstractAsyncContextManager[None]:
        """Deliver while the block lasts; `on_stop` is called with the id of each generation that is to be stopped."""
        ...

    def publish(self, owner: OwnerId, log: EventLog) -> None:
        """Let others have all that is appended to `log` from now on, to its end."""
        ...

    def follow(self, owner: OwnerId, log: EventLog) -> None:
        """Fill a mirror behind its last event, as events come, until `unfollow`."""
        ...

    def unfollow(self, owner: OwnerId, log: EventLog) -> None: ...

    async def recall(self, owner: OwnerId, log: EventLog) -> None:
        """Fill `log`, once, with what has been published behind its last event, as far as that is still held."""
        ...

    def stop(self, generation_id: str) -> None:
        """Tell the process that writes it, whichever that is."""
        ...

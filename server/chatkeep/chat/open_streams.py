"""How many streams each user has open: a bound on what one of them can make the server hold."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from chatkeep.chat.errors import TooManyStreams
from chatkeep.identity import OwnerId

MAX_PER_OWNER = 256


class OpenStreams:
    """Counts by owner; held by the application's state."""

    def __init__(self, max_per_owner: int = MAX_PER_OWNER) -> None:
        self._max = max_per_owner
        self._open: Counter[OwnerId] = Counter()

    def check(self, owner: OwnerId) -> None:
        """Let one more pass.

        Raises:
            TooManyStreams: the owner has as many open as anybody may.
        """
        if self._open[owner] >= self._max:
            raise TooManyStreams(self._max)

    @contextmanager
    def counted(self, owner: OwnerId) -> Iterator[None]:
        """One stream of `owner`, open while the block lasts."""
        self._open[owner] += 1
        try:
            yield
        finally:
            self._open[owner] -= 1
            if not self._open[owner]:
                del self._open[owner]

"""What is said through the port `authkeep.store.RevocationFeed`, and its adapter for one process.

A feed is about speed and never about safety. It may lose, repeat and reorder: the whole set is read again whenever it
could have lost something, and on a timer for when that went unnoticed. Whoever can write to it can end logins sooner;
nothing that it says brings one back.
"""

import asyncio
import json
from collections.abc import AsyncGenerator, Sequence
from datetime import UTC, datetime, timedelta

from authkeep.store import Revocation

CHANNEL = "authkeep_revocations"
_MAX_LENGTH = 2048
# Longer than any access token may live, whose lifetime is an hour at most.
_LONGEST = timedelta(hours=2)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


class ProcessFeed:
    """For one process, and for several `Auth` in it."""

    def __init__(self) -> None:
        self._inboxes: set[asyncio.Queue[str]] = set()

    async def publish(self, revocations: Sequence[Revocation]) -> None:
        for revocation in revocations:
            for inbox in self._inboxes:
                inbox.put_nowait(encode(revocation))

    async def listen(self) -> AsyncGenerator[str | None]:
        inbox: asyncio.Queue[str] = asyncio.Queue()
        self._inboxes.add(inbox)
        try:
            yield None
            while True:
                yield await inbox.get()
        finally:
            self._inboxes.discard(inbox)


def encode(revocation: Revocation) -> str:
    """One entry as JSON: id, sid, user, epoch, and when it expires in microseconds since 1970."""
    expires = (revocation.expires_at - _EPOCH) // _MICROSECOND
    return json.dumps([revocation.id, revocation.sid, revocation.user_id, revocation.epoch, expires])


def parse(payload: str, now: datetime) -> Revocation:
    """The entry that `encode` wrote.

    Raises:
        ValueError: it is anything else, or would be remembered for longer than any access token lives.
    """
    if len(payload) > _MAX_LENGTH:
        raise ValueError("longer than any entry")
    try:
        entry = json.loads(payload)
    except RecursionError:
        raise ValueError("nested") from None
    if not isinstance(entry, list) or [type(member) for member in entry] not in _SHAPES:
        raise ValueError("not an entry")
    return _revocation(*entry, latest=now + _LONGEST)


_SHAPES = [[str, str, str, type(None), int], [str, type(None), str, int, int]]


def _revocation(
    entry_id: str, sid: str | None, user_id: str, epoch: int | None, expires: int, *, latest: datetime
) -> Revocation:
    # Compared as numbers: an integer may be too large for a date.
    if not 0 <= expires <= (latest - _EPOCH) // _MICROSECOND:
        raise ValueError("expires too late")
    return Revocation(entry_id, sid, user_id, epoch, _EPOCH + expires * _MICROSECOND)

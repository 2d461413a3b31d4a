"""A file on its way in, which lies in memory: whoever lets it trickle holds a place that others wait for."""

import asyncio
from collections.abc import AsyncIterator

from chatkeep.chat.errors import UploadTooSlow

FIRST_SECONDS = 10.0
# One megabit: a mobile network brings that, and 32 MiB take four minutes of it.
SLOWEST_BYTES_PER_SECOND = 128 * 1024


async def read_upload(stream: AsyncIterator[bytes]) -> bytes:
    """All of it, as long as it keeps coming: what has come buys the time for more.

    Raises:
        UploadTooSlow: it does not.
    """
    pieces: list[bytes] = []
    size = 0
    begun = asyncio.get_running_loop().time()
    try:
        async with asyncio.timeout(FIRST_SECONDS) as deadline:
            async for piece in stream:
                pieces.append(piece)
                size += len(piece)
                deadline.reschedule(begun + FIRST_SECONDS + size / SLOWEST_BYTES_PER_SECOND)
    except TimeoutError:
        raise UploadTooSlow from None
    return b"".join(pieces)

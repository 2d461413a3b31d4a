"""Moves all that one index holds into another of the same spec: from the embedded one to a server, or back."""

from collections.abc import Callable

from chatkeep.index.port import VectorIndex


async def copy_index(source: VectorIndex, target: VectorIndex, progress: Callable[[int], None] = lambda _: None) -> int:
    """Copy every point, and say how many there were; `progress` hears it now and then. What changes in the source
    meanwhile may be missed: stop ingesting first. Interrupted, it can be begun again: points replace themselves.

    Raises:
        IndexUnavailable: of either.
    """
    copied = 0
    async for points in source.export():
        await target.restore(points)
        copied += len(points)
        progress(copied)
    return copied

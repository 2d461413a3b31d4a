"""What a vector must be before it may enter an index: the engine takes NaN without a word, and finds nothing after."""

import math
from array import array
from collections.abc import Sequence

from chatkeep.index.port import StoredPoint

# What 16-bit numbers and other people's rounding leave of a length of 1.
_TOLERANCE = 0.01


def packed(vector: Sequence[float], dimension: int) -> bytes:
    """The vector as float32, in this machine's order of bytes.

    Raises:
        ValueError: it has another dimension, is not finite, or not of length 1. Says nothing of what is in it.
    """
    try:
        numbers = array("f", vector)
    except (TypeError, ValueError, OverflowError):
        raise ValueError("a vector holds something that is no number") from None
    if len(numbers) != dimension:
        raise ValueError(f"a vector has {len(numbers)} dimensions, and the index {dimension}")
    # Also false for NaN.
    if not abs(math.hypot(*numbers) - 1) <= _TOLERANCE:
        raise ValueError("a vector is not finite, or its length is not 1")
    return numbers.tobytes()


def checked(point: StoredPoint, dimension: int) -> None:
    """As `packed`, for a vector that is packed already.

    Raises:
        ValueError
    """
    if point.dense is not None:
        if len(point.dense) % 4:
            raise ValueError("a vector is cut off")
        packed(unpacked(point.dense), dimension)


def unpacked(vector: bytes) -> list[float]:
    """As the engines want it."""
    return array("f", vector).tolist()

"""Messages over a pipe: four bytes of length, then MessagePack. Never pickle, which would run what it reads."""

import msgspec

LENGTH_BYTES = 4


def frame(message: object) -> bytes:
    """The message with its length before it."""
    body = msgspec.msgpack.encode(message)
    return len(body).to_bytes(LENGTH_BYTES, "big") + body

"""What the server and the index's process say to each other: frames of MessagePack, each with its length before it.

No pickle: whoever could write into the pipe could otherwise run code.
"""

from collections.abc import Iterator
from typing import TypeVar

import msgspec

from chatkeep.index.port import IndexSpec, StoredPoint, TenantId
from chatkeep.index.scope import Scope
from chatkeep.processes.frames import LENGTH_BYTES

MOST_FRAME_BYTES = 64 * 1024 * 1024

T = TypeVar("T")


class PutPoint(msgspec.Struct, frozen=True, array_like=True):
    """Its words are weighed in the process: that takes the interpreter's lock too."""

    document_id: str
    n: int
    text: str
    dense: bytes | None


class Put(msgspec.Struct, frozen=True, tag=True):
    """Answered with None, once it is on the disk."""

    tenant: TenantId
    points: list[PutPoint]


class Restore(msgspec.Struct, frozen=True, tag=True):
    """Answered with None, once it is on the disk."""

    points: list[StoredPoint]


class Delete(msgspec.Struct, frozen=True, tag=True):
    """Answered with None, once it is on the disk."""

    scope: Scope


class Search(msgspec.Struct, frozen=True, tag=True):
    """Answered with a list of `Found` for each way, best first."""

    scope: Scope
    text: str
    dense: bytes | None
    limit: int


class Count(msgspec.Struct, frozen=True, tag=True):
    """Answered with a number."""

    scope: Scope


class Scroll(msgspec.Struct, frozen=True, tag=True):
    """Answered with a `Page`."""

    after: str | None
    limit: int
    weights: bool


class ListSpecs(msgspec.Struct, frozen=True, tag=True):
    """Answered with the specs of the indexes that exist."""


class Drop(msgspec.Struct, frozen=True, tag=True):
    """Answered with None, once it is gone."""


class Ping(msgspec.Struct, frozen=True, tag=True):
    """Answered with None, once the index is open."""


Call = Put | Restore | Delete | Search | Count | Scroll | ListSpecs | Drop | Ping
Update = Put | Restore | Delete


class Page(msgspec.Struct, frozen=True, array_like=True):
    """Some points, without their weights unless these were asked for, and where to go on."""

    points: list[StoredPoint]
    after: str | None


class Greeting(msgspec.Struct, frozen=True, array_like=True):
    """The first frame: where the indexes lie, and whom not to outlive."""

    directory: str
    parent: int


class Request(msgspec.Struct, frozen=True, array_like=True):
    """`index` is None for a call that is about none in particular."""

    id: int
    index: IndexSpec | None
    call: Call


class Reply(msgspec.Struct, frozen=True, array_like=True):
    """Of the request with this id; 0 where the process says why it cannot serve at all."""

    id: int
    error: str | None
    value: msgspec.Raw = msgspec.Raw(b"\xc0")


def take_frames(buffer: bytearray) -> Iterator[bytes]:
    """Take the whole frames out of what has been read; a part of one stays.

    Raises:
        ValueError: that is no frame of ours.
    """
    while len(buffer) >= LENGTH_BYTES:
        length = int.from_bytes(buffer[:LENGTH_BYTES], "big")
        if length > MOST_FRAME_BYTES:
            raise ValueError("a frame is too long")
        end = LENGTH_BYTES + length
        if len(buffer) < end:
            return
        body = bytes(buffer[LENGTH_BYTES:end])
        del buffer[:end]
        yield body

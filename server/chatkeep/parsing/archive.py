"""ZIP archives, distrusted: looked at before they are opened, and what comes out of them is counted.

What the directory says of sizes is used to refuse early, and never believed otherwise: `zipfile` gives no more of a
member than it declares, and all that is inflated counts against one budget.
"""

import struct
import zipfile
import zlib
from collections.abc import Iterator
from typing import BinaryIO

from chatkeep.parsing.limits import Limits
from chatkeep.parsing.refusals import damaged, encrypted, too_large

_END = b"PK\x05\x06"
_END_SIZE = 22
_ZIP64_LOCATOR = b"PK\x06\x07"
_ZIP64_LOCATOR_SIZE = 20
_LONGEST_COMMENT = 2**16
_MOST_MEMBERS = 10_000
# The directory, which zipfile reads whole: some 200 bytes a member.
_LARGEST_DIRECTORY = _MOST_MEMBERS * 256
# Text of an office file packs to a tenth, a large table of zeros perhaps to a hundredth; a bomb to a thousandth.
_MOST_INFLATED = 400
_SMALL = 2**20
_PIECE = 2**16
_LARGEST_PART = 2**24
_ENCRYPTED = 1
# What zipfile raises for one that is broken. NotImplementedError is a RuntimeError.
_BROKEN = (zipfile.BadZipFile, zlib.error, struct.error, EOFError, ValueError, OSError, RuntimeError)
_METHODS = {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}


class Archive:
    """Members are given by name; nothing is ever written to disk, and archives within it are never opened."""

    def __init__(self, file: BinaryIO, limits: Limits) -> None:
        """Look at the directory.

        Raises:
            Unreadable: `damaged`, `encrypted`, `too_large`.
        """
        size = file.seek(0, 2)
        _look_at_the_end(file, size)
        try:
            self._zip = zipfile.ZipFile(file)
        except _BROKEN as error:
            raise damaged() from error
        self._left = limits.inflated_bytes
        self._members = {member.filename: member for member in self._zip.infolist()}
        self._judge(size)

    def _judge(self, size: int) -> None:
        members = self._zip.infolist()
        if len(members) > _MOST_MEMBERS:
            raise too_large("It has more parts")
        if len(self._members) != len(members):
            raise damaged("two of its parts have the same name")
        if any(member.flag_bits & _ENCRYPTED for member in members):
            raise encrypted()
        declared = sum(member.file_size for member in members)
        if declared > self._left or declared > max(_SMALL, size * _MOST_INFLATED):
            raise too_large("It unpacks to more")

    def has(self, name: str) -> bool:
        return name in self._members

    def read(self, name: str) -> bytes:
        """A member, whole; for those that are small by nature.

        Raises:
            Unreadable
        """
        parts = []
        size = 0
        for piece in self.pieces(name):
            size += len(piece)
            if size > _LARGEST_PART:
                raise too_large("A part of it is larger")
            parts.append(piece)
        return b"".join(parts)

    def pieces(self, name: str) -> Iterator[bytes]:
        """A member, piece by piece.

        Raises:
            Unreadable
        """
        member = self._members.get(name)
        if member is None:
            raise damaged("a part is missing")
        if member.compress_type not in _METHODS:
            raise damaged("it is packed in a way that office files are not")
        try:
            with self._zip.open(member) as stream:
                while piece := stream.read(_PIECE):
                    self._left -= len(piece)
                    if self._left < 0:
                        raise too_large("It unpacks to more")
                    yield piece
        except _BROKEN as error:
            raise damaged() from error


def _look_at_the_end(file: BinaryIO, size: int) -> None:
    """Refuse a directory that is too large before it becomes a million objects.

    Raises:
        Unreadable
    """
    file.seek(max(0, size - _END_SIZE - _LONGEST_COMMENT - _ZIP64_LOCATOR_SIZE))
    tail = file.read()
    at = len(tail) - _END_SIZE
    # As zipfile looks for it: at the very end, or the last one before a comment.
    if at < 0 or not (tail.startswith(_END, at) and tail.endswith(b"\0\0")):
        at = tail.rfind(_END)
    if at < 0 or len(tail) - at < _END_SIZE:
        raise damaged("its end is missing")
    if tail[max(0, at - _ZIP64_LOCATOR_SIZE) : at].startswith(_ZIP64_LOCATOR):
        raise too_large("It is an archive of a kind that is larger")
    (directory,) = struct.unpack_from("<L", tail, at + 12)
    if directory > _LARGEST_DIRECTORY:
        raise too_large("It has more parts")

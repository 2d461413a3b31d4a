"""The text of an API key: the host's prefix, 256 random bits in base64url, and a CRC-32 of all before it.

So a scanner for leaked secrets finds it, and a typing error is told without a look-up. Pure: nothing is stored here.
"""

import base64
import hashlib
import hmac
import re
import secrets
import zlib

from authkeep.errors import InvalidToken

_SECRET_BYTES = 32
_CHECKSUM = 6
_ENCODED = re.compile(r"[A-Za-z0-9_-]{49}", re.ASCII)


def make_key_text(prefix: str) -> str:
    """A new key; a credential."""
    body = prefix + _encode(secrets.token_bytes(_SECRET_BYTES))
    return body + _checksum(body)


def key_hint(prefix: str, text: str) -> str:
    """How it begins and ends: enough to tell one's keys apart, and no help in guessing one."""
    return f"{prefix}…{text[-4:]}"


def key_hash(prefix: str, text: str) -> str:
    """What is stored of a key that is presented.

    Raises:
        InvalidToken: it has not the form of a key, or its checksum is not right.
    """
    encoded = text.removeprefix(prefix)
    if encoded == text or not _ENCODED.fullmatch(encoded):
        raise InvalidToken
    if not hmac.compare_digest(text[-_CHECKSUM:], _checksum(text[:-_CHECKSUM])):
        raise InvalidToken
    return hashlib.sha256(text.encode("ascii")).hexdigest()


def _checksum(body: str) -> str:
    return _encode(zlib.crc32(body.encode("ascii")).to_bytes(4, "big"))


def _encode(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode("ascii")

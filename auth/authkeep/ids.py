"""Ids as they are handed out: UUIDs in their usual form, in lower case."""

import re

_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.ASCII)


def is_id(text: str) -> bool:
    """Whether a store may be asked for it. Not every database takes every text: a NUL in a path must be "not found"."""
    return _ID.fullmatch(text) is not None

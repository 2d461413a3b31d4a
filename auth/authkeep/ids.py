"""Ids as they are handed out, UUIDs in lower case; and those of users, some of whom have come with one."""

import re

_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.ASCII)
_USER_ID = re.compile(r"[A-Za-z0-9._:-]{1,36}", re.ASCII)


def is_id(text: str) -> bool:
    """Whether a store may be asked for it. Not every database takes every text: a NUL in a path must be "not found"."""
    return _ID.fullmatch(text) is not None


def is_user_id(text: str) -> bool:
    """As `is_id`, for users: whoever was imported has kept the id that the older application knew them by."""
    return _USER_ID.fullmatch(text) is not None

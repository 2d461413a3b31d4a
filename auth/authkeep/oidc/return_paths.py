"""Where a sign-in may lead back to: a path of this site, which no browser and no proxy reads as another site."""

import re
from urllib.parse import unquote

_MAX_LENGTH = 1024
# RFC 3986, section 3.3 and 3.4, without a fragment: no backslash, no control character, nothing beyond ASCII.
_LOCAL = re.compile(r"/[A-Za-z0-9\-._~!$&'()*+,;=:@%/?]*", re.ASCII)
# As some proxy may decode it, once or twice.
_LEADS_AWAY = re.compile(r"//|\\|[\x00-\x20\x7f]")


def find_local_path(text: str) -> str | None:
    """The text, when it is a path of this site; None when it might lead elsewhere."""
    if len(text) > _MAX_LENGTH or not _LOCAL.fullmatch(text):
        return None
    path = text.partition("?")[0]
    return None if any(_LEADS_AWAY.search(reading) for reading in (path, *_decoded(path))) else text


def _decoded(path: str) -> tuple[str, str]:
    once = unquote(path, "latin-1")
    return once, unquote(once, "latin-1")


def with_error(path: str, code: str) -> str:
    """The path with `error=code` in its query."""
    return f"{path}{'&' if '?' in path else '?'}error={code}"

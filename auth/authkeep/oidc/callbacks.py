"""What a browser brings back from a provider: `?code=&state=&iss=`, or `?error=` (RFC 6749, section 4.1.2)."""

import re
from dataclasses import dataclass, field
from urllib.parse import parse_qsl

from authkeep.oidc.errors import ExternalSignInFailed

_MAX_QUERY = 8 * 1024
_MAX_PARAMETERS = 20
_READ = ("code", "state", "iss", "error")
# RFC 6749, appendix A.11: any printable ASCII.
_VALUE = re.compile(r"[\x20-\x7e]{1,4096}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Callback:
    """Attributes:
    code, error: one of them is there.
    """

    state: str = field(repr=False)
    code: str | None = field(repr=False)
    issuer: str | None
    error: str | None


def read_callback(query: bytes) -> Callback:
    """Raises:
    ExternalSignInFailed: a parameter is missing, there twice (RFC 6749, section 3.1), or not one.
    """
    try:
        pairs = parse_qsl(
            _bounded(query).decode("ascii"),
            keep_blank_values=True,
            errors="strict",
            max_num_fields=_MAX_PARAMETERS,
        )
    except ValueError:
        raise ExternalSignInFailed from None
    read = [(name, value) for name, value in pairs if name in _READ]
    found = dict(read)
    if len(found) != len(read) or not all(map(_VALUE.fullmatch, found.values())):
        raise ExternalSignInFailed
    if "state" not in found or ("code" in found) == ("error" in found):
        raise ExternalSignInFailed
    return Callback(found["state"], found.get("code"), found.get("iss"), found.get("error"))


def _bounded(query: bytes) -> bytes:
    if len(query) > _MAX_QUERY:
        raise ValueError("too long")
    return query

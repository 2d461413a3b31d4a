"""The addresses among the settings: what each kind may look like, how the drivers want it, how it may be shown.

Complaints never repeat what was given: a URL that cannot be read may hold a password anywhere.
"""

import re
from pathlib import Path
from urllib.parse import SplitResult, parse_qsl, urlencode, urlsplit

_DRIVERS = {
    "sqlite": "sqlite+aiosqlite",
    "sqlite+aiosqlite": "sqlite+aiosqlite",
    "postgres": "postgresql+asyncpg",
    "postgresql": "postgresql+asyncpg",
    "postgresql+asyncpg": "postgresql+asyncpg",
}
_VALKEY_SCHEMES = ("redis", "rediss", "valkey", "valkeys", "unix")
_TLS_MODES = ("disable", "allow", "prefer", "require", "verify-ca", "verify-full")
# The driver fails on any other with a stack trace, and only once it connects.
_POSTGRESQL_PARAMETERS = ("host", "port", "user", "password", "ssl", "sslmode")
_HARMLESS_PARAMETERS = ("host", "port", "user", "ssl", "sslmode", "tls", "token_delay_ms", "db")
_MASK = "********"


def check_http_url(url: str) -> str:
    """An http(s) address, without the slash at its end.

    Raises:
        ValueError: it is none.
    """
    parts = _split(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("must be an http:// or https:// address with a host name")
    if "@" in parts.netloc:
        raise ValueError("must not contain a user name or password")
    return url.rstrip("/")


def check_origin(url: str) -> str:
    """An http(s) address of a host and nothing behind it: scheme, host, port.

    Raises:
        ValueError: it is none.
    """
    parts = _split(check_http_url(url))
    if parts.path or set("?#") & set(url):
        raise ValueError("must end after the host and port: no path, query or fragment")
    return f"{parts.scheme}://{parts.netloc}"


def check_valkey_url(url: str) -> str:
    """An address of Valkey or Redis.

    Raises:
        ValueError: it is none.
    """
    if _split(url).scheme not in _VALKEY_SCHEMES or "://" not in url:
        raise ValueError("must start with redis://, rediss://, valkey://, valkeys:// or unix://")
    return url


def check_smtp_url(url: str) -> str:
    """A mail server's address, with or without a user name and password.

    Raises:
        ValueError: it is none.
    """
    parts = _split(url)
    if parts.scheme not in ("smtp", "smtps") or not parts.hostname:
        raise ValueError("must start with smtp:// or smtps://, and name a host")
    return url


def check_database_url(url: str) -> str:
    """A file for SQLite, or a PostgreSQL server.

    Raises:
        ValueError: it is neither, or has a part that would be ignored or cannot work.
    """
    scheme, separator, rest = url.partition("://")
    if scheme not in _DRIVERS or not separator:
        if driver := re.fullmatch(r"(?:postgresql|postgres|sqlite)\+([a-z0-9_]{1,30})", scheme):
            raise ValueError(f"names the driver {driver[1]}, which is not used here: leave +{driver[1]} out")
        raise ValueError("must start with sqlite:/// or postgresql://")
    if scheme.startswith("sqlite"):
        _check_sqlite(rest)
    else:
        _check_postgresql(_split(url))
    return url


def driver_url(url: str) -> str:
    """`url` as SQLAlchemy and the asynchronous driver want it: libpq's `sslmode` is asyncpg's `ssl`."""
    scheme, _, rest = url.partition("://")
    address, question, query = rest.partition("?")
    renamed = [("ssl" if name == "sslmode" else name, value) for name, value in parse_qsl(query)]
    return f"{_DRIVERS[scheme]}://{address}{question}{urlencode(renamed, safe='/')}"


def sqlite_file(url: str) -> Path | None:
    """The file of a SQLite database, None for PostgreSQL."""
    scheme, _, rest = url.partition("://")
    return Path(rest.removeprefix("/")) if scheme.startswith("sqlite") else None


def masked(url: str) -> str:
    """`url` without its password and without what else may be secret in it."""
    address, hash_, _ = url.partition("#")
    address, question, query = address.partition("?")
    scheme, separator, rest = address.partition("://")
    netloc, slash, path = rest.partition("/")
    credentials, at, host = netloc.rpartition("@")
    if ":" in credentials:
        credentials = f"{credentials.split(':', 1)[0]}:{_MASK}"
    parameters = "&".join(_masked_parameter(parameter) for parameter in query.split("&"))
    fragment = f"#{_MASK}" if hash_ else ""
    return f"{scheme}{separator}{credentials}{at}{host}{slash}{path}{question}{parameters}{fragment}"


def _masked_parameter(parameter: str) -> str:
    name, equals, _ = parameter.partition("=")
    if name in _HARMLESS_PARAMETERS or not parameter:
        return parameter
    return f"{name}={_MASK}" if equals else _MASK


def _split(url: str) -> SplitResult:
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        raise ValueError(
            "cannot be read: a port is a number up to 65535, an IPv6 address stands in brackets, and in a password "
            "@ : / ? # are written %40 %3A %2F %3F %23"
        ) from None
    return parts


def _check_sqlite(rest: str) -> None:
    path = rest.removeprefix("/")
    if not rest.startswith("/") or not path or path.startswith((":memory:", "file:")):
        raise ValueError("must name a file, such as sqlite:////var/lib/chatkeep/chatkeep.db; nothing is kept in memory")
    if "?" in path:
        raise ValueError("must name a file and nothing else: SQLite is given no parameters here")


def _check_postgresql(parts: SplitResult) -> None:
    if parts.netloc.count("@") > 1:
        raise ValueError("has more than one @: in a password it is written %40")
    if parts.fragment:
        raise ValueError("must not contain #: in a password it is written %23")
    parameters = dict(parse_qsl(parts.query, keep_blank_values=True))
    unknown = sorted(set(parameters) - set(_POSTGRESQL_PARAMETERS))
    if unknown:
        raise ValueError(f"has a parameter that is not known here; known are {', '.join(_POSTGRESQL_PARAMETERS)}")
    if any(parameters.get(name, "disable") not in _TLS_MODES for name in ("ssl", "sslmode")):
        raise ValueError(f"has an unknown sslmode; there are {', '.join(_TLS_MODES)}")
    if not parameters.get("port", "0").isdecimal():
        raise ValueError("has a port that is no number")

"""The cookies of the page. All are HttpOnly: no script, ours included, can read them.

The *refresh cookie* belongs to the API, which sets and rotates it; the page only carries it to and fro. So does the
*device cookie*, by which the API knows a browser that has signed in before; it stays when somebody signs out.
The *page cookie* is a random key into the vault, and means nothing to anybody else.

The `__Host-` prefix (RFC 6265bis, section 4.1.3.2) keeps a neighbouring subdomain from planting them. That holds only
if the unprefixed names are not read at all where browsers come by https (`secure`), and if a value cannot grow into a
second cookie on its way to the API: so values are taken as they stand, unquoted by nobody, and only in our own shape.
"""

import re
from collections.abc import Iterable, Sequence
from http.cookies import CookieError, Morsel, SimpleCookie
from typing import Final

from starlette.requests import HTTPConnection
from starlette.responses import Response

PAGE_COOKIE: Final = "chatkeep_page"
REFRESH_COOKIE: Final = "authkeep_refresh"
DEVICE_COOKIE: Final = "authkeep_device"
SECOND_STEP_COOKIE: Final = "authkeep_mfa"
HOST_PREFIX: Final = "__Host-"
# As the vault and the API make them.
_PAGE_KEY: Final = re.compile(r"[A-Za-z0-9_-]{43}")
_REFRESH_TOKEN: Final = re.compile(r"akr_[A-Za-z0-9_-]{92}")
_SECOND_STEP: Final = re.compile(r"[A-Za-z0-9_-]{43}(?:\.(?:totp|recovery_code|passkey)){1,3}")
_DEVICE_TOKEN: Final = re.compile(r"akd_[A-Za-z0-9_-]{48,160}")


def page_key(connection: HTTPConnection, *, secure: bool) -> str | None:
    """The vault key this browser holds."""
    return _value(connection, _name(PAGE_COOKIE, secure=secure), _PAGE_KEY)


def refresh_token(connection: HTTPConnection, *, secure: bool) -> str | None:
    """The refresh token this browser holds; None also for what no API of ours ever gave out."""
    return _value(connection, _name(REFRESH_COOKIE, secure=secure), _REFRESH_TOKEN)


def device_token(connection: HTTPConnection, *, secure: bool) -> str | None:
    """What proves to the API that somebody has signed in with this browser before."""
    return _value(connection, _name(DEVICE_COOKIE, secure=secure), _DEVICE_TOKEN)


def second_step(connection: HTTPConnection, *, secure: bool) -> tuple[str, tuple[str, ...]] | None:
    """What the second step of a sign-in elsewhere needs: a token, and the factors that will do."""
    value = _value(connection, _name(SECOND_STEP_COOKIE, secure=secure), _SECOND_STEP)
    if value is None:
        return None
    token, *factors = value.split(".")
    return token, tuple(factors)


def refresh_cookie_pair(token: str, *, secure: bool) -> str:
    """`name=value` of the refresh cookie, as it goes on to the API."""
    return f"{_name(REFRESH_COOKIE, secure=secure)}={token}"


def page_cookie_alone(key: str) -> str:
    """The Cookie header for Streamlit, which has no business with any other cookie."""
    return f"{PAGE_COOKIE}={key}"


def any_of_ours(connection: HTTPConnection) -> bool:
    """Whether the browser sent a cookie by one of our names, rubbish included."""
    names = {prefix + name for prefix in ("", HOST_PREFIX) for name in (PAGE_COOKIE, REFRESH_COOKIE)}
    return any(name in names for name, _ in _pairs(connection))


def refresh_token_set_by(set_cookies: Sequence[str]) -> str | None:
    """The refresh token among the API's Set-Cookie headers, if one was set."""
    for header in set_cookies:
        morsel = _parsed(header)
        if morsel is None or morsel.key.removeprefix(HOST_PREFIX) != REFRESH_COOKIE:
            continue
        if _REFRESH_TOKEN.fullmatch(morsel.value):
            return morsel.value
    return None


def set_page_cookie(response: Response, key: str, *, secure: bool) -> None:
    """Give the browser its vault key, until it closes."""
    name = _name(PAGE_COOKIE, secure=secure)
    response.set_cookie(name, key, path="/", secure=secure, httponly=True, samesite="lax")


def relay(response: Response, set_cookies: Iterable[str]) -> None:
    """Hand the API's Set-Cookie headers on, unchanged."""
    for header in set_cookies:
        response.headers.append("Set-Cookie", header)


def forget(response: Response) -> None:
    """Take every cookie of ours from the browser, under both names it may have."""
    for name in (PAGE_COOKIE, REFRESH_COOKIE):
        response.delete_cookie(name, path="/", httponly=True, samesite="lax")
        response.delete_cookie(HOST_PREFIX + name, path="/", secure=True, httponly=True, samesite="lax")


def _name(name: str, *, secure: bool) -> str:
    return HOST_PREFIX + name if secure else name


def _value(connection: HTTPConnection, name: str, shape: re.Pattern[str]) -> str | None:
    return next((value for sent, value in _pairs(connection) if sent == name and shape.fullmatch(value)), None)


def _pairs(connection: HTTPConnection) -> list[tuple[str, str]]:
    """What the browser sent, without Starlette's unquoting and its wide notion of white space, which forge names."""
    parts = [part for header in connection.headers.getlist("cookie") for part in header.split(";")]
    split = (part.partition("=") for part in parts)
    return [(name.strip(" \t"), value.strip(" \t")) for name, _, value in split]


def _parsed(header: str) -> Morsel[str] | None:
    jar: SimpleCookie = SimpleCookie()
    try:
        jar.load(header)
    except CookieError:
        return None
    return next(iter(jar.values()), None)

"""The two cookies of the page. Both are HttpOnly: no script, ours included, can read them.

The *refresh cookie* belongs to the API, which sets and rotates it; the page only carries it to and fro.
The *page cookie* is a random key into the vault, and means nothing to anybody else. The `__Host-` prefix (RFC 6265bis)
keeps a neighbouring subdomain from planting either.
"""

from http.cookies import CookieError, Morsel, SimpleCookie

from starlette.requests import HTTPConnection
from starlette.responses import Response

PAGE_COOKIE = "chatkeep_page"
REFRESH_COOKIE = "authkeep_refresh"
HOST_PREFIX = "__Host-"


def page_key(connection: HTTPConnection) -> str | None:
    """The vault key this browser holds."""
    return _either(connection, PAGE_COOKIE)


def refresh_token(connection: HTTPConnection) -> str | None:
    """The refresh token this browser holds."""
    return _either(connection, REFRESH_COOKIE)


def refresh_cookie_pair(connection: HTTPConnection) -> str | None:
    """`name=value` of the refresh cookie, as it goes on to the API."""
    for name in (HOST_PREFIX + REFRESH_COOKIE, REFRESH_COOKIE):
        if value := connection.cookies.get(name):
            return f"{name}={value}"
    return None


def refresh_token_set_by(set_cookies: list[str]) -> str | None:
    """The refresh token among the API's Set-Cookie headers, if one was set."""
    for header in set_cookies:
        morsel = _parsed(header)
        if morsel is not None and morsel.key.removeprefix(HOST_PREFIX) == REFRESH_COOKIE and morsel.value:
            return morsel.value
    return None


def set_page_cookie(response: Response, key: str, *, secure: bool) -> None:
    """Give the browser its vault key, until it closes."""
    name = HOST_PREFIX + PAGE_COOKIE if secure else PAGE_COOKIE
    response.set_cookie(name, key, path="/", secure=secure, httponly=True, samesite="lax")


def relay(response: Response, set_cookies: list[str]) -> None:
    """Hand the API's Set-Cookie headers on, unchanged."""
    for header in set_cookies:
        response.headers.append("Set-Cookie", header)


def forget(response: Response) -> None:
    """Take every cookie of ours from the browser, under both names it may have."""
    for name in (PAGE_COOKIE, REFRESH_COOKIE):
        response.delete_cookie(name, path="/", httponly=True, samesite="lax")
        response.delete_cookie(HOST_PREFIX + name, path="/", secure=True, httponly=True, samesite="lax")


def _either(connection: HTTPConnection, name: str) -> str | None:
    return connection.cookies.get(HOST_PREFIX + name) or connection.cookies.get(name)


def _parsed(header: str) -> Morsel[str] | None:
    jar: SimpleCookie = SimpleCookie()
    try:
        jar.load(header)
    except CookieError:
        return None
    return next(iter(jar.values()), None)

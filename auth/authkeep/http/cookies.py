"""The cookies: the refresh token of the browser transport, and the token by which a device is known again.

No script can read either, and no other site can use them.
"""

import re
from datetime import timedelta
from typing import Annotated, Literal

from fastapi import Query
from starlette.requests import Request
from starlette.responses import Response

from authkeep.errors import CrossSiteRequest
from authkeep.http.identity import identity_of
from authkeep.mfa_tickets import LIFETIME as MFA_LIFETIME
from authkeep.mfa_tickets import MfaRequired
from authkeep.oidc.external_sign_in import LIFETIME as JOURNEY_LIFETIME

_REFRESH = "authkeep_refresh"
_DEVICE = "authkeep_device"
_JOURNEY = "authkeep_oidc"
_SECOND_STEP = "authkeep_mfa"
# RFC 6265, section 4.1.1, without the quotes: what we set ourselves needs none.
_COOKIE_OCTETS = re.compile(r"[\x21\x23-\x2b\x2d-\x3a\x3c-\x5b\x5d-\x7e]+")


def set_refresh_cookie(request: Request, response: Response, token: str) -> None:
    """Hand the token over in the cookie that fits the request."""
    settings = identity_of(request.scope).auth.settings
    _set(request, response, _REFRESH, token, settings.refresh_idle_lifetime)


def clear_refresh_cookie(request: Request, response: Response) -> None:
    """Remove the cookie, if the browser sent one."""
    if _cookie_name(request, _REFRESH) in request.cookies:
        _set(request, response, _REFRESH, "", timedelta(0))


def read_refresh_cookie(request: Request) -> str | None:
    """The token the browser keeps, if it does."""
    return _read(request, _REFRESH)


def set_device_cookie(request: Request, response: Response, token: str) -> None:
    """Let this browser be known again. It stays through sign-out: what it is good for begins there."""
    _set(request, response, _DEVICE, token, identity_of(request.scope).auth.settings.device_lifetime)


def read_device_cookie(request: Request) -> str | None:
    """What `set_device_cookie` gave this browser, if it did."""
    return _read(request, _DEVICE)


def set_journey_cookie(request: Request, response: Response, browser: str) -> None:
    """Know this browser again when it comes back from a provider. Lax, since it comes back by a link from there."""
    _set(request, response, _JOURNEY, browser, JOURNEY_LIFETIME)


def read_journey_cookie(request: Request) -> str | None:
    """What `set_journey_cookie` gave this browser, if it did."""
    return _read(request, _JOURNEY)


def set_second_step_cookie(request: Request, response: Response, required: MfaRequired) -> None:
    """Let the sign-in page ask for the second factor: `<mfa_token>.<factor>.<factor>`, for as long as it is good."""
    _set(request, response, _SECOND_STEP, ".".join((required.mfa_token, *required.factors)), MFA_LIFETIME)


def _read(request: Request, cookie: str) -> str | None:
    # By the letter: a lenient parser that strips odd spaces from names and unquotes values would let a neighbouring
    # subdomain plant what looks like the `__Host-` cookie to us and like another one to the browser.
    name = _cookie_name(request, cookie)
    pairs = [pair.strip(" ").partition("=") for line in request.headers.getlist("cookie") for pair in line.split(";")]
    found = {value for key, _, value in pairs if key == name and _COOKIE_OCTETS.fullmatch(value)}
    return found.pop() if len(found) == 1 else None


def _set(request: Request, response: Response, cookie: str, value: str, lifetime: timedelta) -> None:
    response.set_cookie(
        _cookie_name(request, cookie),
        value,
        max_age=int(lifetime.total_seconds()),
        path="/",
        secure=_is_secure(request),
        httponly=True,
        samesite="lax",
    )


def _cookie_name(request: Request, cookie: str) -> str:
    # `__Host-` keeps a sibling domain from planting its own, but browsers take it only with Secure.
    return f"__Host-{cookie}" if _is_secure(request) else cookie


def scheme_of(request: Request) -> str:
    """Which scheme the browser's end of the connection has, as cookies are set for it."""
    return "https" if _is_secure(request) else "http"


def _is_secure(request: Request) -> bool:
    identity = identity_of(request.scope)
    return identity.auth.settings.secure_cookies or identity.is_https


Transport = Annotated[Literal["json", "cookie"], Query()]


async def same_origin_for_cookies(request: Request, transport: Transport = "json") -> None:
    """The dependency of every route that sets or reads the cookie; see `require_same_origin`."""
    if transport == "cookie":
        require_same_origin(request)


def require_same_origin(request: Request) -> None:
    """Refuse what another site makes a browser send: forged refreshes, and logins into the attacker's account.

    Fetch Metadata decides where the browser sends it, else Origin against Host. A client that sends neither is not a
    browser, and without a victim's browser there is no cookie to abuse. SameSite=Lax alone would let a sibling
    subdomain through.

    Raises:
        CrossSiteRequest: it comes from elsewhere.
    """
    origin = request.headers.get("origin")
    if origin is not None and origin in identity_of(request.scope).auth.settings.trusted_origins:
        return
    site = request.headers.get("sec-fetch-site")
    if site is not None:
        if site not in ("same-origin", "none"):
            raise CrossSiteRequest
    elif origin is not None and origin.partition("://")[2] != request.headers.get("host"):
        raise CrossSiteRequest

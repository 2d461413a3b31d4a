"""Signing in elsewhere: what the API's codes mean to a person, and how a browser gets to a provider from a form."""

from markupsafe import Markup
from starlette.responses import HTMLResponse, Response

# By the `error` that a sign-in with a provider comes back with (docs/api.md).
_WHY = {
    "external_sign_in_denied": "You did not go through with it there, so nothing was done.",
    "external_sign_in_expired": "That took too long, or began in another browser. Try again.",
    "external_email_refused": "They name no confirmed e-mail address for you that may be used here.",
    "email_taken": "There is an account with that e-mail address here. Sign in to it, and connect the other one "
    "under Account, Security.",
    "identity_taken": "That one signs in to another account here already.",
    "account_disabled": "This account has been disabled. Ask the administrator.",
    "registration_closed": "This server does not take new accounts by itself. Ask its administrator for one.",
    "provider_unavailable": "They do not answer properly just now. Try again later, or sign in with your password.",
    "provider_timeout": "They do not answer just now. Try again later, or sign in with your password.",
}
_OTHERWISE = "Signing in there did not work. Try again, or sign in with your password."


def why_it_failed(code: str) -> str:
    """For the person who has just come back without success."""
    return _WHY.get(code, _OTHERWISE)


def onward(url: str) -> Response:
    """A page that goes on to `url`: by its policy a form sends a browser to no other site, not by a redirect either."""
    page = Markup(
        '<!doctype html><html lang="en"><meta charset="utf-8"><meta http-equiv="refresh" content="0;url={url}">'
        '<title>One moment</title><p><a href="{url}">Go on to sign in there</a></p></html>'
    )
    return HTMLResponse(page.format(url=url), headers={"Cache-Control": "no-store", "Referrer-Policy": "no-referrer"})

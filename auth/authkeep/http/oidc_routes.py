"""Sign in with an OpenID Connect provider, link one to an account, and the identities that are linked.

A browser passes through `login` and `callback` by itself, so their answers are redirects, refusals included: to the
page that `AuthSettings.sign_in_page` names, with `?error=` and the code of the error. `mfa_required` is one more of
those codes: what the page needs for the second step then is in a cookie, since no address is a place for it.
"""

from datetime import timedelta
from typing import Annotated

from fastapi import APIRouter, Body, Depends, Query, Request, Response
from starlette.responses import RedirectResponse

from authkeep.errors import AuthError, InvalidInput
from authkeep.http.cookies import (
    read_journey_cookie,
    require_same_origin,
    scheme_of,
    set_journey_cookie,
    set_refresh_cookie,
    set_second_step_cookie,
)
from authkeep.http.dependencies import ClientDevice, CurrentAuth, CurrentPrincipal, throttled
from authkeep.http.guessing import remember_device
from authkeep.http.identity import identity_of
from authkeep.http.policies import owner_of, public, recent_sign_in
from authkeep.http.problems import MAX_BODY, NO_STORE, ProblemRoute
from authkeep.http.schemas import IdentitiesPage, IdentityOut, LinkRequest, LinkStart, ProviderOut, ProvidersOut
from authkeep.mfa_tickets import MfaRequired
from authkeep.oidc.callbacks import read_callback
from authkeep.oidc.errors import ProviderNotFound
from authkeep.oidc.external_sign_in import Journey
from authkeep.oidc.return_paths import with_error

router = APIRouter(route_class=ProblemRoute, tags=["auth"], max_body_size=MAX_BODY)
_RECENT = recent_sign_in(timedelta(minutes=15))
# The address of the callback holds a code and a state, which are nobody else's business.
_HEADERS = {**NO_STORE, "Referrer-Policy": "no-referrer"}


@router.get("/oidc", dependencies=[Depends(public)])
async def list_providers(auth: CurrentAuth) -> ProvidersOut:
    """The providers that people can sign in with: one button each."""
    return ProvidersOut(items=[ProviderOut(id=one.id, name=one.name) for one in auth.external.providers])


@router.get(
    "/oidc/{provider}/login",
    status_code=303,
    response_class=RedirectResponse,
    dependencies=[Depends(public), Depends(throttled("oidc", by_address=True))],
)
async def begin_sign_in(
    request: Request,
    auth: CurrentAuth,
    provider: str,
    return_to: Annotated[str, Query()] = "/",
    reauthenticate: Annotated[bool, Query()] = False,
) -> Response:
    """Go to the provider. `reauthenticate` has it ask again, for what needs a recent sign-in."""
    browser = read_journey_cookie(request)
    try:
        beginning = await auth.external.begin(
            provider, _redirect_uri(request), return_to, browser, reauthenticate=reauthenticate
        )
    except (ProviderNotFound, InvalidInput):
        raise
    except AuthError as refusal:
        return _away(with_error(auth.settings.sign_in_page, refusal.code))
    response = _away(beginning.url)
    set_journey_cookie(request, response, beginning.browser)
    return response


@router.get(
    "/oidc/{provider}/callback",
    status_code=303,
    response_class=RedirectResponse,
    dependencies=[Depends(public), Depends(throttled("oidc", by_address=True))],
)
async def finish_sign_in(request: Request, auth: CurrentAuth, device: ClientDevice, provider: str) -> Response:
    """Where the provider sends the browser back to: signs in with the cookie transport, or links."""
    auth.external.require_provider(provider)
    journey: Journey | None = None
    try:
        callback = read_callback(request.scope["query_string"])
        journey = await auth.external.resume(provider, callback.state, read_journey_cookie(request))
        signed_in = await auth.external.complete(journey, callback, device)
    except AuthError as refusal:
        return _away(with_error(_page_of(journey) or auth.settings.sign_in_page, refusal.code))
    response = _away(journey.return_to)
    if isinstance(signed_in, MfaRequired):
        response = _away(with_error(auth.settings.sign_in_page, "mfa_required"))
        set_second_step_cookie(request, response, signed_in)
    elif signed_in is not None:
        set_refresh_cookie(request, response, signed_in.refresh_token)
        remember_device(request, response, signed_in.user.email, "cookie")
    return response


@router.post("/oidc/{provider}/link", dependencies=[Depends(_RECENT), Depends(throttled("oidc"))])
async def begin_linking(
    request: Request,
    response: Response,
    auth: CurrentAuth,
    principal: CurrentPrincipal,
    provider: str,
    wanted: Annotated[LinkRequest | None, Body()] = None,
) -> LinkStart:
    """Begin to link an identity to the caller's account; the browser that gets this answer has to go there."""
    require_same_origin(request)
    return_to = wanted.return_to if wanted else "/"
    browser = read_journey_cookie(request)
    beginning = await auth.external.begin(provider, _redirect_uri(request), return_to, browser, linking=principal)
    set_journey_cookie(request, response, beginning.browser)
    response.headers.update(_HEADERS)
    return LinkStart(authorization_url=beginning.url)


@router.get("/identities")
async def list_identities(
    auth: CurrentAuth,
    principal: CurrentPrincipal,
    limit: Annotated[int, Query(ge=1, le=100)] = 50,
    cursor: str | None = None,
) -> IdentitiesPage:
    """The identities that sign in to the caller's account, newest first."""
    found = await auth.external.accounts.list_identities(principal, limit=limit + 1, before=cursor)
    items = [IdentityOut.of(identity) for identity in found[:limit]]
    return IdentitiesPage(items=items, next_cursor=items[-1].id if len(found) > limit else None)


@router.delete(
    "/identities/{identity_id}", status_code=204, dependencies=[Depends(owner_of("identity_id")), Depends(_RECENT)]
)
async def unlink(auth: CurrentAuth, principal: CurrentPrincipal, device: ClientDevice, identity_id: str) -> None:
    """Unlink an identity, unless it is the last way in."""
    await auth.external.accounts.unlink(principal, identity_id, device)


def _redirect_uri(request: Request) -> str:
    """Of the callback beside this route. The provider takes it only as it was registered there, whatever Host says."""
    origin = identity_of(request.scope).auth.settings.public_url or f"{scheme_of(request)}://{request.url.netloc}"
    return f"{origin.rstrip('/')}{request.url.path.rpartition('/')[0]}/callback"


def _page_of(journey: Journey | None) -> str | None:
    return journey.return_to if journey is not None and journey.user_id is not None else None


def _away(url: str) -> RedirectResponse:
    return RedirectResponse(url, 303, _HEADERS)

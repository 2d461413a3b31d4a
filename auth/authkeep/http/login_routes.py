"""Sign in, stay signed in, sign out, and the list of devices."""

import contextlib
import re
from typing import Annotated

from fastapi import APIRouter, Body, Depends, Query, Request, Response

from authkeep.errors import InvalidInput, InvalidRefreshToken, LoginNotFound
from authkeep.http.cookies import (
    Transport,
    clear_refresh_cookie,
    read_refresh_cookie,
    require_same_origin,
    same_origin_for_cookies,
)
from authkeep.http.dependencies import ClientDevice, CurrentAuth, CurrentPrincipal
from authkeep.http.factor_schemas import MfaRequiredOut
from authkeep.http.guessing import GuessesCounted, count_guesses
from authkeep.http.hand_over import hand_over, hand_over_new
from authkeep.http.identity import identity_of
from authkeep.http.policies import owner_of, public
from authkeep.http.problems import MAX_BODY, ProblemRoute
from authkeep.http.schemas import Credentials, LoginOut, LoginsPage, RefreshRequest, TokensOut
from authkeep.mfa_tickets import MfaRequired
from authkeep.store import EndReason

_REFRESH_TOKEN = re.compile(rb"akr_[A-Za-z0-9_-]{92}")

router = APIRouter(route_class=ProblemRoute, tags=["auth"], max_body_size=MAX_BODY)


@router.post(
    "/login",
    response_model_exclude_unset=True,
    dependencies=[Depends(public), Depends(count_guesses), Depends(same_origin_for_cookies)],
)
async def login(
    request: Request,
    response: Response,
    auth: CurrentAuth,
    device: ClientDevice,
    guesses: GuessesCounted,
    credentials: Credentials,
    transport: Transport = "json",
) -> TokensOut | MfaRequiredOut:
    """Sign in. Unknown user, wrong password and disabled user are one answer; a second factor is asked for after."""
    async with guesses.at(credentials.email):
        signed_in = await auth.logins.sign_in(credentials.email, credentials.password, device)
    if isinstance(signed_in, MfaRequired):
        return MfaRequiredOut.of(signed_in)
    return hand_over_new(request, response, signed_in, transport)


async def count_refresh(request: Request) -> None:
    """Count by login where the token is one of ours, else by address: a neighbour behind the same address, who has
    none, cannot keep anybody from refreshing.
    """
    identity = identity_of(request.scope)
    # Whatever in the body looks like one: limits count before it is read as what it should be.
    found = _REFRESH_TOKEN.search(await request.body())
    token = found[0].decode("ascii") if found else read_refresh_cookie(request)
    sid = identity.auth.logins.find_login_of(token) if token else None
    await identity.count("refresh", f"login:{sid}" if sid else f"address:{identity.address.limit_key}")


@router.post(
    "/refresh",
    response_model_exclude_unset=True,
    dependencies=[Depends(public), Depends(count_refresh)],
)
async def refresh(
    request: Request,
    response: Response,
    auth: CurrentAuth,
    device: ClientDevice,
    presented: Annotated[RefreshRequest | None, Body()] = None,
    transport: Transport | None = None,
) -> TokensOut:
    """Trade a refresh token for its successor and a new access token: the one in the body, else the cookie's."""
    token = presented.refresh_token if presented else None
    if transport is None:
        transport = "json" if token or read_refresh_cookie(request) is None else "cookie"
    if transport == "cookie":
        require_same_origin(request)
        token = read_refresh_cookie(request)
        if token is None:
            raise InvalidRefreshToken
    if token is None:
        raise InvalidInput("Send the refresh token, or the cookie that holds it.", field="refresh_token")
    return hand_over(request, response, await auth.logins.refresh(token, device), transport)


@router.post("/logout", status_code=204)
async def logout(
    request: Request, response: Response, auth: CurrentAuth, principal: CurrentPrincipal, device: ClientDevice
) -> None:
    """End this login, at once and everywhere."""
    # Two tabs may sign out at once: the second has what it wanted.
    with contextlib.suppress(LoginNotFound):
        await auth.logins.end(principal, principal.login_id, EndReason.LOGOUT, device)
    clear_refresh_cookie(request, response)


@router.post("/logout-all", status_code=204)
async def logout_all(
    request: Request, response: Response, auth: CurrentAuth, principal: CurrentPrincipal, device: ClientDevice
) -> None:
    """End every login of the caller."""
    await auth.logins.end_all(principal, device)
    clear_refresh_cookie(request, response)


@router.get("/logins")
async def list_logins(
    auth: CurrentAuth,
    principal: CurrentPrincipal,
    limit: Annotated[int, Query(ge=1, le=100)] = 50,
    cursor: str | None = None,
) -> LoginsPage:
    """The caller's signed-in devices, newest first."""
    found = await auth.logins.list_devices(principal, limit=limit + 1, before=cursor)
    items = [LoginOut.of(login, current_sid=principal.login_id) for login in found[:limit]]
    return LoginsPage(items=items, next_cursor=items[-1].sid if len(found) > limit else None)


@router.post("/logins/end-others", status_code=204)
async def end_other_logins(auth: CurrentAuth, principal: CurrentPrincipal, device: ClientDevice) -> None:
    """End every login of the caller but this one."""
    await auth.logins.end_others(principal, device)


@router.delete("/logins/{sid}", status_code=204, dependencies=[Depends(owner_of("sid"))])
async def end_login(auth: CurrentAuth, principal: CurrentPrincipal, device: ClientDevice, sid: str) -> None:
    """End one of the caller's logins."""
    await auth.logins.end(principal, sid, EndReason.ENDED_BY_USER, device)

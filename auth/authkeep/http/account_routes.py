"""The profile, the password, the end of the account, and the public keys."""

from datetime import timedelta
from typing import Any

from fastapi import APIRouter, Depends, Request, Response

from authkeep.auth import Auth
from authkeep.http.cookies import clear_refresh_cookie
from authkeep.http.dependencies import ClientDevice, CurrentAuth, CurrentPrincipal, throttled
from authkeep.http.policies import public, recent_sign_in
from authkeep.http.problems import MAX_BODY, ProblemRoute
from authkeep.http.schemas import MeOut, PasswordChange, ProfileChange
from authkeep.store import User

router = APIRouter(route_class=ProblemRoute, tags=["auth"], max_body_size=MAX_BODY)
well_known = APIRouter(tags=["auth"])
_RECENT = recent_sign_in(timedelta(minutes=10))


@router.get("/me")
async def me(auth: CurrentAuth, principal: CurrentPrincipal) -> MeOut:
    """The caller's own account."""
    return await _shown(auth, await auth.accounts.get_user(principal))


@router.patch("/me", dependencies=[Depends(throttled("profile"))])
async def rename_me(
    auth: CurrentAuth, principal: CurrentPrincipal, device: ClientDevice, change: ProfileChange
) -> MeOut:
    """Change one's name."""
    return await _shown(auth, await auth.accounts.rename(principal, change.name, device))


@router.delete("/me", status_code=204, dependencies=[Depends(_RECENT), Depends(throttled("profile"))])
async def delete_me(
    request: Request, response: Response, auth: CurrentAuth, principal: CurrentPrincipal, device: ClientDevice
) -> None:
    """Delete one's account, with everything in it, for good."""
    await auth.deletion.delete_self(principal, device)
    clear_refresh_cookie(request, response)


@router.post("/password", status_code=204, dependencies=[Depends(throttled("password"))])
async def change_password(
    auth: CurrentAuth, principal: CurrentPrincipal, device: ClientDevice, change: PasswordChange
) -> None:
    """Change one's password; every other login ends."""
    await auth.accounts.change_password(principal, change.current_password, change.new_password, device)


@well_known.get("/jwks.json", dependencies=[Depends(public)])
async def jwks(auth: CurrentAuth, response: Response) -> dict[str, list[dict[str, Any]]]:
    """The public keys that verify access tokens (RFC 7517)."""
    # Short enough for a new key to be known before it signs (a rotation publishes first).
    response.headers["Cache-Control"] = "public, max-age=300"
    return auth.keys.jwks(auth.clock.seconds())


async def _shown(auth: Auth, user: User) -> MeOut:
    factors = await auth.store.find_factors(user.id)
    return MeOut.of(user, mfa_enabled=factors.has_second)

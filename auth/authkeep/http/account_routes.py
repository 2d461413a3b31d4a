"""Register, profile, password, and the public keys."""

from typing import Any

from fastapi import APIRouter, Depends, Response

from authkeep.http.dependencies import ClientDevice, CurrentAuth, CurrentPrincipal, throttled
from authkeep.http.policies import public
from authkeep.http.problems import MAX_BODY, ProblemRoute
from authkeep.http.schemas import PasswordChange, ProfileChange, Registration, RegistrationOut, UserOut
from authkeep.password_policy import MIN_LENGTH

router = APIRouter(route_class=ProblemRoute, tags=["auth"], max_body_size=MAX_BODY)
well_known = APIRouter(tags=["auth"])


@router.post(
    "/register",
    status_code=201,
    dependencies=[Depends(public), Depends(throttled("register", by_address=True))],
)
async def register(auth: CurrentAuth, device: ClientDevice, registration: Registration) -> UserOut:
    """Open an account. The first of an empty install is its admin."""
    user = await auth.accounts.register(
        registration.email,
        registration.password,
        name=registration.name or "",
        setup_code=registration.setup_code,
        device=device,
    )
    return UserOut.of(user)


@router.get("/registration", dependencies=[Depends(public)])
async def registration_state(auth: CurrentAuth) -> RegistrationOut:
    """Whether anybody can register, and what the first one needs."""
    state = await auth.accounts.registration_state()
    return RegistrationOut(
        open=state.open,
        first_user=state.first_user,
        setup_code_required=state.setup_code_required,
        password_min_length=MIN_LENGTH,
    )


@router.get("/me")
async def me(auth: CurrentAuth, principal: CurrentPrincipal) -> UserOut:
    """The caller's own account."""
    return UserOut.of(await auth.accounts.get_user(principal))


@router.patch("/me", dependencies=[Depends(throttled("profile"))])
async def rename_me(
    auth: CurrentAuth, principal: CurrentPrincipal, device: ClientDevice, change: ProfileChange
) -> UserOut:
    """Change one's name."""
    return UserOut.of(await auth.accounts.rename(principal, change.name, device))


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

"""Open an account."""

from fastapi import APIRouter, Depends, Response

from authkeep.http.dependencies import ClientDevice, CurrentAuth, throttled
from authkeep.http.policies import public
from authkeep.http.problems import MAX_BODY, ProblemRoute
from authkeep.http.schemas import Accepted, Registration, RegistrationOut, UserOut
from authkeep.password_policy import MIN_LENGTH

router = APIRouter(route_class=ProblemRoute, tags=["auth"], max_body_size=MAX_BODY)


@router.post(
    "/register",
    status_code=201,
    responses={202: {"model": Accepted, "description": "Addresses are verified here: the rest is in the mail."}},
    dependencies=[Depends(public), Depends(throttled("register", by_address=True))],
)
async def register(
    auth: CurrentAuth, device: ClientDevice, response: Response, registration: Registration
) -> UserOut | Accepted:
    """Open an account. The first of an empty install is its admin."""
    journey = auth.accounts.register_by_mail if auth.settings.verify_email else auth.accounts.register
    user = await journey(
        registration.email,
        registration.password,
        name=registration.name or "",
        setup_code=registration.setup_code,
        device=device,
    )
    if user is not None:
        return UserOut.of(user)
    response.status_code = 202
    return Accepted(detail="If the address can have an account here, a mail with a link is on its way to it.")


@router.get("/registration", dependencies=[Depends(public)])
async def registration_state(auth: CurrentAuth) -> RegistrationOut:
    """Whether anybody can register, and what the first one needs."""
    state = await auth.accounts.registration_state()
    return RegistrationOut(
        open=state.open,
        first_user=state.first_user,
        setup_code_required=state.setup_code_required,
        password_min_length=MIN_LENGTH,
        email_verification=auth.settings.verify_email,
        password_reset=auth.out_tray.can_send,
    )

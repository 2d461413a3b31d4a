"""A forgotten password. Nothing is redeemed by a GET: mail scanners follow links."""

from fastapi import APIRouter, Depends

from authkeep.http.dependencies import ClientDevice, CurrentAuth, throttled
from authkeep.http.policies import public
from authkeep.http.problems import MAX_BODY, ProblemRoute
from authkeep.http.schemas import Accepted, Mailbox, PasswordReset

router = APIRouter(route_class=ProblemRoute, tags=["auth"], max_body_size=MAX_BODY)


@router.post(
    "/forgot-password", status_code=202, dependencies=[Depends(public), Depends(throttled("mail", by_address=True))]
)
async def forgot_password(auth: CurrentAuth, device: ClientDevice, mailbox: Mailbox) -> Accepted:
    """Send a link that chooses a new password. One answer, in one time, whoever has an account."""
    auth.password_reset.request(mailbox.email, device)
    return Accepted(detail="If there is an account with this address, a mail with a link is on its way to it.")


@router.post(
    "/reset-password", status_code=204, dependencies=[Depends(public), Depends(throttled("password", by_address=True))]
)
async def reset_password(auth: CurrentAuth, device: ClientDevice, reset: PasswordReset) -> None:
    """Choose a new password with the token of the mail. Every login ends; second factors stay."""
    await auth.password_reset.reset(reset.token, reset.new_password, device)

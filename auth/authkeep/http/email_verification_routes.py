"""Confirm an e-mail address, or change it for another. Nothing is redeemed by a GET: mail scanners follow links."""

from datetime import timedelta

from fastapi import APIRouter, Depends

from authkeep.http.dependencies import ClientDevice, CurrentAuth, CurrentPrincipal, throttled
from authkeep.http.policies import public, recent_sign_in
from authkeep.http.problems import MAX_BODY, ProblemRoute
from authkeep.http.schemas import Accepted, EmailChange, Mailbox, MailedToken

router = APIRouter(route_class=ProblemRoute, tags=["auth"], max_body_size=MAX_BODY)
_RECENT = recent_sign_in(timedelta(minutes=10))


@router.post(
    "/verify-email", status_code=204, dependencies=[Depends(public), Depends(throttled("password", by_address=True))]
)
async def verify_email(auth: CurrentAuth, device: ClientDevice, presented: MailedToken) -> None:
    """Redeem the token of the mail: after registering, or after asking for another address."""
    await auth.verification.confirm(presented.token, device)


@router.post(
    "/verify-email/resend",
    status_code=202,
    dependencies=[Depends(public), Depends(throttled("mail", by_address=True))],
)
async def resend_verification(auth: CurrentAuth, mailbox: Mailbox) -> Accepted:
    """Send the link again. One answer, whoever has an account."""
    auth.verification.resend(mailbox.email)
    return Accepted(detail="If the address waits to be confirmed, a mail with a link is on its way to it.")


@router.post("/email", status_code=202, dependencies=[Depends(_RECENT), Depends(throttled("mail"))])
async def change_email(
    auth: CurrentAuth, principal: CurrentPrincipal, device: ClientDevice, change: EmailChange
) -> Accepted:
    """Ask for another address. It counts once it is confirmed by the link that is sent there."""
    await auth.verification.request_change(principal, change.new_email, device)
    return Accepted(detail="A mail is on its way to the new address: open the link in it to make it yours.")

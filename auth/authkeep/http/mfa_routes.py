"""What users set up for themselves: an authenticator app, recovery codes, passkeys."""

from datetime import timedelta
from typing import Annotated

from fastapi import APIRouter, Depends

from authkeep.factor_changes import RECENT_SECONDS
from authkeep.http.dependencies import ClientDevice, CurrentAuth, CurrentPrincipal, throttled
from authkeep.http.factor_schemas import (
    FactorsOut,
    NewPasskey,
    NewPasskeyOut,
    PasskeyName,
    PasskeyOptionsOut,
    PasskeyOut,
    PasskeysPage,
    RecoveryCodesOut,
    TotpCode,
    TotpOfferOut,
)
from authkeep.http.policies import owner_of, recent_sign_in
from authkeep.http.problems import MAX_BODY, ProblemRoute
from authkeep.principal import Principal

router = APIRouter(route_class=ProblemRoute, tags=["auth"], max_body_size=MAX_BODY)
recently = recent_sign_in(timedelta(seconds=RECENT_SECONDS))
RecentPrincipal = Annotated[Principal, Depends(recently)]
_limited = Depends(throttled("profile"))


@router.get("/mfa")
async def factors(auth: CurrentAuth, principal: CurrentPrincipal) -> FactorsOut:
    """What the caller can prove besides a password."""
    return FactorsOut.of(await auth.mfa.held(principal))


@router.post("/mfa/totp", dependencies=[_limited])
async def offer_totp(auth: CurrentAuth, principal: RecentPrincipal) -> TotpOfferOut:
    """A secret for an authenticator app. It counts for nothing until a code of it is confirmed."""
    return TotpOfferOut.of(await auth.mfa.app.offer(principal))


@router.post("/mfa/totp/confirm")
async def confirm_totp(
    auth: CurrentAuth, principal: CurrentPrincipal, device: ClientDevice, confirmation: TotpCode
) -> RecoveryCodesOut:
    """From now on a sign-in asks for it. Gives recovery codes, if there are none yet."""
    return RecoveryCodesOut(recovery_codes=list(await auth.mfa.app.confirm(principal, confirmation.code, device)))


@router.delete("/mfa/totp", status_code=204, dependencies=[_limited])
async def remove_totp(auth: CurrentAuth, principal: RecentPrincipal, device: ClientDevice) -> None:
    """Remove the authenticator app; every other login ends."""
    await auth.mfa.app.remove(principal, device)


@router.post("/mfa/recovery-codes", dependencies=[_limited])
async def make_recovery_codes(auth: CurrentAuth, principal: RecentPrincipal, device: ClientDevice) -> RecoveryCodesOut:
    """Ten new recovery codes; those of before are void."""
    return RecoveryCodesOut(recovery_codes=list(await auth.mfa.recovery_codes.make_anew(principal, device)))


@router.post("/passkeys/options", dependencies=[_limited])
async def new_passkey_options(auth: CurrentAuth, principal: RecentPrincipal) -> PasskeyOptionsOut:
    """What the browser is to make."""
    ticket, options = await auth.mfa.passkeys.options(principal)
    return PasskeyOptionsOut(ticket=ticket, options=options)


@router.post("/passkeys", status_code=201, dependencies=[_limited])
async def add_passkey(
    auth: CurrentAuth, principal: CurrentPrincipal, device: ClientDevice, new: NewPasskey
) -> NewPasskeyOut:
    """Add the passkey that the browser has made. Gives recovery codes, if there are none yet."""
    passkey, codes = await auth.mfa.passkeys.add(principal, new.ticket, new.name, new.credential, device)
    return NewPasskeyOut.made(passkey, codes)


@router.get("/passkeys")
async def list_passkeys(auth: CurrentAuth, principal: CurrentPrincipal) -> PasskeysPage:
    """The caller's passkeys, oldest first."""
    return PasskeysPage(items=[PasskeyOut.of(passkey) for passkey in await auth.mfa.passkeys.list_all(principal)])


@router.patch("/passkeys/{passkey_id}", dependencies=[Depends(owner_of("passkey_id")), _limited])
async def rename_passkey(
    auth: CurrentAuth, principal: CurrentPrincipal, device: ClientDevice, passkey_id: str, change: PasskeyName
) -> PasskeyOut:
    """Call a passkey something else."""
    return PasskeyOut.of(await auth.mfa.passkeys.rename(principal, passkey_id, change.name, device))


@router.delete(
    "/passkeys/{passkey_id}",
    status_code=204,
    dependencies=[Depends(owner_of("passkey_id")), Depends(recently), _limited],
)
async def remove_passkey(auth: CurrentAuth, principal: CurrentPrincipal, device: ClientDevice, passkey_id: str) -> None:
    """Remove a passkey; every other login ends."""
    await auth.mfa.passkeys.remove(principal, passkey_id, device)

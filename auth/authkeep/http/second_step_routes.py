"""The second step of a sign-in, the sign-in with a passkey alone, and step-up."""

from typing import Any

from fastapi import APIRouter, Depends, Request, Response

from authkeep.auth import Auth
from authkeep.device import Device
from authkeep.http.cookies import Transport, same_origin_for_cookies
from authkeep.http.dependencies import ClientDevice, CurrentAuth, CurrentPrincipal, throttled
from authkeep.http.factor_schemas import (
    AccessTokenOut,
    MfaToken,
    PasskeyAnswer,
    PasskeyOptionsOut,
    SecondFactor,
    StepUpProof,
)
from authkeep.http.hand_over import hand_over_new
from authkeep.http.policies import public
from authkeep.http.problems import MAX_BODY, ProblemRoute
from authkeep.http.schemas import TokensOut
from authkeep.principal import Principal

router = APIRouter(route_class=ProblemRoute, tags=["auth"], max_body_size=MAX_BODY)
_open = [Depends(public), Depends(throttled("login", by_address=True))]
_opens_a_login = [*_open, Depends(same_origin_for_cookies)]


@router.post("/login/mfa", response_model_exclude_unset=True, dependencies=_opens_a_login)
async def login_with_second_factor(
    request: Request,
    response: Response,
    auth: CurrentAuth,
    device: ClientDevice,
    second: SecondFactor,
    transport: Transport = "json",
) -> TokensOut:
    """Finish a sign-in with a code or a passkey."""
    login = auth.mfa.login
    if second.factor == "passkey":
        signed_in = await login.with_passkey(second.mfa_token, second.credential or {}, device)
    else:
        signed_in = await login.with_code(second.mfa_token, second.factor, second.code or "", device)
    return hand_over_new(request, response, signed_in, transport)


@router.post("/login/mfa/passkey-options", dependencies=_open)
async def second_factor_passkey_options(auth: CurrentAuth, presented: MfaToken) -> dict[str, Any]:
    """What the browser is to be asked for, to finish this sign-in."""
    return await auth.mfa.login.passkey_options(presented.mfa_token)


@router.post("/login/passkey/options", dependencies=_open)
async def passkey_login_options(auth: CurrentAuth) -> PasskeyOptionsOut:
    """What the browser is to be asked for. Whose passkeys there are is not said: the user chooses one."""
    ticket, options = await auth.mfa.passkey_login.options()
    return PasskeyOptionsOut(ticket=ticket, options=options)


@router.post("/login/passkey", response_model_exclude_unset=True, dependencies=_opens_a_login)
async def login_with_passkey(
    request: Request,
    response: Response,
    auth: CurrentAuth,
    device: ClientDevice,
    answer: PasskeyAnswer,
    transport: Transport = "json",
) -> TokensOut:
    """Sign in with a passkey alone."""
    signed_in = await auth.mfa.passkey_login.sign_in(answer.ticket, answer.credential, device)
    return hand_over_new(request, response, signed_in, transport)


@router.post("/step-up", dependencies=[Depends(throttled("password"))])
async def step_up(
    auth: CurrentAuth, principal: CurrentPrincipal, device: ClientDevice, proof: StepUpProof
) -> AccessTokenOut:
    """Prove once more who is there. Gives an access token of the same login that says so."""
    access_token, expires_in = await _prove(auth, principal, device, proof)
    return AccessTokenOut(access_token=access_token, expires_in=expires_in)


async def _prove(auth: Auth, principal: Principal, device: Device, proof: StepUpProof) -> tuple[str, int]:
    step_up = auth.mfa.step_up
    if proof.password is not None:
        return await step_up.with_password(principal, proof.password, device)
    if proof.factor is not None:
        return await step_up.with_code(principal, proof.factor, proof.code or "", device)
    return await step_up.with_passkey(principal, proof.ticket or "", proof.credential or {}, device)


@router.post("/step-up/passkey-options", dependencies=[Depends(throttled("profile"))])
async def step_up_passkey_options(auth: CurrentAuth, principal: CurrentPrincipal) -> PasskeyOptionsOut:
    """What the browser is to be asked for."""
    ticket, options = await auth.mfa.step_up.passkey_options(principal)
    return PasskeyOptionsOut(ticket=ticket, options=options)

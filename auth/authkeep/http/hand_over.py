"""How tokens reach a client: in the JSON, or the lasting ones in cookies."""

from starlette.requests import Request
from starlette.responses import Response

from authkeep.http.cookies import set_refresh_cookie
from authkeep.http.guessing import remember_device
from authkeep.http.schemas import TokensOut
from authkeep.logins import SignedIn


def hand_over(request: Request, response: Response, signed_in: SignedIn, transport: str) -> TokensOut:
    """The tokens of a login that goes on."""
    if transport == "cookie":
        set_refresh_cookie(request, response, signed_in.refresh_token)
    return TokensOut.of(signed_in, with_refresh_token=transport == "json")


def hand_over_new(request: Request, response: Response, signed_in: SignedIn, transport: str) -> TokensOut:
    """The tokens of a login that was opened just now, on a device that is to be known again."""
    tokens = hand_over(request, response, signed_in, transport)
    if device_token := remember_device(request, response, signed_in.user.email, transport):
        tokens.device_token = device_token
    return tokens

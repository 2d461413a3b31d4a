"""Passkeys in forms: whether this address can have any, and the answer as static/passkeys.js put it there."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from starlette.requests import Request

from chatkeep_ui.problem import ApiRefused

# What passkeys belong to where the server has no public address.
_UNNAMED = "localhost"


@dataclass(frozen=True, slots=True)
class WrongName:
    """The page was opened at an address that can have no passkeys; `home` is where it can, if that is known."""

    home: str


def wrong_name(request: Request, host: str, *, on_this_machine: bool) -> WrongName | None:
    """What to say before a browser is asked for a passkey of `host`; None where it can be asked.

    With a public address the name is for the proxy to get right, and the browser says so if it is not.
    """
    if host != _UNNAMED or request.url.hostname == _UNNAMED:
        return None
    return WrongName(str(request.url.replace(hostname=_UNNAMED)) if on_this_machine else "")


def credential_in(typed: Mapping[str, str]) -> dict[str, Any]:
    """The credential, as PublicKeyCredential.toJSON() gave it.

    Raises:
        ApiRefused: there is none, which is what a browser without JavaScript sends.
    """
    try:
        credential = json.loads(typed.get("credential", ""))
    except ValueError:
        credential = None
    if not isinstance(credential, dict):
        raise ApiRefused(
            HTTPStatus.UNPROCESSABLE_ENTITY,
            "no_credential",
            "The browser did not hand over a passkey. Passkeys need JavaScript, and a browser that knows them.",
        )
    return credential

"""A passkey's answer, as static/passkeys.js put it into a form: PublicKeyCredential.toJSON()."""

import json
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from chatkeep_ui.problem import ApiRefused


def credential_in(typed: Mapping[str, str]) -> dict[str, Any]:
    """The credential's JSON object.

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

"""/account/security: second factors, passkeys, and accounts elsewhere that may sign in."""

import io
import re
from collections.abc import Mapping
from typing import Any

import segno
from markupsafe import Markup
from starlette.responses import Response

from chatkeep_ui.account.area import AccountPage, Shown
from chatkeep_ui.account.credentials import credential_in, wrong_name
from chatkeep_ui.account.devices import one_segment
from chatkeep_ui.account.visit import Visit
from chatkeep_ui.elsewhere import onward
from chatkeep_ui.problem import NotThere

# Shorter than what a QR code can hold.
_OFFER = re.compile(r"otpauth://totp/[!-~]{1,1200}[?&]secret=(?P<secret>[A-Z2-7]{16,128})(?:&[!-~]{1,200})?")


async def _load(visit: Visit) -> Mapping[str, object]:
    return {
        "factors": await visit.ask("GET", "/auth/mfa"),
        "passkeys": await _listed(visit, "/auth/passkeys"),
        "identities": await _listed(visit, "/auth/identities"),
        "providers": await _listed(visit, "/auth/oidc"),
        "started": _started_totp(visit),
    }


async def _listed(visit: Visit, path: str) -> list[Any] | None:
    """The items at `path`; None where this deployment offers no such thing."""
    try:
        items: list[Any] = (await visit.ask("GET", path))["items"]
    except NotThere:
        return None
    return items


def _started_totp(visit: Visit) -> dict[str, object] | None:
    """What was shown when the setting up began: a mistyped code must not lose it."""
    found = _OFFER.fullmatch(visit.typed.get("totp_uri", ""))
    return _offer(found["secret"], found[0]) if found else None


def _offer(secret: str, uri: str) -> dict[str, object]:
    return {"secret": secret, "uri": uri, "qr": qr_code(uri)}


async def _start_totp(visit: Visit) -> Shown:
    made = await visit.ask("POST", "/auth/mfa/totp")
    return Shown({"totp": _offer(made["secret"], made["otpauth_uri"])})


async def _confirm_totp(visit: Visit) -> Shown:
    made = await visit.ask("POST", "/auth/mfa/totp/confirm", {"code": visit.typed.get("code", "").strip()})
    return Shown({"recovery_codes": made["recovery_codes"], "enabled": True})


async def _remove_totp(visit: Visit) -> str:
    await visit.ask("DELETE", "/auth/mfa/totp")
    return "totp-removed"


async def _new_recovery_codes(visit: Visit) -> Shown:
    made = await visit.ask("POST", "/auth/mfa/recovery-codes")
    return Shown({"recovery_codes": made["recovery_codes"]})


async def _rename_passkey(visit: Visit) -> str:
    name = visit.typed.get("passkey_name", "").strip()
    await visit.ask("PATCH", f"/auth/passkeys/{one_segment(visit.typed.get('id', ''))}", {"name": name})
    return "passkey-renamed"


async def _remove_passkey(visit: Visit) -> str:
    await visit.ask("DELETE", f"/auth/passkeys/{one_segment(visit.typed.get('id', ''))}")
    return "passkey-removed"


async def _link(visit: Visit) -> Response:
    path = f"/auth/oidc/{one_segment(visit.typed.get('provider', ''))}/link"
    answer = await visit.send("POST", path, {"return_to": "/account/security?done=linked"})
    response = onward(answer.json()["authorization_url"])
    # The API binds the way there and back to this browser with a cookie of its own.
    for header in answer.headers.get_list("set-cookie"):
        response.headers.append("Set-Cookie", header)
    return response


async def _unlink(visit: Visit) -> str:
    await visit.ask("DELETE", f"/auth/identities/{one_segment(visit.typed.get('id', ''))}")
    return "unlinked"


async def _passkey_options(visit: Visit) -> Mapping[str, object]:
    asked = await visit.ask("POST", "/auth/passkeys/options")
    host = asked["options"]["rp"]["id"]
    return {"asked": asked, "wrong_name": wrong_name(visit.request, host, on_this_machine=visit.on_this_machine)}


async def _add_passkey(visit: Visit) -> str | Shown:
    answer = {
        "ticket": visit.typed.get("ticket", ""),
        "name": visit.typed.get("passkey_name", "").strip(),
        "credential": credential_in(visit.typed),
    }
    made = await visit.ask("POST", "/auth/passkeys", answer)
    codes = made.get("recovery_codes")
    # Alone: the login has proved a password, and from now on the account wants more than that for another passkey.
    return Shown({"recovery_codes": codes}, alone=True) if codes else "passkey-added"


def qr_code(text: str) -> Markup:
    """A QR code as SVG, dark on light whatever the theme, since that is what cameras read."""
    drawing = io.BytesIO()
    segno.make(text, error="m").save(
        drawing, kind="svg", scale=5, border=3, dark="#000", light="#fff", xmldecl=False, svgns=True, omitsize=True
    )
    return Markup(drawing.getvalue().decode())  # noqa: S704 - drawn just now; the text is dots in it


SECURITY = AccountPage(
    "/account/security",
    "account/security.html",
    _load,
    {
        "start-totp": _start_totp,
        "confirm-totp": _confirm_totp,
        "remove-totp": _remove_totp,
        "new-recovery-codes": _new_recovery_codes,
        "rename-passkey": _rename_passkey,
        "remove-passkey": _remove_passkey,
        "link": _link,
        "unlink": _unlink,
    },
    fields=("code", "passkey_name"),
    confirm=True,
)
NEW_PASSKEY = AccountPage(
    "/account/security/new-passkey",
    "account/new_passkey.html",
    _passkey_options,
    {"add": _add_passkey},
    fields=("passkey_name",),
    confirm=True,
    after="/account/security",
)

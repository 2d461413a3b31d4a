"""/account/security: second factors, passkeys, and accounts elsewhere that may sign in."""

import io
from collections.abc import Mapping

import segno
from markupsafe import Markup
from starlette.responses import Response

from chatkeep_ui.account.area import AccountPage, Shown
from chatkeep_ui.account.credentials import credential_in
from chatkeep_ui.account.devices import one_segment
from chatkeep_ui.account.visit import Visit
from chatkeep_ui.elsewhere import onward


async def _load(visit: Visit) -> Mapping[str, object]:
    factors = await visit.ask("GET", "/auth/mfa")
    passkeys = await visit.ask("GET", "/auth/passkeys")
    identities = await visit.ask("GET", "/auth/identities")
    providers = await visit.ask("GET", "/auth/oidc")
    return {
        "factors": factors,
        "passkeys": passkeys["items"],
        "identities": identities["items"],
        "providers": providers["items"],
    }


async def _start_totp(visit: Visit) -> Shown:
    made = await visit.ask("POST", "/auth/mfa/totp")
    return Shown({"totp_secret": made["secret"], "totp_qr": qr_code(made["otpauth_uri"])})


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
    return {"asked": await visit.ask("POST", "/auth/passkeys/options")}


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

"""/account/confirm: prove once more who you are, before something that matters; then go on where you were."""

from collections.abc import Mapping
from typing import Any

from starlette.responses import RedirectResponse, Response

from chatkeep_ui.account.area import AccountPage
from chatkeep_ui.account.credentials import credential_in
from chatkeep_ui.account.visit import Visit
from chatkeep_ui.destination import own_page_in
from chatkeep_ui.problem import ApiError
from chatkeep_ui.vault import Vault


class Confirmation:
    """Trades a password, a code or a passkey for an access token that says "just now", and files it in the vault."""

    def __init__(self, vault: Vault) -> None:
        self._vault = vault
        self.page = AccountPage(
            "/account/confirm",
            "account/confirm.html",
            self._load,
            {"password": self._by_password, "code": self._by_code, "passkey": self._by_passkey},
            fields=("password", "code"),
        )

    async def _load(self, visit: Visit) -> Mapping[str, object]:
        factors = await visit.ask("GET", "/auth/mfa")
        asked = await self._passkey_options(visit) if factors["passkeys"] else None
        then = own_page_in(visit.typed.get("then") or visit.request.query_params.get("then")) or "/account"
        return {"factors": factors, "asked": asked, "then": then}

    @staticmethod
    async def _passkey_options(visit: Visit) -> dict[str, Any] | None:
        try:
            asked: dict[str, Any] = await visit.ask("POST", "/auth/step-up/passkey-options")
        except ApiError:
            # One way of several: the others are still there.
            return None
        return asked

    async def _by_password(self, visit: Visit) -> Response:
        return await self._confirm(visit, {"password": visit.typed.get("password", "")})

    async def _by_code(self, visit: Visit) -> Response:
        code = visit.typed.get("code", "").strip()
        factor = "totp" if code.isdigit() else "recovery_code"
        return await self._confirm(visit, {"factor": factor, "code": code})

    async def _by_passkey(self, visit: Visit) -> Response:
        answer = {"ticket": visit.typed.get("ticket", ""), "credential": credential_in(visit.typed)}
        return await self._confirm(visit, answer)

    async def _confirm(self, visit: Visit, proof: Mapping[str, Any]) -> Response:
        granted = await visit.ask("POST", "/auth/step-up", proof)
        self._vault.freshen(visit.key, visit.sign_in, granted["access_token"], float(granted["expires_in"]))
        return RedirectResponse(own_page_in(visit.typed.get("then")) or "/account", status_code=303)

"""POST /sign-in/second-factor: the second step of a sign-in, for accounts that have one."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from chatkeep_ui.account.credentials import credential_in
from chatkeep_ui.auth_client import SecondFactorNeeded
from chatkeep_ui.destination import destination, own_page_in
from chatkeep_ui.forms import FROM_ELSEWHERE, Forms, Refusal, chat_in
from chatkeep_ui.problem import ApiError, SignInEnded

_WRONG = "That code is not right, or it has been used. Wait for the next one and try again."
_WRONG_PASSKEY = "That passkey is not one of this account. Try another, or use a code."
_FACTORS = ("totp", "recovery_code", "passkey")


class SecondFactorPage:
    """Asks for a code of the authenticator app, a recovery code, or a passkey."""

    def __init__(self, forms: Forms) -> None:
        self._forms = forms

    async def show(self, request: Request) -> Response:
        """There is nothing here to look at without the first step."""
        return RedirectResponse("/sign-in", status_code=303)

    async def ask(
        self, request: Request, needed: SecondFactorNeeded, typed: Mapping[str, str], refusal: Refusal | None = None
    ) -> Response:
        """The form. What it must carry on stands in hidden fields, and in no address."""
        return self._forms.show(
            "second_factor.html",
            refusal,
            mfa_token=needed.mfa_token,
            factors=needed.factors,
            asked=await self._passkey_options(request, needed),
            chat=chat_in(typed.get("chat")),
            then=own_page_in(typed.get("then")),
        )

    async def submit(self, request: Request) -> Response:
        """Sign in, or ask again."""
        typed = await self._forms.read(request)
        if not self._forms.origins.allow_form(request):
            return self._forms.show("trouble.html", Refusal(FROM_ELSEWHERE, status=HTTPStatus.FORBIDDEN), chat="")
        offered = tuple(factor for factor in typed.get("factors", "").split() if factor in _FACTORS)
        needed = SecondFactorNeeded(typed.get("mfa_token", ""), offered)
        try:
            granted = await self._forms.auth.second_factor(self._forms.caller(request), _answer(typed))
        except SignInEnded as error:
            if error.code == "invalid_mfa_token":
                return RedirectResponse("/sign-in?because=ended", status_code=303)
            by_passkey = typed.get("do") == "passkey"
            refusal = Refusal(_WRONG_PASSKEY) if by_passkey else Refusal(errors={"code": _WRONG})
            return await self.ask(request, needed, typed, refusal)
        except ApiError as error:
            return await self.ask(request, needed, typed, Refusal.of(error, ("code",)))
        return await self._forms.let_in(request, granted, destination(typed))

    async def _passkey_options(self, request: Request, needed: SecondFactorNeeded) -> dict[str, Any] | None:
        if "passkey" not in needed.factors:
            return None
        try:
            caller = self._forms.caller(request)
            return await self._forms.auth.second_factor_passkey_options(caller, needed.mfa_token)
        except ApiError:
            return None


def _answer(typed: Mapping[str, str]) -> dict[str, Any]:
    known = {"mfa_token": typed.get("mfa_token", "")}
    if typed.get("do") == "passkey":
        return {**known, "factor": "passkey", "credential": credential_in(typed)}
    code = typed.get("code", "").strip()
    return {**known, "factor": "totp" if code.replace(" ", "").isdigit() else "recovery_code", "code": code}

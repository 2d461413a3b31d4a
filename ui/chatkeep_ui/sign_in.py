"""GET and POST /sign-in: a plain form that works without JavaScript and with password managers."""

from http import HTTPStatus

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from chatkeep_ui import cookies
from chatkeep_ui.auth_client import SecondFactorNeeded
from chatkeep_ui.destination import destination, own_page_in
from chatkeep_ui.elsewhere import why_it_failed
from chatkeep_ui.email_verification import ResendPage
from chatkeep_ui.forms import FROM_ELSEWHERE, Forms, Refusal, chat_in
from chatkeep_ui.problem import ApiError, ApiRefused
from chatkeep_ui.second_factor import SecondFactorPage

_FIELDS = ("email", "password")
_MISSING = {"email": "Type your e-mail address.", "password": "Type your password."}
_NOTICES = {
    "ended": "Your sign-in has ended. Sign in again and you are back where you were.",
    "signed-out": "You are signed out. See you soon.",
    "deleted": "Your account and everything in it has been deleted.",
    "reset": "Your password has been changed, and every device has been signed out. Sign in with the new one.",
    "verified": "Your e-mail address is confirmed. You can sign in now.",
}


class SignInPage:
    """Asks for e-mail and password; an install that has nobody yet asks for its first user instead."""

    def __init__(self, forms: Forms, second_factor: SecondFactorPage, resend: ResendPage) -> None:
        self._forms = forms
        self._second_factor = second_factor
        self._resend = resend

    async def show(self, request: Request) -> Response:
        """The empty form."""
        if self._forms.may_be_signed_in(request):
            return RedirectResponse("/", status_code=303)
        try:
            registration = await self._forms.auth.registration(self._forms.caller(request))
        except ApiError as error:
            return await self._form(request, dict(request.query_params), Refusal.of(error, ()))
        if registration.first_user:
            return RedirectResponse("/register", status_code=303)
        notice = _NOTICES.get(request.query_params.get("because", ""), "")
        failed = request.query_params.get("error")
        needed = cookies.second_step(request, secure=self._forms.origins.is_https(request))
        if failed == "mfa_required" and needed is not None:
            return await self._second_factor.ask(request, SecondFactorNeeded(*needed), {})
        refusal = Refusal(why_it_failed(failed), status=HTTPStatus.OK) if failed else None
        wanted = {name: request.query_params.get(name, "") for name in ("chat", "then")}
        offered = {"can_register": registration.open, "can_reset": registration.password_reset}
        return await self._form(request, wanted, refusal, notice=notice, **offered)

    async def submit(self, request: Request) -> Response:
        """Sign in with what was typed."""
        typed = await self._forms.read(request)
        if not self._forms.origins.allow_form(request):
            return await self._form(request, typed, Refusal(FROM_ELSEWHERE, status=HTTPStatus.FORBIDDEN))
        missing = {name: text for name, text in _MISSING.items() if not typed.get(name, "").strip()}
        if missing:
            return await self._form(request, typed, Refusal(errors=missing))
        try:
            granted = await self._forms.auth.login(
                self._forms.caller(request), typed["email"].strip(), typed["password"]
            )
        except ApiError as error:
            if isinstance(error, ApiRefused) and error.code == "email_not_verified":
                return await self._resend.ask(typed["email"].strip())
            return await self._form(request, typed, Refusal.of(error, _FIELDS))
        if isinstance(granted, SecondFactorNeeded):
            return await self._second_factor.ask(request, granted, typed)
        return await self._forms.let_in(request, granted, destination(typed))

    async def _form(
        self,
        request: Request,
        typed: dict[str, str],
        refusal: Refusal | None = None,
        *,
        notice: str = "",
        can_register: bool = True,
        can_reset: bool = True,
    ) -> Response:
        try:
            providers = await self._forms.auth.providers(self._forms.caller(request))
        except ApiError:
            # One way of several to sign in: the form is there all the same.
            providers = []
        return self._forms.show(
            "sign_in.html",
            refusal,
            email=typed.get("email", ""),
            chat=chat_in(typed.get("chat")),
            then=own_page_in(typed.get("then")),
            to=destination(typed),
            notice=notice,
            can_register=can_register,
            can_reset=can_reset,
            providers=providers,
        )

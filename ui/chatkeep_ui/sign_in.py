"""GET and POST /sign-in: a plain form that works without JavaScript and with password managers."""

from http import HTTPStatus

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from chatkeep_ui.forms import FROM_ELSEWHERE, Forms, Refusal, chat_in
from chatkeep_ui.problem import ApiError

_FIELDS = ("email", "password")
_MISSING = {"email": "Type your e-mail address.", "password": "Type your password."}
_NOTICES = {
    "ended": "Your sign-in has ended. Sign in again and you are back where you were.",
    "signed-out": "You are signed out. See you soon.",
}


class SignInPage:
    """Asks for e-mail and password; an install that has nobody yet asks for its first user instead."""

    def __init__(self, forms: Forms) -> None:
        self._forms = forms

    async def show(self, request: Request) -> Response:
        """The empty form."""
        if self._forms.may_be_signed_in(request):
            return RedirectResponse("/", status_code=303)
        try:
            registration = await self._forms.auth.registration(self._forms.caller(request))
        except ApiError as error:
            return self._form(request.query_params.get("chat"), {}, Refusal.of(error, ()))
        if registration.first_user:
            return RedirectResponse("/register", status_code=303)
        notice = _NOTICES.get(request.query_params.get("because", ""), "")
        return self._form(request.query_params.get("chat"), {}, notice=notice, can_register=registration.open)

    async def submit(self, request: Request) -> Response:
        """Sign in with what was typed."""
        typed = await self._forms.read(request)
        if not self._forms.origins.allow_form(request):
            return self._form(typed.get("chat"), typed, Refusal(FROM_ELSEWHERE, status=HTTPStatus.FORBIDDEN))
        missing = {name: text for name, text in _MISSING.items() if not typed.get(name, "").strip()}
        if missing:
            return self._form(typed.get("chat"), typed, Refusal(errors=missing))
        try:
            granted = await self._forms.auth.login(
                self._forms.caller(request), typed["email"].strip(), typed["password"]
            )
        except ApiError as error:
            return self._form(typed.get("chat"), typed, Refusal.of(error, _FIELDS))
        return await self._forms.let_in(request, granted, chat_in(typed.get("chat")))

    def _form(
        self,
        chat: str | None,
        typed: dict[str, str],
        refusal: Refusal | None = None,
        *,
        notice: str = "",
        can_register: bool = True,
    ) -> Response:
        return self._forms.show(
            "sign_in.html",
            refusal,
            email=typed.get("email", ""),
            chat=chat_in(chat),
            notice=notice,
            can_register=can_register,
        )

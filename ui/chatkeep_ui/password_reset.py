"""/forgot-password and /reset-password: a new password by way of the mailbox.

The link in the mail carries its token behind the #, which browsers send to nobody: it reaches no log and no referrer.
static/forms.js moves it into the form; without JavaScript the person pastes it there. Nothing is redeemed by looking,
because mail scanners open links too.
"""

from http import HTTPStatus

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from chatkeep_ui.forms import FROM_ELSEWHERE, Forms, Refusal
from chatkeep_ui.problem import ApiError


class ForgotPasswordPage:
    """Asks for the address; says the same whether or not it has an account."""

    def __init__(self, forms: Forms) -> None:
        self._forms = forms

    async def show(self, request: Request) -> Response:
        """The empty form."""
        return self._form("")

    async def submit(self, request: Request) -> Response:
        """Let the API send the mail, if there is anybody to send it to."""
        typed = await self._forms.read(request)
        email = typed.get("email", "").strip()
        if not self._forms.origins.allow_form(request):
            return self._form(email, Refusal(FROM_ELSEWHERE, status=HTTPStatus.FORBIDDEN))
        if not email:
            return self._form(email, Refusal(errors={"email": "Type your e-mail address."}))
        try:
            await self._forms.auth.tell(self._forms.caller(request), "/auth/forgot-password", {"email": email})
        except ApiError as error:
            return self._form(email, Refusal.of(error, ("email",)))
        return self._forms.check_mail(request, email, "reset")

    def _form(self, email: str, refusal: Refusal | None = None) -> Response:
        return self._forms.show("forgot_password.html", refusal, email=email)


class ResetPasswordPage:
    """Asks for the new password, with the token from the mail."""

    def __init__(self, forms: Forms) -> None:
        self._forms = forms

    async def show(self, request: Request) -> Response:
        """The form, which the mailed link leads to."""
        return self._form("")

    async def submit(self, request: Request) -> Response:
        """Set the password."""
        typed = await self._forms.read(request)
        token = typed.get("token", "").strip()
        if not self._forms.origins.allow_form(request):
            return self._form(token, Refusal(FROM_ELSEWHERE, status=HTTPStatus.FORBIDDEN))
        fields = {"token": token, "new_password": typed.get("new_password", "")}
        try:
            await self._forms.auth.tell(self._forms.caller(request), "/auth/reset-password", fields)
        except ApiError as error:
            return self._form(token, Refusal.of(error, ("new_password", "token")))
        return RedirectResponse("/sign-in?because=reset", status_code=303)

    def _form(self, token: str, refusal: Refusal | None = None) -> Response:
        return self._forms.show("reset_password.html", refusal, token=token)
